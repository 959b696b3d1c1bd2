/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A base that a module implements, without a socket: readiness is what the module says. */
#include <stdlib.h>
#include <string.h>

#include "core/base/list.h"
#include "core/stream/stream_priv.h"

struct stream_module {
    struct stream_base b;
    struct pst_stream_ops ops;
    struct task task;
    unsigned pending; /* said to be ready, not yet delivered */
};

void stream_ops_copy(struct pst_stream_ops *to, const struct pst_stream_ops *from)
{
    size_t n = from->size < sizeof(*to) ? from->size : sizeof(*to);

    memset(to, 0, sizeof(*to));
    memcpy(to, from, n);
    to->size = sizeof(*to);
}

/* The callback may free the stream: nothing of it is touched after. */
static void module_run(struct task *t)
{
    struct stream_module *m = list_entry(t, struct stream_module, task);
    unsigned events = m->pending & m->b.s.interest;

    m->pending &= ~events;
    if (events != 0 && m->b.ready != NULL) {
        m->b.ready(m->b.arg, events);
    }
}

struct stream *stream_module_new(struct loop *l, const struct pst_stream_ops *ops, void *ctx)
{
    struct stream_module *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return NULL;
    }
    stream_ops_copy(&m->ops, ops);
    m->b.s = (struct stream){ .ops = &m->ops, .ctx = ctx };
    m->b.loop = l;
    m->task.fn = module_run;
    return &m->b.s;
}

void stream_module_ready(struct stream *s, unsigned events)
{
    struct stream_base *b = base_of(s);
    struct stream_module *m = (struct stream_module *)(void *)b;

    if (b->s.raw) {
        return;
    }
    m->pending |= events & (PST_STREAM_READ | PST_STREAM_WRITE);
    if (m->pending & m->b.s.interest) {
        loop_defer(m->b.loop, &m->task);
    }
}

void module_interest(struct stream_base *b, unsigned events)
{
    struct stream_module *m = (struct stream_module *)(void *)b;

    events &= PST_STREAM_READ | PST_STREAM_WRITE;
    b->s.interest = (uint8_t)events;
    if (m->ops.interest != NULL) {
        m->ops.interest(b->s.ctx, events);
    }
    if (m->pending & events) {
        loop_defer(b->loop, &m->task);
    }
}

void module_stop(struct stream_base *b)
{
    struct stream_module *m = (struct stream_module *)(void *)b;
    loop_cancel(b->loop, &m->task);
}
