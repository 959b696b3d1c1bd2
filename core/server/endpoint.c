/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/endpoint.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/loop.h"

/* Within which a request must be complete, and a client must read something of its reply. */
#define REQUEST_S 5
#define READ_S    10
/* A reply grows no further while this much of it waits to be read. */
#define ROOM (64 * 1024)

struct endpoint {
    struct loop *loop;
    const struct endpoint_ops *ops;
    void *arg;
    struct evconnlistener *listener;
    struct list sessions;
    unsigned n;
};

struct session {
    struct list node;
    struct endpoint *e;
    struct bufferevent *bev;
    struct event timer;
    struct task end;
    uint64_t asked_at;
    uint64_t written, drained; /* bytes of the reply; drained at the last look */
    bool asked, cut_on_eof, wants_more, finishing, ending;
    max_align_t state[];
};

/* --- sessions --------------------------------------------------------------------------------- */

static size_t waiting(const struct session *s)
{
    return evbuffer_get_length(bufferevent_get_output(s->bev));
}

static void session_free(struct session *s)
{
    struct endpoint *e = s->e;

    e->ops->gone(s);
    loop_cancel(e->loop, &s->end);
    (void)evtimer_del(&s->timer);
    bufferevent_free(s->bev);
    list_remove(&s->node);
    e->n--;
    free(s);
}

static void on_end(struct task *t)
{
    session_free(list_entry(t, struct session, end));
}

void session_cut(struct session *s)
{
    if (!s->ending) {
        s->ending = true;
        (void)bufferevent_disable(s->bev, EV_READ | EV_WRITE);
        loop_defer(s->e->loop, &s->end);
    }
}

void session_finish(struct session *s)
{
    s->finishing = true;
    s->wants_more = false;
    if (waiting(s) == 0) {
        session_cut(s);
    }
}

static void arm(struct session *s, int seconds)
{
    (void)loop_base_timer(&s->timer, (uint64_t)seconds * 1000);
}

/* One that reads a little now and then shall not stay for ever. */
static bool is_late(const struct session *s)
{
    uint64_t most = s->e->ops->reply_s;

    return most > 0 && loop_now(s->e->loop) - s->asked_at >= most * 1000000000;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    uint64_t drained = s->written - waiting(s);

    (void)fd;
    (void)what;
    if (s->ending) {
        return;
    }
    if (!s->asked) {
        s->asked = true;
        s->asked_at = loop_now(s->e->loop);
        s->e->ops->refuse(s, true);
    } else if ((waiting(s) > 0 && drained == s->drained) || is_late(s)) {
        session_cut(s);
        return;
    }
    s->drained = drained;
    arm(s, READ_S);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct session *s = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t all = evbuffer_get_length(in), most = s->e->ops->request_most;
    size_t n = all < most ? all : most;
    const char *p;

    if (s->asked || s->ending) {
        (void)evbuffer_drain(in, all);
        return;
    }
    p = (const char *)evbuffer_pullup(in, (ev_ssize_t)n);
    if (p == NULL) {
        session_cut(s);
        return;
    }
    if (s->e->ops->request(s, p, n)) {
        s->asked = true;
    } else if (n == most) {
        s->asked = true;
        s->e->ops->refuse(s, false);
    }
    if (s->asked) {
        s->asked_at = loop_now(s->e->loop);
        (void)evbuffer_drain(in, all);
        arm(s, READ_S);
    }
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct session *s = arg;

    (void)bev;
    if (s->ending) {
        return;
    }
    if (s->wants_more && session_has_room(s)) {
        s->e->ops->more(s);
    }
    if (s->finishing && waiting(s) == 0) {
        session_cut(s);
    }
}

/*
 * The other end says no more. With its request complete it may still read: whether it does is seen
 * when it is written to.
 */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct session *s = arg;

    (void)bev;
    if ((what & BEV_EVENT_ERROR) != 0 ||
        ((what & BEV_EVENT_EOF) != 0 && (!s->asked || s->cut_on_eof))) {
        session_cut(s);
    }
}

void session_cut_on_eof(struct session *s)
{
    s->cut_on_eof = true;
}

void *session_state(struct session *s)
{
    return s->state;
}

void *session_arg(struct session *s)
{
    return s->e->arg;
}

int session_fd(const struct session *s)
{
    return bufferevent_getfd(s->bev);
}

void session_write(struct session *s, const void *p, size_t n)
{
    if (s->ending) {
        return;
    }
    if (bufferevent_write(s->bev, p, n) != 0) {
        session_cut(s);
        return;
    }
    s->written += n;
}

bool session_has_room(const struct session *s)
{
    return waiting(s) < ROOM;
}

void session_more(struct session *s, bool on)
{
    s->wants_more = on;
    if (on) {
        /* Its write callback runs from the loop, now if nothing is waiting. */
        bufferevent_trigger(s->bev, EV_WRITE,
                            BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
    }
}

/* --- endpoints -------------------------------------------------------------------------------- */

static void turn_away(const struct endpoint *e, int fd)
{
    (void)send(fd, e->ops->busy, strlen(e->ops->busy), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa,
                      int sa_n, void *arg)
{
    struct endpoint *e = arg;
    struct session *s = NULL;

    (void)listener;
    (void)sa;
    (void)sa_n;
    if (e->n >= e->ops->most) {
        turn_away(e, fd);
        return;
    }
    s = calloc(1, sizeof(*s) + e->ops->state_size);
    if (s == NULL) {
        close(fd);
        return;
    }
    s->e = e;
    s->end.fn = on_end;
    s->bev = bufferevent_socket_new(loop_base(e->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (s->bev == NULL) {
        close(fd);
        free(s);
        return;
    }
    list_append(&e->sessions, &s->node);
    e->n++;
    (void)evtimer_assign(&s->timer, loop_base(e->loop), on_timer, s);
    arm(s, REQUEST_S);
    bufferevent_setcb(s->bev, on_read, on_written, on_event, s);
    /* No upper mark for reading: libevent 2.1 crashes when it has no memory for one. */
    bufferevent_setwatermark(s->bev, EV_WRITE, ROOM / 2, 0);
    if (bufferevent_enable(s->bev, EV_READ | EV_WRITE) != 0) {
        session_cut(s);
    }
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    static struct log_limit limit;

    (void)listener;
    (void)arg;
    if (log_limit_ok(&limit, 1, NULL)) {
        LOG(PST_LOG_WARNING, "a client of the control socket or of metrics cannot be accepted",
            LOGF_Z("error", strerrorname_np(errno)));
    }
}

struct endpoint *endpoint_new(struct loop *l, int fd, const struct endpoint_ops *ops, void *arg)
{
    struct endpoint *e = calloc(1, sizeof(*e));

    if (e == NULL) {
        close(fd);
        return NULL;
    }
    e->loop = l;
    e->ops = ops;
    e->arg = arg;
    list_init(&e->sessions);
    e->listener = evconnlistener_new(loop_base(l), on_accept, e,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
    if (e->listener == NULL) {
        close(fd);
        free(e);
        return NULL;
    }
    evconnlistener_set_error_cb(e->listener, on_accept_error);
    return e;
}

void endpoint_free(struct endpoint *e)
{
    if (e == NULL) {
        return;
    }
    list_each_safe (it, tmp, &e->sessions) {
        session_free(list_entry(it, struct session, node));
    }
    endpoint_deafen(e);
    free(e);
}

int endpoint_fd(const struct endpoint *e)
{
    return evconnlistener_get_fd(e->listener);
}

void endpoint_deafen(struct endpoint *e)
{
    if (e->listener != NULL) {
        evconnlistener_free(e->listener);
        e->listener = NULL;
    }
}

void endpoint_each(struct endpoint *e, void (*fn)(struct session *s, void *arg), void *arg)
{
    if (e == NULL) {
        return;
    }
    list_each_safe (it, tmp, &e->sessions) {
        struct session *s = list_entry(it, struct session, node);

        if (!s->ending) {
            fn(s, arg);
        }
    }
}
