/* SPDX-License-Identifier: MIT */
#include "mem_stream.h"

#include <stdlib.h>
#include <string.h>

#define SCRIPT_MAX 256

struct mem_script {
    int64_t step[SCRIPT_MAX];
    unsigned n, next, calls;
};

struct mem_bytes {
    uint8_t *p;
    size_t off, len;
};

struct mem_stream {
    void (*notify)(void *arg, uint32_t events);
    void *arg;
    struct mem_script script[MEM_CALLS];
    struct mem_bytes in, out; /* seen from the code under test */
    size_t window;
    uint32_t interest, how;
    int ended, reset, shut, closed;
};

static void bytes_add(struct mem_bytes *b, const void *p, size_t n)
{
    if (n == 0) {
        return;
    }
    uint8_t *q = malloc(b->len - b->off + n);
    if (q == NULL) {
        abort();
    }
    if (b->len > b->off) {
        memcpy(q, b->p + b->off, b->len - b->off);
    }
    memcpy(q + b->len - b->off, p, n);
    free(b->p);
    b->p = q;
    b->len = b->len - b->off + n;
    b->off = 0;
}

static size_t bytes_take(struct mem_bytes *b, void *p, size_t cap)
{
    size_t n = b->len - b->off < cap ? b->len - b->off : cap;
    if (n > 0) {
        memcpy(p, b->p + b->off, n);
    }
    b->off += n;
    return n;
}

static void tell(struct mem_stream *m, uint32_t events)
{
    if (m->notify != NULL) {
        m->notify(m->arg, events);
    }
}

/* The next step of a script, 0 when there is none. */
static int64_t scripted(struct mem_stream *m, enum mem_call call)
{
    struct mem_script *s = &m->script[call];

    s->calls++;
    if (s->next == s->n) {
        return 0;
    }
    int64_t answer = s->step[s->next++];
    if (answer == PST_WANT_READ) {
        tell(m, PST_STREAM_READ);
    }
    if (answer == PST_WANT_WRITE) {
        tell(m, PST_STREAM_WRITE);
    }
    return answer;
}

static int32_t mem_handshake_op(void *ctx)
{
    return (int32_t)scripted(ctx, MEM_HANDSHAKE);
}

static int64_t mem_read_op(void *ctx, struct pst_iov *v, uint32_t n)
{
    struct mem_stream *m = ctx;
    int64_t most = scripted(m, MEM_READ);
    size_t got = 0;

    if (most < 0) {
        return most;
    }
    if (m->reset) {
        return PST_ERR_RESET;
    }
    if (mem_unread(m) == 0) {
        return m->ended ? 0 : PST_WANT_READ;
    }
    for (uint32_t i = 0; i < n; i++) {
        size_t cap = v[i].n;
        if (most > 0 && cap > (size_t)most - got) {
            cap = (size_t)most - got;
        }
        got += bytes_take(&m->in, v[i].p, cap);
    }
    return (int64_t)got;
}

static int64_t mem_write_op(void *ctx, const struct pst_iov *v, uint32_t n)
{
    struct mem_stream *m = ctx;
    int64_t most = scripted(m, MEM_WRITE);
    size_t room = m->window > mem_waiting(m) ? m->window - mem_waiting(m) : 0;
    size_t put = 0;

    if (most < 0) {
        return most;
    }
    if (m->reset || m->shut) {
        return PST_ERR_RESET;
    }
    if (most > 0 && room > (size_t)most) {
        room = (size_t)most;
    }
    if (room == 0) {
        return PST_WANT_WRITE;
    }
    for (uint32_t i = 0; i < n && put < room; i++) {
        size_t take = v[i].n < room - put ? v[i].n : room - put;
        bytes_add(&m->out, v[i].p, take);
        put += take;
    }
    return (int64_t)put;
}

static int32_t mem_flush_op(void *ctx)
{
    return (int32_t)scripted(ctx, MEM_FLUSH);
}

static int32_t mem_shutdown_op(void *ctx)
{
    struct mem_stream *m = ctx;
    int64_t answer = scripted(m, MEM_SHUTDOWN);

    if (answer == 0) {
        m->shut = 1;
    }
    return (int32_t)answer;
}

static void mem_close_op(void *ctx, uint32_t how)
{
    struct mem_stream *m = ctx;

    m->closed++;
    m->how = how;
}

static void mem_interest_op(void *ctx, uint32_t events)
{
    ((struct mem_stream *)ctx)->interest = events;
}

const struct pst_stream_ops mem_ops = {
    .size = sizeof(mem_ops),
    .handshake = mem_handshake_op,
    .read = mem_read_op,
    .write = mem_write_op,
    .flush = mem_flush_op,
    .shutdown_write = mem_shutdown_op,
    .close = mem_close_op,
    .interest = mem_interest_op,
};

struct mem_stream *mem_new(void (*notify)(void *arg, uint32_t events), void *arg)
{
    struct mem_stream *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return NULL;
    }
    m->notify = notify;
    m->arg = arg;
    m->window = SIZE_MAX;
    return m;
}

void mem_free(struct mem_stream *m)
{
    if (m == NULL) {
        return;
    }
    free(m->in.p);
    free(m->out.p);
    free(m);
}

void mem_notify_arg(struct mem_stream *m, void *arg)
{
    m->arg = arg;
}

void mem_script(struct mem_stream *m, enum mem_call call, int64_t answer)
{
    struct mem_script *s = &m->script[call];

    if (s->n == SCRIPT_MAX) {
        abort();
    }
    s->step[s->n++] = answer;
}

void mem_window(struct mem_stream *m, size_t n)
{
    m->window = n;
}

void mem_put(struct mem_stream *m, const void *p, size_t n)
{
    bytes_add(&m->in, p, n);
    tell(m, PST_STREAM_READ);
}

void mem_end(struct mem_stream *m)
{
    m->ended = 1;
    tell(m, PST_STREAM_READ);
}

void mem_reset(struct mem_stream *m)
{
    m->reset = 1;
    tell(m, PST_STREAM_READ | PST_STREAM_WRITE);
}

size_t mem_take(struct mem_stream *m, void *p, size_t cap)
{
    size_t n = bytes_take(&m->out, p, cap);
    if (n > 0) {
        tell(m, PST_STREAM_WRITE);
    }
    return n;
}

size_t mem_waiting(const struct mem_stream *m)
{
    return m->out.len - m->out.off;
}

size_t mem_unread(const struct mem_stream *m)
{
    return m->in.len - m->in.off;
}

int mem_was_shut(const struct mem_stream *m)
{
    return m->shut;
}

int mem_was_closed(const struct mem_stream *m)
{
    return m->closed;
}

uint32_t mem_closed_how(const struct mem_stream *m)
{
    return m->how;
}

uint32_t mem_interest(const struct mem_stream *m)
{
    return m->interest;
}

unsigned mem_calls(const struct mem_stream *m, enum mem_call call)
{
    return m->script[call].calls;
}
