/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/unit/xor_stream.h"

#include <stdlib.h>
#include <string.h>

struct xor_stream {
    struct stream *inner;
    size_t record;
    uint8_t in[32768], out[16384];
    size_t in_off, in_len, out_off, out_len;
};

static int64_t xor_read(void *ctx, struct pst_iov *v, uint32_t n)
{
    struct xor_stream *x = ctx;
    size_t take = x->record;

    (void)n;
    if (x->in_off == x->in_len) {
        struct pst_iov below = { x->in, sizeof(x->in) };
        int64_t r = stream_read(x->inner, &below, 1);
        if (r <= 0) {
            return r;
        }
        x->in_off = 0;
        x->in_len = (size_t)r;
    }
    if (take > x->in_len - x->in_off) {
        take = x->in_len - x->in_off;
    }
    if (take > v[0].n) {
        take = v[0].n;
    }
    for (size_t i = 0; i < take; i++) {
        v[0].p[i] = x->in[x->in_off + i] ^ 0x5a;
    }
    x->in_off += take;
    return (int64_t)take;
}

static int32_t xor_flush(void *ctx)
{
    struct xor_stream *x = ctx;

    while (x->out_off < x->out_len) {
        const struct pst_iov below = { x->out + x->out_off, x->out_len - x->out_off };
        int64_t r = stream_write(x->inner, &below, 1);
        if (r < 0) {
            return (int32_t)r;
        }
        x->out_off += (size_t)r;
    }
    x->out_off = x->out_len = 0;
    return PST_OK;
}

/* Keeps what fits back until flush(), like a record layer that groups its writes. */
static int64_t xor_write(void *ctx, const struct pst_iov *v, uint32_t n)
{
    struct xor_stream *x = ctx;

    (void)n;
    if (x->out_len == sizeof(x->out)) {
        int32_t r = xor_flush(x);
        if (r != PST_OK) {
            return r;
        }
    }
    size_t take = sizeof(x->out) - x->out_len;
    if (take > v[0].n) {
        take = v[0].n;
    }
    for (size_t i = 0; i < take; i++) {
        x->out[x->out_len + i] = v[0].p[i] ^ 0x5a;
    }
    x->out_len += take;
    return (int64_t)take;
}

static void xor_close(void *ctx, uint32_t how)
{
    (void)how;
    free(ctx);
}

static const struct pst_stream_ops xor_ops = {
    .size = sizeof(xor_ops),
    .read = xor_read,
    .write = xor_write,
    .flush = xor_flush,
    .close = xor_close,
};

struct stream *xor_stack(struct stream *inner, size_t record)
{
    struct xor_stream *x = calloc(1, sizeof(*x));
    if (x == NULL) {
        return NULL;
    }
    x->inner = inner;
    x->record = record;
    struct stream *s = stream_stack(inner, &xor_ops, x);
    if (s == NULL) {
        free(x);
    }
    return s;
}
