/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lingering close (RFC 9112 section 9.6 tells why): a socket closed with unread input makes the
 * kernel send RST, which can overtake the alert just written. So our direction is ended, and
 * what the client still sends is read and dropped until it ends too, within narrow bounds.
 */
#include <stdlib.h>

#include "core/base/loop.h"
#include "core/conn/conn_priv.h"
#include "core/stream/stream.h"

#define LINGER_MS    2000
#define LINGER_BYTES (256 * 1024)

struct lingering {
    struct list node;
    struct conn_worker *w;
    struct generation *gen;
    struct stream *s;
    struct loop_timer timer;
    uint64_t dropped;
};

static void linger_end(struct lingering *l)
{
    loop_timer_stop(l->w->loop, &l->timer);
    stream_free(l->s, PST_CLOSE_GRACEFUL);
    list_remove(&l->node);
    conn_slot_free(l->w, l->gen);
    free(l);
}

static void on_ready(void *arg, unsigned events)
{
    struct lingering *l = arg;
    struct pst_iov v;
    int64_t n;

    (void)events;
    v.p = loop_scratch(l->w->loop, &v.n);
    n = v.p == NULL ? PST_ERR_NOMEM : stream_read(l->s, &v, 1);
    if (n > 0) {
        l->dropped += (uint64_t)n;
    }
    bool wait = n > 0 ? l->dropped <= LINGER_BYTES : n == PST_WANT_READ || n == PST_WANT_WRITE;

    if (wait) {
        stream_interest(l->s, PST_STREAM_READ);
    } else {
        linger_end(l);
    }
}

static void on_timer(struct loop_timer *t)
{
    linger_end(list_entry(t, struct lingering, timer));
}

void conn_linger(struct conn_worker *w, struct generation *g, struct stream *s)
{
    struct lingering *l = calloc(1, sizeof(*l));

    (void)stream_shutdown_write(s);
    if (l == NULL) {
        stream_free(s, PST_CLOSE_GRACEFUL);
        conn_slot_free(w, g);
        return;
    }
    l->w = w;
    l->gen = g;
    l->s = s;
    list_append(&w->lingers, &l->node);
    l->timer.fn = on_timer;
    loop_timer_set(w->loop, &l->timer, LINGER_MS);
    stream_on_ready(s, on_ready, l);
    stream_interest(s, PST_STREAM_READ);
}

void conn_linger_end_all(struct conn_worker *w)
{
    list_each_safe (it, tmp, &w->lingers) {
        linger_end(list_entry(it, struct lingering, node));
    }
}
