/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/watch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/loop.h"
#include "core/module/watch_scope.h"

/* A timer or an fd watch; pst_timer * and pst_watch * point at it. */
struct watch_event {
    struct list node; /* in the scope */
    struct watch_scope *scope;
    struct loop_timer timer;
    struct loop_fd poll;
    int fd;  /* what is polled, -1: a timer or nothing */
    int own; /* a copy of it: the poller takes a descriptor only once; -1: none */
    uint32_t events;
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

static void fd_leave(struct watch_event *w)
{
    loop_fd_remove(w->scope->loop, &w->poll);
    if (w->own >= 0) {
        close(w->own);
        w->own = -1;
    }
}

static void event_drop(struct watch_event *w)
{
    assert(loop_is_mine(w->scope->loop));
    loop_timer_stop(w->scope->loop, &w->timer);
    fd_leave(w);
    list_remove(&w->node);
    free(w);
}

void watch_scope_free(struct watch_scope *s)
{
    if (s == NULL) {
        return;
    }
    list_each_safe (it, tmp, &s->events) {
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
        w->fd = w->own = -1;
        list_append(&s->events, &w->node);
    }
    return w;
}

/* --- timers ----------------------------------------------------------------------------------- */

/* The callback may free the timer or the whole scope: nothing is touched after it. */
static void timer_fired(struct loop_timer *t)
{
    struct watch_event *w = list_entry(t, struct watch_event, timer);

    w->cb.fire(w->arg);
}

pst_timer *watch_timer_new(struct watch_scope *s, void (*fire)(void *arg), void *arg)
{
    struct watch_event *w = event_add_to(s, arg);
    if (w == NULL) {
        return NULL;
    }
    w->cb.fire = fire;
    w->timer.fn = timer_fired;
    return (pst_timer *)w;
}

int32_t watch_timer_start(pst_timer *t, uint64_t ms)
{
    struct watch_event *w = (struct watch_event *)t;
    assert(loop_is_mine(w->scope->loop));
    loop_timer_set(w->scope->loop, &w->timer, ms);
    return PST_OK;
}

void watch_timer_stop(pst_timer *t)
{
    struct watch_event *w = (struct watch_event *)t;
    assert(loop_is_mine(w->scope->loop));
    loop_timer_stop(w->scope->loop, &w->timer);
}

void watch_timer_free(pst_timer *t)
{
    if (t != NULL) {
        event_drop((struct watch_event *)t);
    }
}

/* --- descriptors ------------------------------------------------------------------------------ */

/* As timer_fired(): nothing is touched after the callback. */
static void fd_ready(struct loop_fd *f, uint32_t what)
{
    struct watch_event *w = list_entry(f, struct watch_event, poll);
    uint32_t events = 0;

    /* An error is found out by either. */
    if ((what & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
        events |= w->events & PST_STREAM_READ;
    }
    if ((what & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
        events |= w->events & PST_STREAM_WRITE;
    }
    w->cb.ready(w->arg, events);
}

/* Wait for `events` on fd from now on; 0: for nothing. */
static int32_t fd_listen(struct watch_event *w, uint32_t events)
{
    struct loop *l = w->scope->loop;
    uint32_t what = 0;

    w->events = events;
    if ((events & PST_STREAM_READ) != 0) {
        what |= EPOLLIN;
    }
    if ((events & PST_STREAM_WRITE) != 0) {
        what |= EPOLLOUT;
    }
    w->poll.fd = w->fd;
    if (events == 0 || loop_fd_add(l, &w->poll, what) == ERR_OK) {
        return PST_OK;
    }
    w->poll.fd = w->own = errno == EEXIST ? fcntl(w->fd, F_DUPFD_CLOEXEC, 0) : -1;
    return w->own >= 0 && loop_fd_add(l, &w->poll, what) == ERR_OK ? PST_OK : PST_ERR;
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
    w->fd = fd;
    w->poll.fn = fd_ready;
    if (fd_listen(w, events) != PST_OK) {
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
    fd_leave(w);
    return fd_listen(w, events);
}

void watch_fd_free(pst_watch *w)
{
    if (w != NULL) {
        event_drop((struct watch_event *)w);
    }
}
