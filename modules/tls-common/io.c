/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library asks for five bytes, then for the rest of a record, and hands out one record at a
 * time. Here one read of the stream below serves many of its reads, and one write many records.
 */
#include "tls-common/tls_common.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tls-common/tls_thread.h"

#define IN_SIZE  ((size_t)64 * 1024)
#define OUT_SIZE ((size_t)72 * 1024) /* four full records */
/* More than this may not wait for a peer that does not read while it makes us answer. */
#define PARKED_MAX ((size_t)256 * 1024)
/*
 * Records without application data (KeyUpdate, empty ones, alerts) that a peer may have us work
 * on; application data earns new ones. A handshake is made of such records too.
 */
#define CREDIT_MAX       256
#define BYTES_PER_CREDIT 4096
#define RECORD_HEAD      5

struct tls_parked {
    size_t off, n, room;
    uint8_t data[];
};

int32_t tls_thread_buffers(struct tls_thread *t)
{
    t->in = malloc(IN_SIZE);
    t->out = malloc(OUT_SIZE);
    t->in_owner = NULL;
    t->out_n = 0;
    return t->in == NULL || t->out == NULL ? PST_ERR_NOMEM : PST_OK;
}

void tls_thread_buffers_free(struct tls_thread *t)
{
    assert(t->in_owner == NULL);
    free(t->in);
    free(t->out);
    t->in = t->out = NULL;
}

/* Append to what is parked; false: no memory, or too much. */
static bool park(struct tls_parked **at, const uint8_t *p, size_t n)
{
    struct tls_parked *k = *at;
    size_t have = k == NULL ? 0 : k->n - k->off;

    if (n > PARKED_MAX - have) {
        return false;
    }
    if (k == NULL || n > k->room - k->n) {
        struct tls_parked *larger = malloc(sizeof(*k) + have + n);

        if (larger == NULL) {
            return false;
        }
        *larger = (struct tls_parked){ .n = have, .room = have + n };
        if (have > 0) {
            memcpy(larger->data, k->data + k->off, have);
        }
        free(k);
        *at = k = larger;
    }
    memcpy(k->data + k->n, p, n);
    k->n += n;
    return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Make the thread's buffer ours; whoever had bytes in it takes them home. */
static void claim(struct tls_thread *t, struct tls_io *io)
{
    struct tls_io *other = t->in_owner;

    if (other != NULL && other != io && t->in_off < t->in_n &&
        !park(&other->in, t->in + t->in_off, t->in_n - t->in_off)) {
        other->failed = PST_ERR_NOMEM;
    }
    t->in_owner = io;
    t->in_off = t->in_n = 0;
}

/* Bytes that were read before. */
static size_t take(struct tls_io *io, uint8_t *p, size_t n)
{
    struct tls_thread *t = io->thread;
    struct tls_parked *k = io->in;

    if (k != NULL) {
        n = n < k->n - k->off ? n : k->n - k->off;
        memcpy(p, k->data + k->off, n);
        k->off += n;
        if (k->off == k->n) {
            free(k);
            io->in = NULL;
        }
        return n;
    }
    if (t->in_owner != io) {
        return 0;
    }
    n = n < t->in_n - t->in_off ? n : t->in_n - t->in_off;
    memcpy(p, t->in + t->in_off, n);
    t->in_off += n;
    if (t->in_off == t->in_n) {
        t->in_owner = NULL;
    }
    return n;
}

/* Answers what the callback has to: 0 when there are new bytes. */
static int fill(struct tls_io *io)
{
    struct tls_thread *t = io->thread;
    struct pst_iov v;
    int64_t r;

    if (io->failed != 0) {
        return WOLFSSL_CBIO_ERR_CONN_RST;
    }
    if (io->eof) {
        return WOLFSSL_CBIO_ERR_CONN_CLOSE;
    }
    claim(t, io);
    v.p = t->in;
    v.n = IN_SIZE;
    r = io->host->stream_read(io->inner, &v, 1);
    if (r > 0) {
        t->in_n = (size_t)r;
        return 0;
    }
    t->in_owner = NULL;
    if (r == 0) {
        io->eof = true;
        return WOLFSSL_CBIO_ERR_CONN_CLOSE;
    }
    if (r == PST_WANT_READ || r == PST_WANT_WRITE) {
        io->want = (int32_t)r;
        return WOLFSSL_CBIO_ERR_WANT_READ;
    }
    io->failed = (int32_t)r;
    return WOLFSSL_CBIO_ERR_CONN_RST;
}

int32_t tls_io_look(struct tls_io *io)
{
    if (io->in != NULL || io->thread->in_owner == io) {
        return PST_OK;
    }
    return fill(io) == WOLFSSL_CBIO_ERR_WANT_READ ? io->want : PST_OK;
}

/* Count the headers among bytes that the library is about to get. */
static void count_records(struct tls_io *io, const uint8_t *p, size_t n)
{
    while (n > 0) {
        if (io->body_left > 0) {
            size_t skip = n < io->body_left ? n : io->body_left;

            io->body_left -= (uint16_t)skip;
            p += skip;
            n -= skip;
            continue;
        }
        io->head[io->head_n++] = *p++;
        n--;
        if (io->head_n == RECORD_HEAD) {
            io->head_n = 0;
            io->body_left = (uint16_t)(io->head[3] << 8 | io->head[4]);
            io->records++;
        }
    }
}

static int on_recv(WOLFSSL *ssl, char *buf, int sz, void *ctx)
{
    struct tls_io *io = ctx;
    uint8_t *p = (uint8_t *)buf;
    size_t got;

    (void)ssl;
    if (sz <= 0 || io->records > io->credit) {
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    got = take(io, p, (size_t)sz);
    if (got == 0) {
        int rc = fill(io);

        if (rc != 0) {
            return rc;
        }
        got = take(io, p, (size_t)sz);
    }
    count_records(io, p, got);
    return (int)got;
}

void tls_io_earn(struct tls_io *io, size_t n)
{
    uint32_t spent = io->records > 1 ? io->records - 1u : 0;
    uint32_t credit = io->credit - (spent < io->credit ? spent : io->credit);

    /* What is left of a whole credit is forgotten: only data in earnest earns. */
    credit += (uint32_t)(n / BYTES_PER_CREDIT);
    io->credit = (uint16_t)(credit < CREDIT_MAX ? credit : CREDIT_MAX);
    io->records = 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Write what is in the thread's buffer, and park what does not go. */
static int32_t push_buffer(struct tls_io *io)
{
    struct tls_thread *t = io->thread;
    size_t off = 0;
    int64_t r = PST_OK;

    while (off < t->out_n && !io->muted && io->failed == 0 && io->out == NULL) {
        const struct pst_iov v = { t->out + off, t->out_n - off };

        r = io->host->stream_write(io->inner, &v, 1);
        if (r <= 0) {
            break;
        }
        off += (size_t)r;
    }
    if (r < 0 && r != PST_WANT_READ && r != PST_WANT_WRITE) {
        io->failed = (int32_t)r;
    } else if (off < t->out_n && !io->muted && io->failed == 0 &&
               !park(&io->out, t->out + off, t->out_n - off)) {
        io->failed = PST_ERR_NOMEM;
    }
    t->out_n = 0;
    if (io->failed != 0) {
        return io->failed;
    }
    return io->out != NULL ? PST_WANT_WRITE : PST_OK;
}

static int32_t push_parked(struct tls_io *io)
{
    struct tls_parked *k = io->out;

    while (k->off < k->n) {
        const struct pst_iov v = { k->data + k->off, k->n - k->off };
        int64_t r = io->host->stream_write(io->inner, &v, 1);

        if (r == 0) {
            r = PST_WANT_WRITE;
        }
        if (r < 0) {
            if (r != PST_WANT_READ && r != PST_WANT_WRITE) {
                io->failed = (int32_t)r;
            }
            return (int32_t)r;
        }
        k->off += (size_t)r;
    }
    free(k);
    io->out = NULL;
    return PST_OK;
}

int32_t tls_io_push(struct tls_io *io)
{
    if (io->thread->out_n == 0 && io->out == NULL) {
        return io->failed;
    }
    if (io->failed != 0 || io->muted) {
        io->thread->out_n = 0;
        free(io->out);
        io->out = NULL;
        return io->failed;
    }
    if (io->out != NULL) {
        int32_t rc = push_parked(io);

        if (rc != PST_OK) {
            int32_t later = push_buffer(io);
            return io->failed != 0 ? later : rc;
        }
    }
    return push_buffer(io);
}

bool tls_io_is_tls(const struct tls_io *io)
{
    return io->records == 0 ||
           (io->head[0] >= TLS_RECORD_CCS && io->head[0] <= TLS_RECORD_DATA && io->head[1] == 3);
}

bool tls_io_waiting(const struct tls_io *io)
{
    return io->out != NULL;
}

/* The library writes whole records, one or several. */
static void note_types(struct tls_io *io, const uint8_t *p, size_t n)
{
    for (size_t off = 0; n - off >= RECORD_HEAD;) {
        size_t len = RECORD_HEAD + (size_t)(p[off + 3] << 8 | p[off + 4]);

        io->sent_ccs = io->sent_ccs || p[off] == TLS_RECORD_CCS;
        io->sent_data = io->sent_data || p[off] == TLS_RECORD_DATA;
        if (len > n - off) {
            break;
        }
        off += len;
    }
}

/* The library never hears WANT_WRITE, so it never has to be called again with the same bytes. */
static int on_send(WOLFSSL *ssl, char *buf, int sz, void *ctx)
{
    struct tls_io *io = ctx;
    struct tls_thread *t = io->thread;
    const uint8_t *p = (const uint8_t *)buf;
    size_t n = sz < 0 ? 0 : (size_t)sz;

    (void)ssl;
    if (io->muted) {
        return sz;
    }
    if (io->failed != 0 || n == 0) {
        return WOLFSSL_CBIO_ERR_CONN_RST;
    }
    note_types(io, p, n);
    while (n > 0) {
        size_t room = OUT_SIZE - t->out_n, part = n < room ? n : room;

        memcpy(t->out + t->out_n, p, part);
        t->out_n += part;
        p += part;
        n -= part;
        if (t->out_n == OUT_SIZE && push_buffer(io) < 0 && io->failed != 0) {
            return WOLFSSL_CBIO_ERR_CONN_RST;
        }
    }
    return sz;
}

void tls_io_alert(struct tls_io *io, uint8_t alert)
{
    const uint8_t record[] = { TLS_RECORD_ALERT, 3, 3, 0, 2, 2, alert };
    struct tls_thread *t = io->thread;

    if (!io->muted && io->failed == 0 && OUT_SIZE - t->out_n >= sizeof(record)) {
        memcpy(t->out + t->out_n, record, sizeof(record));
        t->out_n += sizeof(record);
    }
}

void tls_io_take_back(void)
{
    tls_thread.out_n = 0;
}

/* --- life ------------------------------------------------------------------------------------- */

void tls_io_begin(struct tls_io *io, WOLFSSL *ssl, const struct pst_host *host, pst_stream *inner)
{
    io->host = host;
    io->inner = inner;
    io->thread = &tls_thread;
    io->credit = CREDIT_MAX;
    wolfSSL_SSLSetIORecv(ssl, on_recv);
    wolfSSL_SSLSetIOSend(ssl, on_send);
    wolfSSL_SetIOReadCtx(ssl, io);
    wolfSSL_SetIOWriteCtx(ssl, io);
}

void tls_io_end(struct tls_io *io)
{
    if (tls_thread.in_owner == io) {
        tls_thread.in_owner = NULL;
    }
    free(io->in);
    free(io->out);
    io->in = io->out = NULL;
}
