/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes that wait at a base: the preface already read, and the header not yet written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/stream/stream_priv.h"

/* More than any PROXY header can be: its length field has 16 bits. */
#define FRONT_MAX ((size_t)128 * 1024)
/* Pieces of one write that are sent together with the front. */
#define FRONT_IOV 8

void stream_bytes_free(struct stream_bytes **at)
{
    if (*at == NULL) {
        return;
    }
    buf_free(&(*at)->b);
    free(*at);
    *at = NULL;
}

void stream_set_prefix(struct stream *s, struct buf *b)
{
    struct stream_base *base = base_of(s);

    stream_bytes_free(&base->prefix);
    if (b->len == 0) {
        buf_free(b);
        return;
    }
    base->prefix = mem_zero(sizeof(*base->prefix));
    if (base->prefix == NULL) {
        base->s.sys_errno = ENOMEM;
        base->s.broken = true;
        buf_free(b);
        return;
    }
    base->prefix->b = *b;
    buf_init(b, b->limit);
}

size_t stream_prefix_left(struct stream *s)
{
    const struct stream_bytes *p = base_of(s)->prefix;
    return p == NULL ? 0 : p->b.len - p->off;
}

int64_t prefix_read(struct stream_base *b, struct pst_iov *v, uint32_t n)
{
    struct stream_bytes *p = b->prefix;
    size_t got = 0;

    for (uint32_t i = 0; i < n && p->off < p->b.len; i++) {
        size_t take = p->b.len - p->off;
        if (take > v[i].n) {
            take = v[i].n;
        }
        if (take > 0) {
            memcpy(v[i].p, p->b.p + p->off, take);
        }
        p->off += take;
        got += take;
    }
    if (p->off == p->b.len) {
        stream_bytes_free(&b->prefix);
    }
    return (int64_t)got;
}

int stream_push_front(struct stream *s, const void *p, size_t n)
{
    struct stream_base *b = base_of(s);

    if (n == 0) {
        return ERR_OK;
    }
    if (b->front == NULL) {
        b->front = mem_zero(sizeof(*b->front));
        if (b->front == NULL) {
            return ERR_NOMEM;
        }
        buf_init(&b->front->b, FRONT_MAX);
    }
    int rc = buf_add(&b->front->b, p, n);
    if (rc != ERR_OK && b->front->b.len == 0) {
        stream_bytes_free(&b->front);
    }
    return rc;
}

/*
 * One attempt: the front and as many pieces of v as fit beside it. *taken gets the bytes of v that
 * went out. Answers what the base answered.
 */
static int64_t front_once(struct stream_base *b, const struct pst_iov *v, uint32_t n, size_t *taken)
{
    struct stream_bytes *f = b->front;
    struct pst_iov all[1 + FRONT_IOV];
    uint32_t m = 0;
    size_t left = f->b.len - f->off;

    all[m++] = (struct pst_iov){ f->b.p + f->off, left };
    for (uint32_t i = 0; i < n && m < 1 + FRONT_IOV; i++) {
        all[m++] = v[i];
    }
    int64_t r = b->s.ops->write(b->s.ctx, all, m);
    *taken = 0;
    if (r <= 0) {
        return r;
    }
    b->out += (uint64_t)r;
    if ((size_t)r < left) {
        f->off += (size_t)r;
        return r;
    }
    *taken = (size_t)r - left;
    stream_bytes_free(&b->front);
    return r;
}

int64_t front_write(struct stream_base *b, const struct pst_iov *v, uint32_t n)
{
    size_t taken = 0;

    while (b->front != NULL) {
        int64_t r = front_once(b, v, n, &taken);
        if (r == 0) {
            return PST_WANT_WRITE;
        }
        if (r < 0) {
            return r;
        }
    }
    if (n > 0 && taken == 0) {
        return stream_write(&b->s, v, n);
    }
    return (int64_t)taken;
}
