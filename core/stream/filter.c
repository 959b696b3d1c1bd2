/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte filters: each sees what the one before let through; the core keeps what it holds back. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/stream/relay_priv.h"

/* The most that one filter may hold back. */
#define FILTER_HOLD_MAX ((size_t)1024 * 1024)

struct filter {
    struct filter *next;
    struct relay *r;
    struct pst_filter_ops ops;
    void *ctx;
    struct buf held; /* shown again with what comes next */
    uint8_t d;       /* the direction's index            */
    bool running;    /* its data() is on the stack       */
    bool stale;      /* detached; gives up `held` and goes */
};

/* What data() fills. */
struct pst_filter_out {
    const uint8_t *p; /* not yet passed or dropped */
    size_t n;
    struct buf *to;
    int err;
};

struct filter *relay_filter_attach(struct relay *r, uint32_t dir, const struct pst_filter_ops *ops,
                                   void *ctx)
{
    if (r->started || (dir != PST_DIR_TO_UPSTREAM && dir != PST_DIR_TO_CLIENT)) {
        return NULL;
    }
    struct filter *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return NULL;
    }
    memcpy(&f->ops, ops, ops->size < sizeof(f->ops) ? ops->size : sizeof(f->ops));
    f->r = r;
    f->ctx = ctx;
    f->d = dir == PST_DIR_TO_UPSTREAM ? 0 : 1;
    buf_init(&f->held, FILTER_HOLD_MAX + RELAY_LEFT_MAX);
    struct filter **at = &r->dir[f->d].filters;
    while (f->d == 0 && *at != NULL) {
        at = &(*at)->next;
    }
    f->next = *at;
    *at = f;
    return f;
}

static void filter_tell(struct filter *f)
{
    if (f->ops.detach != NULL) {
        f->ops.detach(f->ctx);
    }
}

/*
 * Only marks: the caller may be inside a filter of the same direction. What was held back goes
 * its way through the filters behind in the next turn.
 */
void relay_filter_detach(struct filter *f)
{
    if (f == NULL || f->stale) {
        return;
    }
    f->stale = true;
    if (f->running) {
        return;
    }
    filter_tell(f);
    if (f->r->started) {
        loop_defer(f->r->loop, &f->r->task);
    }
}

bool filters_stale(const struct relay *r, unsigned d)
{
    for (const struct filter *f = r->dir[d].filters; f != NULL; f = f->next) {
        if (f->stale) {
            return true;
        }
    }
    return false;
}

static int filter_take(struct pst_filter_out *o, size_t n, bool pass)
{
    if (n > o->n) {
        return PST_ERR_INVALID;
    }
    if (pass && o->err == ERR_OK) {
        o->err = buf_add(o->to, o->p, n);
    }
    o->p += n;
    o->n -= n;
    return o->err == ERR_OK ? PST_OK : PST_ERR_LIMIT;
}

int filter_pass(struct pst_filter_out *o, size_t n)
{
    return filter_take(o, n, true);
}

int filter_drop(struct pst_filter_out *o, size_t n)
{
    return filter_take(o, n, false);
}

int filter_emit(struct pst_filter_out *o, const uint8_t *p, size_t n)
{
    if (o->err == ERR_OK) {
        o->err = buf_add(o->to, p, n);
    }
    return o->err == ERR_OK ? PST_OK : PST_ERR_LIMIT;
}

/* Keep the `rest` bytes at the end of what was shown. */
static int filter_keep(struct filter *f, const uint8_t *rest, size_t n)
{
    if (n > FILTER_HOLD_MAX) {
        return ERR_LIMIT;
    }
    if (f->held.len > 0) {
        buf_drop(&f->held, f->held.len - n);
        if (n == 0) {
            buf_free(&f->held);
        }
        return ERR_OK;
    }
    return n == 0 ? ERR_OK : buf_add(&f->held, rest, n);
}

/* Show bytes to one filter that is still attached. */
static int filter_show(struct filter *f, const uint8_t *p, size_t n, bool fin, struct buf *to)
{
    struct pst_filter_out o = { .p = p, .n = n, .to = to, .err = ERR_OK };

    if (f->held.len > 0) {
        int rc = n == 0 ? ERR_OK : buf_add(&f->held, p, n);
        if (rc != ERR_OK) {
            return rc;
        }
        o.p = f->held.p;
        o.n = f->held.len;
    }
    f->running = true;
    int32_t verdict =
        f->ops.data == NULL ? filter_pass(&o, o.n) : f->ops.data(f->ctx, &o, o.p, o.n, fin ? 1 : 0);
    f->running = false;
    if (f->stale) {
        filter_tell(f);
    }
    if (o.err != ERR_OK) {
        return o.err;
    }
    if (verdict != PST_OK) {
        return ERR_MODULE;
    }
    if (fin && !f->stale) {
        o.n = 0;
    }
    return filter_keep(f, o.p, o.n);
}

/* One filter's turn; a detached one is only a place where held bytes wait. */
static int filter_run(struct filter *f, const uint8_t *p, size_t n, bool fin, struct buf *to)
{
    int rc = ERR_OK;

    if (!f->stale) {
        if (n > 0 || fin) {
            rc = filter_show(f, p, n, fin, to);
        }
        if (rc != ERR_OK || !f->stale) {
            return rc;
        }
        n = 0;
    }
    if (f->held.len > 0) {
        rc = buf_add(to, f->held.p, f->held.len);
    }
    buf_free(&f->held);
    return rc == ERR_OK && n > 0 ? buf_add(to, p, n) : rc;
}

static void filters_reap(struct relay *r, unsigned d)
{
    struct filter **at = &r->dir[d].filters;

    while (*at != NULL) {
        struct filter *f = *at;
        if (!f->stale) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        buf_free(&f->held);
        free(f);
    }
}

int filters_run(struct relay *r, unsigned d, const uint8_t *p, size_t n, bool fin, struct buf *out)
{
    struct buf hop[2]; /* what one filter lets through, and the next one's */
    int rc = ERR_OK;
    int turn = 0;

    buf_init(&hop[0], RELAY_LEFT_MAX);
    buf_init(&hop[1], RELAY_LEFT_MAX);
    for (struct filter *f = r->dir[d].filters; f != NULL && rc == ERR_OK; f = f->next) {
        struct buf *to = f->next == NULL ? out : &hop[turn];
        buf_clear(&hop[turn]);
        rc = filter_run(f, p, n, fin, to);
        p = to->p;
        n = to->len;
        turn = 1 - turn;
    }
    buf_free(&hop[0]);
    buf_free(&hop[1]);
    filters_reap(r, d);
    return rc;
}

void filters_free(struct relay *r)
{
    for (unsigned d = 0; d < 2; d++) {
        for (struct filter *f = r->dir[d].filters; f != NULL; f = f->next) {
            if (!f->stale) {
                filter_tell(f);
            }
            f->stale = true;
        }
        filters_reap(r, d);
    }
}
