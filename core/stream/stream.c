/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layers: calls go to the layer named; prefix, front and byte counts live at the base. */
#include "core/stream/stream.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/stream/stream_priv.h"

/* A layer that is not a base. */
struct stream_layer {
    struct stream s;
    struct pst_stream_ops ops;
};

struct stream *stream_stack(struct stream *inner, const struct pst_stream_ops *ops, void *ctx)
{
    struct stream_layer *l = mem_zero(sizeof(*l));
    if (l == NULL) {
        return NULL;
    }
    stream_ops_copy(&l->ops, ops);
    l->s.ops = &l->ops;
    l->s.ctx = ctx;
    l->s.inner = inner;
    return &l->s;
}

void stream_free(struct stream *top, uint32_t how)
{
    struct stream_base *b;

    if (top == NULL) {
        return;
    }
    base_of(top)->ready = NULL;
    b = base_of(stream_strip(top, how));
    stream_bytes_free(&b->prefix);
    stream_bytes_free(&b->front);
    if (b->s.ops->close != NULL) {
        b->s.ops->close(b->s.ctx, how);
    }
    /* Only now: close() may still have said that it is ready. */
    if (!b->s.raw) {
        module_stop(b);
    }
    free(b);
}

struct stream *stream_strip(struct stream *top, uint32_t how)
{
    while (top->inner != NULL) {
        struct stream *below = top->inner;

        if (top->ops->close != NULL) {
            top->ops->close(top->ctx, how);
        }
        free(top);
        top = below;
    }
    return top;
}

struct stream *stream_inner(struct stream *s)
{
    return s->inner;
}

struct stream *stream_base(struct stream *s)
{
    return &base_of(s)->s;
}

int32_t stream_handshake(struct stream *s)
{
    if (s->ready) {
        return PST_OK;
    }
    int32_t r = s->inner == NULL ? PST_OK : stream_handshake(s->inner);
    if (r == PST_OK && s->ops->handshake != NULL) {
        r = s->ops->handshake(s->ctx);
    }
    s->ready = r == PST_OK;
    return r;
}

int64_t stream_read(struct stream *s, struct pst_iov *v, uint32_t n)
{
    struct stream_base *b = s->inner == NULL ? base_of(s) : NULL;

    if (b != NULL) {
        if (s->broken) {
            return PST_ERR_NOMEM;
        }
        if (b->prefix != NULL) {
            return prefix_read(b, v, n);
        }
    }
    if (s->ops->read == NULL) {
        return PST_ERR_IO;
    }
    int64_t r = s->ops->read(s->ctx, v, n);
    if (b != NULL && r > 0) {
        b->in += (uint64_t)r;
    }
    return r;
}

void stream_ask_again(struct stream *s)
{
    struct stream_base *b = base_of(s);

    if (b->s.raw) {
        raw_ask_again(b);
    }
}

void stream_blocked(struct stream *s, unsigned events)
{
    struct stream_base *b = base_of(s);

    if (b->s.raw) {
        raw_blocked(b, events);
    }
}

bool stream_at_end(struct stream *s)
{
    return s->inner == NULL && s->raw && base_of(s)->prefix == NULL && raw_ended(base_of(s));
}

void stream_last_write(struct stream *s)
{
    if (s->inner == NULL && s->raw) {
        raw_last_write(base_of(s));
    }
}

void stream_in_pieces(struct stream *s)
{
    raw_in_pieces(base_of(s));
}

void stream_delays(struct stream *s)
{
    raw_delays(base_of(s));
}

int64_t stream_write(struct stream *s, const struct pst_iov *v, uint32_t n)
{
    struct stream_base *b = s->inner == NULL ? base_of(s) : NULL;

    if (b != NULL) {
        if (s->broken) {
            return PST_ERR_NOMEM;
        }
        if (b->front != NULL) {
            return front_write(b, v, n);
        }
    }
    if (s->ops->write == NULL) {
        return PST_ERR_IO;
    }
    int64_t r = s->ops->write(s->ctx, v, n);
    if (b != NULL && r > 0) {
        b->out += (uint64_t)r;
    }
    return r;
}

int32_t stream_flush(struct stream *s)
{
    for (; s != NULL; s = s->inner) {
        if (s->inner == NULL && base_of(s)->front != NULL) {
            int64_t w = front_write(base_of(s), NULL, 0);
            if (w < 0) {
                return (int32_t)w;
            }
        }
        int32_t r = s->ops->flush == NULL ? PST_OK : s->ops->flush(s->ctx);
        if (r != PST_OK) {
            return r;
        }
    }
    return PST_OK;
}

int32_t stream_shutdown_write(struct stream *s)
{
    if (s->inner == NULL && base_of(s)->front != NULL) {
        int64_t w = front_write(base_of(s), NULL, 0);
        if (w < 0) {
            return (int32_t)w;
        }
    }
    if (s->ops->shutdown_write != NULL) {
        return s->ops->shutdown_write(s->ctx);
    }
    return s->inner == NULL ? PST_OK : stream_shutdown_write(s->inner);
}

int32_t stream_direct_fd(struct stream *s, uint32_t dir)
{
    const struct stream_base *b = base_of(s);

    if (s->ops->direct_fd == NULL) {
        return PST_FD_NEVER;
    }
    if ((dir == PST_STREAM_READ && b->prefix != NULL) ||
        (dir == PST_STREAM_WRITE && b->front != NULL) || b->s.broken) {
        return PST_FD_NOT_NOW;
    }
    return s->ops->direct_fd(s->ctx, dir);
}

void stream_on_ready(struct stream *s, stream_ready_fn fn, void *arg)
{
    struct stream_base *b = base_of(s);

    b->ready = fn;
    b->arg = arg;
}

void stream_interest(struct stream *s, unsigned events)
{
    struct stream_base *b = base_of(s);

    if (b->s.raw) {
        raw_interest(b, events);
    } else if (events != b->s.interest) {
        module_interest(b, events);
    }
}

int stream_await_connect(struct stream *s)
{
    return raw_await_connect(base_of(s));
}

int stream_fd(struct stream *s)
{
    const struct stream_base *b = base_of(s);

    return b->s.raw ? raw_fd(b) : -1;
}

int stream_errno(struct stream *s)
{
    return base_of(s)->s.sys_errno;
}

uint64_t stream_bytes_in(struct stream *s)
{
    return base_of(s)->in;
}

uint64_t stream_bytes_out(struct stream *s)
{
    return base_of(s)->out;
}

void stream_count(struct stream *s, uint64_t in, uint64_t out)
{
    struct stream_base *b = base_of(s);

    b->in += in;
    b->out += out;
}
