/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying rounds of the relay, through the thread's scratch buffer. */
#include <assert.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/stream/relay_priv.h"

/* Reads that fill one scratch buffer from a source of small pieces (TLS records). */
#define GATHER_READS 64

struct buf *left_buf(struct relay_dir *x)
{
    if (x->left == NULL) {
        x->left = mem_zero(sizeof(*x->left));
        if (x->left == NULL) {
            return NULL;
        }
        buf_init(&x->left->b, RELAY_LEFT_MAX);
    }
    return &x->left->b;
}

int left_add(struct relay_dir *x, const void *p, size_t n)
{
    struct buf *b = left_buf(x);
    return b == NULL ? ERR_NOMEM : buf_add(b, p, n);
}

void left_free(struct relay_dir *x)
{
    if (x->left == NULL) {
        return;
    }
    buf_free(&x->left->b);
    free(x->left);
    x->left = NULL;
}

/* Write n bytes at p; *put gets how many the destination took. */
static enum relay_step copy_write(struct relay *r, unsigned d, uint8_t *p, size_t n, size_t *put)
{
    struct relay_dir *x = &r->dir[d];

    *put = 0;
    while (*put < n) {
        const struct pst_iov v = { p + *put, n - *put };
        int64_t w = stream_write(relay_dst(r, d), &v, 1);
        if (w == PST_WANT_READ || w == PST_WANT_WRITE) {
            return relay_wait_dst(x, w);
        }
        if (w <= 0) {
            return relay_fail(r, 1 - d, w < 0 ? w : PST_ERR_IO);
        }
        *put += (size_t)w;
        x->unflushed = true;
        relay_moved(r, d, 0);
    }
    return STEP_GO;
}

enum relay_step copy_flush(struct relay *r, unsigned d)
{
    struct relay_left *left = r->dir[d].left;
    size_t put;

    if (left == NULL) {
        return STEP_GO;
    }
    enum relay_step step = copy_write(r, d, left->b.p + left->off, left->b.len - left->off, &put);
    left->off += put;
    if (left->off == left->b.len) {
        left_free(&r->dir[d]);
    }
    return step;
}

/*
 * Fill the scratch buffer. *last is what the last read answered: more than 0 when the source was
 * not asked to the end. A source whose bytes are all in the kernel needs no second read to learn
 * that it is empty: the poller will tell if it is not.
 */
static size_t copy_gather(struct relay *r, unsigned d, uint8_t *p, size_t cap, int64_t *last,
                          bool *dry)
{
    struct stream *src = relay_src(r, d);
    size_t have = 0;

    *dry = false;
    for (int i = 0; i < GATHER_READS && have < cap; i++) {
        struct pst_iov v = { p + have, cap - have };
        *last = stream_read(src, &v, 1);
        if (*last <= 0) {
            break;
        }
        have += (size_t)*last;
        if (stream_direct_fd(src, PST_STREAM_READ) >= 0) {
            *dry = have < cap;
            break;
        }
    }
    return have;
}

/* Hand n new bytes on: straight to the destination, or through the filters into what is left. */
static enum relay_step copy_pass(struct relay *r, unsigned d, uint8_t *p, size_t n, bool fin)
{
    struct relay_dir *x = &r->dir[d];
    size_t put = 0;

    if (x->filters != NULL) {
        struct buf *out = left_buf(x);
        int rc = out == NULL ? ERR_NOMEM : filters_run(r, d, p, n, fin, out);
        if (rc != ERR_OK) {
            return relay_fail(r, 2, rc);
        }
        if (out->len == 0) {
            left_free(x);
        }
        return copy_flush(r, d);
    }
    enum relay_step step = copy_write(r, d, p, n, &put);
    x->slow = step == STEP_WAIT;
    if (x->slow && left_add(x, p + put, n - put) != ERR_OK) {
        return relay_fail(r, 2, ERR_NOMEM);
    }
    return step;
}

enum relay_step copy_round(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];
    size_t cap;
    uint8_t *p = loop_scratch(r->loop, &cap);
    int64_t last = 0;
    bool dry;

    assert(x->left == NULL);
    if (p == NULL) {
        return relay_fail(r, 2, ERR_NOMEM);
    }
    if (x->slow && cap > RELAY_SLOW_BYTES) {
        cap = RELAY_SLOW_BYTES;
    }
    if (cap > RELAY_STACKED_BYTES && stream_direct_fd(relay_src(r, d), PST_STREAM_READ) < 0) {
        cap = RELAY_STACKED_BYTES;
    }
    size_t n = copy_gather(r, d, p, cap, &last, &dry);
    bool want = last == PST_WANT_READ || last == PST_WANT_WRITE;
    bool fin = last == 0;

    if (n > 0) {
        relay_moved(r, d, n);
    }
    if (fin) {
        relay_ended(r, d);
    }
    if (dry && x->filters == NULL && stream_at_end(relay_src(r, d))) {
        dry = false; /* the next round finds the end */
        stream_last_write(relay_dst(r, d));
    }
    x->bulk = n >= RELAY_BULK;
    x->cut = relay_is_cut(r, d, last);
    if (n > 0 || fin) {
        enum relay_step step = copy_pass(r, d, p, n, fin);
        if (step != STEP_GO && (last >= 0 || want || x->cut || step == STEP_OVER)) {
            return step;
        }
    }
    if (x->cut) {
        return STEP_GO;
    }
    if (last < 0 && !want) {
        return relay_fail(r, d, last);
    }
    if (want) {
        return relay_wait_src(x, last);
    }
    return dry ? relay_wait_src(x, PST_WANT_READ) : STEP_GO;
}
