/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/watch.h"

#include <assert.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "core/base/list.h"
#include "core/base/loop.h"
#include "core/module/watch_scope.h"

/* Longer timers are cut to this: ten years, far from any overflow inside libevent. */
#define TIMER_MS_MAX (UINT64_C(10) * 365 * 24 * 3600 * 1000)

/* A timer or an fd watch; pst_timer * and pst_watch * point at it. */
struct watch_event {
    struct list node; /* in the scope */
    struct watch_scope *scope;
    struct event ev;
    union {
        void (*fire)(void *arg);
        void (*ready)(void *arg, uint32_t events);
    } cb;
    void *arg;
};

struct watch_scope *watch_scope_new(struct loop *l)
{
    struct watch_scope *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->loop = l;
    list_init(&s->events);
    list_init(&s->jobs);
    return s;
}

static void event_drop(struct watch_event *w)
{
    assert(loop_is_mine(w->scope->loop));
    event_del(&w->ev);
    list_remove(&w->node);
    free(w);
}

void watch_scope_free(struct watch_scope *s)
{
    if (s == NULL) {
        return;
    }
    list_each_safe(it, tmp, &s->events)
    {
        event_drop(list_entry(it, struct watch_event, node));
    }
    offload_abandon(s);
    free(s);
}

static struct watch_event *event_add_to(struct watch_scope *s, void *arg)
{
    assert(loop_is_mine(s->loop));
    struct watch_event *w = calloc(1, sizeof(*w));
    if (w != NULL) {
        w->scope = s;
        w->arg = arg;
        list_append(&s->events, &w->node);
    }
    return w;
}

/* --- timers ------------------------------------------------------------------------------------ */

/* The callback may free the timer or the whole scope: nothing is touched after it. */
static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
    struct watch_event *w = arg;
    (void)fd;
    (void)what;
    w->cb.fire(w->arg);
}

pst_timer *watch_timer_new(struct watch_scope *s, void (*fire)(void *arg), void *arg)
{
    struct watch_event *w = event_add_to(s, arg);
    if (w == NULL) {
        return NULL;
    }
    w->cb.fire = fire;
    evtimer_assign(&w->ev, loop_base(s->loop), timer_fired, w);
    return (pst_timer *)w;
}

int32_t watch_timer_start(pst_timer *t, uint64_t ms)
{
    struct watch_event *w = (struct watch_event *)t;
    assert(loop_is_mine(w->scope->loop));
    uint64_t cut = ms < TIMER_MS_MAX ? ms : TIMER_MS_MAX;
    struct timeval tv = { .tv_sec = (time_t)(cut / 1000),
                          .tv_usec = (suseconds_t)(cut % 1000 * 1000) };
    return evtimer_add(&w->ev, &tv) == 0 ? PST_OK : PST_ERR_NOMEM;
}

void watch_timer_stop(pst_timer *t)
{
    struct watch_event *w = (struct watch_event *)t;
    assert(loop_is_mine(w->scope->loop));
    evtimer_del(&w->ev);
}

void watch_timer_free(pst_timer *t)
{
    if (t != NULL) {
        event_drop((struct watch_event *)t);
    }
}

/* --- descriptors ------------------------------------------------------------------------------- */

/* As timer_fired(): nothing is touched after the callback. */
static void fd_ready(evutil_socket_t fd, short what, void *arg)
{
    struct watch_event *w = arg;
    uint32_t events = 0;
    (void)fd;
    if ((what & EV_READ) != 0) {
        events |= PST_STREAM_READ;
    }
    if ((what & EV_WRITE) != 0) {
        events |= PST_STREAM_WRITE;
    }
    w->cb.ready(w->arg, events);
}

/* Wait for `events` on fd from now on; 0: for nothing. */
static int32_t fd_listen(struct watch_event *w, evutil_socket_t fd, uint32_t events)
{
    short what = EV_PERSIST;
    if ((events & PST_STREAM_READ) != 0) {
        what |= EV_READ;
    }
    if ((events & PST_STREAM_WRITE) != 0) {
        what |= EV_WRITE;
    }
    event_assign(&w->ev, loop_base(w->scope->loop), fd, what, fd_ready, w);
    if (events == 0) {
        return PST_OK;
    }
    return event_add(&w->ev, NULL) == 0 ? PST_OK : PST_ERR;
}

static int events_known(uint32_t events)
{
    return (events & ~(uint32_t)(PST_STREAM_READ | PST_STREAM_WRITE)) == 0;
}

pst_watch *watch_fd_new(struct watch_scope *s, int32_t fd, uint32_t events,
                        void (*ready)(void *arg, uint32_t events), void *arg)
{
    if (fd < 0 || !events_known(events)) {
        return NULL;
    }
    struct watch_event *w = event_add_to(s, arg);
    if (w == NULL) {
        return NULL;
    }
    w->cb.ready = ready;
    if (fd_listen(w, fd, events) != PST_OK) {
        event_drop(w);
        return NULL;
    }
    return (pst_watch *)w;
}

int32_t watch_fd_change(pst_watch *watch, uint32_t events)
{
    struct watch_event *w = (struct watch_event *)watch;
    assert(loop_is_mine(w->scope->loop));
    if (!events_known(events)) {
        return PST_ERR_INVALID;
    }
    event_del(&w->ev);
    return fd_listen(w, event_get_fd(&w->ev), events);
}

void watch_fd_free(pst_watch *w)
{
    if (w != NULL) {
        event_drop((struct watch_event *)w);
    }
}
