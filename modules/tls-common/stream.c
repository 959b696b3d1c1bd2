/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream that speaks TLS, of either direction: bytes, ends and errors are the same, only who
 * begins and what is asked of the peer differs.
 */
#include "tls-common/tls_common.h"

#include <wolfssl/error-ssl.h>

/* Taken by one write() before others get their turn. */
#define WRITE_TURN ((size_t)256 * 1024)
/* Encrypted at once: with a slow peer no more than this has to be kept for it. */
#define WRITE_PART ((size_t)64 * 1024)
/* Records without data that may come before the first one with some. */
#define CREDIT_AT_START 64

/* --- handshake -------------------------------------------------------------------------------- */

static void step(struct tls_stream *t)
{
    int rc = t->role->step(t->ssl);
    int err = rc == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(t->ssl, rc);

    if (rc == WOLFSSL_SUCCESS) {
        t->failed = t->role->finish(t);
    } else if (err != WOLFSSL_ERROR_WANT_READ && err != WOLFSSL_ERROR_WANT_WRITE) {
        t->failed = t->role->fail(t, err);
    }
    if (rc == WOLFSSL_SUCCESS && t->failed == PST_OK) {
        t->done = true;
        /* The account of idle records begins now; the handshake had its own. */
        tls_io_earn(&t->io, 0);
        t->io.credit = CREDIT_AT_START;
    }
    wolfSSL_ERR_clear_error();
}

static int32_t do_handshake(void *ctx)
{
    struct tls_stream *t = ctx;
    int32_t pushed;

    if (t->failed == PST_OK && !t->done) {
        step(t);
    }
    pushed = tls_io_push(&t->io);
    if (pushed == PST_OK) {
        pushed = t->io.host->stream_flush(t->io.inner);
    }
    if (pushed == PST_WANT_READ || pushed == PST_WANT_WRITE) {
        return pushed;
    }
    if (t->failed != PST_OK) {
        return t->failed;
    }
    if (pushed != PST_OK || t->done) {
        return pushed;
    }
    return t->io.want == PST_WANT_WRITE ? PST_WANT_WRITE : PST_WANT_READ;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* What a read that gave nothing means. */
static int64_t read_result(struct tls_stream *t, int rc)
{
    int err = wolfSSL_get_error(t->ssl, rc);
    int64_t r = PST_ERR_PROTOCOL;

    if (err == WOLFSSL_ERROR_WANT_READ) {
        return t->io.want == PST_WANT_WRITE ? PST_WANT_WRITE : PST_WANT_READ;
    }
    if (err == WOLFSSL_ERROR_WANT_WRITE) {
        return PST_WANT_WRITE;
    }
    if (err == WOLFSSL_ERROR_ZERO_RETURN || err == ZERO_RETURN) {
        t->read_ended = true;
        r = 0;
    } else if (t->io.failed != 0) {
        r = t->io.failed;
    } else if (t->io.eof) {
        /* The wire ended without close_notify: somebody may have cut it (RFC 8446 section 6.1). */
        r = PST_ERR_RESET;
    }
    tls_alerts_note(t);
    wolfSSL_ERR_clear_error();
    return r;
}

static int64_t do_read(void *ctx, struct pst_iov *v, uint32_t n)
{
    struct tls_stream *t = ctx;
    int64_t r;
    uint32_t i = 0;
    int rc;

    if (t->read_ended) {
        return 0;
    }
    /* Answers to the peer (KeyUpdate) must not heap up while it does not read them. */
    if (tls_io_waiting(&t->io) && !t->write_ended && tls_io_push(&t->io) == PST_WANT_WRITE) {
        return PST_WANT_WRITE;
    }
    while (i < n && v[i].n == 0) {
        i++;
    }
    if (i == n) {
        return PST_ERR_INVALID;
    }
    if (wolfSSL_pending(t->ssl) == 0) {
        int32_t want = tls_io_look(&t->io);

        if (want != PST_OK) {
            return want;
        }
    }
    rc = wolfSSL_read(t->ssl, v[i].p, v[i].n < INT32_MAX ? (int)v[i].n : INT32_MAX);
    if (rc > 0) {
        tls_io_earn(&t->io, (size_t)rc);
    }
    r = rc > 0 ? rc : read_result(t, rc);
    if (t->role->after_read != NULL) {
        t->role->after_read(t);
    }
    (void)tls_io_push(&t->io);
    return r;
}

/* Encrypt from `v`; the bytes taken, or a negative error when there are none. */
static int64_t encrypt(struct tls_stream *t, const struct pst_iov *v, uint32_t n)
{
    size_t total = 0;

    for (uint32_t i = 0; i < n; i++) {
        for (size_t off = 0; off < v[i].n;) {
            size_t part = v[i].n - off < WRITE_PART ? v[i].n - off : WRITE_PART;
            int rc = wolfSSL_write(t->ssl, v[i].p + off, (int)part);

            if (rc <= 0) {
                wolfSSL_ERR_clear_error();
                return total > 0 ? (int64_t)total : t->io.failed != 0 ? t->io.failed : PST_ERR_IO;
            }
            off += (size_t)rc;
            total += (size_t)rc;
            if (tls_io_waiting(&t->io) || total >= WRITE_TURN) {
                return (int64_t)total;
            }
        }
    }
    return (int64_t)total;
}

static int64_t do_write(void *ctx, const struct pst_iov *v, uint32_t n)
{
    struct tls_stream *t = ctx;
    int64_t r;
    int32_t pushed;

    if (t->write_ended) {
        return PST_ERR_STATE;
    }
    if (tls_io_waiting(&t->io)) {
        pushed = tls_io_push(&t->io);
        if (pushed != PST_OK) {
            return pushed;
        }
    }
    r = encrypt(t, v, n);
    pushed = tls_io_push(&t->io);
    return pushed == PST_OK || pushed == PST_WANT_WRITE || pushed == PST_WANT_READ ? r : pushed;
}

static int32_t do_flush(void *ctx)
{
    struct tls_stream *t = ctx;

    return tls_io_push(&t->io);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void send_close_notify(struct tls_stream *t)
{
    if (t->write_ended) {
        return;
    }
    t->write_ended = true;
    if (t->done && t->io.failed == 0) {
        (void)wolfSSL_shutdown(t->ssl);
        wolfSSL_ERR_clear_error();
    }
}

/* close_notify, and behind it the end of the stream below; reading goes on. */
static int32_t do_shutdown_write(void *ctx)
{
    struct tls_stream *t = ctx;
    int32_t rc;

    if (t->io.muted) {
        return PST_OK;
    }
    send_close_notify(t);
    rc = tls_io_push(&t->io);
    if (rc != PST_OK) {
        return rc;
    }
    rc = t->io.host->stream_shutdown_write(t->io.inner);
    t->io.muted = rc == PST_OK;
    return rc;
}

static void do_close(void *ctx, uint32_t how)
{
    struct tls_stream *t = ctx;

    if (!t->done && t->failed == 0 && t->role->unfinished != NULL) {
        t->role->unfinished(t);
    }
    if (how == PST_CLOSE_GRACEFUL && !t->io.muted) {
        send_close_notify(t);
        (void)tls_io_push(&t->io);
    }
    /* The destructor must not write any more. */
    t->io.muted = true;
    wolfSSL_free(t->ssl);
    t->ssl = NULL;
    tls_io_end(&t->io);
}

static const struct pst_stream_ops ops = {
    .size = sizeof(ops),
    .handshake = do_handshake,
    .read = do_read,
    .write = do_write,
    .flush = do_flush,
    .shutdown_write = do_shutdown_write,
    .close = do_close,
};

/* --- life ------------------------------------------------------------------------------------- */

int32_t tls_stream_stack(struct tls_stream *t, const struct pst_host *host, uint32_t side)
{
    pst_stream *inner = NULL;
    int32_t rc = host->stream_stack(t->conn, side, &ops, t, &inner);

    t->side = side;

    if (rc == PST_OK) {
        tls_io_begin(&t->io, t->ssl, host, inner);
    }
    return rc;
}
