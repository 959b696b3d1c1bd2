/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of a socket. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/stream/stream_priv.h"

/* Pieces handed to the kernel in one call; more are simply left for the next. */
#define RAW_IOV 16

struct stream_raw {
    struct stream_base b;
    int fd;
    bool reading;    /* rd is added                                  */
    bool dry;        /* the last read got less than it asked for     */
    bool connecting; /* wr waits for the end of connect()            */
    struct event rd;
    struct event *wr; /* borrowed while something waits to be written */
};

int raw_fd(const struct stream_base *b)
{
    return ((const struct stream_raw *)(const void *)b)->fd;
}

static int32_t raw_error(struct stream_raw *r, int err)
{
    r->b.sys_errno = err;
    if (err == ECONNRESET || err == EPIPE || err == ECONNABORTED) {
        return PST_ERR_RESET;
    }
    return err == ENOMEM || err == ENOBUFS ? PST_ERR_NOMEM : PST_ERR_IO;
}

static bool raw_again(int err)
{
    return err == EAGAIN || err == EWOULDBLOCK;
}

static uint32_t raw_iov(struct iovec to[RAW_IOV], const struct pst_iov *v, uint32_t n)
{
    uint32_t m = n < RAW_IOV ? n : RAW_IOV;

    for (uint32_t i = 0; i < m; i++) {
        to[i] = (struct iovec){ v[i].p, v[i].n };
    }
    return m;
}

static size_t raw_room(const struct pst_iov *v, uint32_t n)
{
    size_t room = 0;

    for (uint32_t i = 0; i < n && i < RAW_IOV; i++) {
        room += v[i].n;
    }
    return room;
}

static int64_t raw_read(void *ctx, struct pst_iov *v, uint32_t n)
{
    struct stream_raw *r = ctx;
    struct iovec iov[RAW_IOV];
    ssize_t got;

    /* Layers read until there is nothing; the poller will tell when there is something again. */
    if (r->dry) {
        return PST_WANT_READ;
    }
    uint32_t m = n == 1 ? 1 : raw_iov(iov, v, n);
    do {
        got = n == 1 ? recv(r->fd, v[0].p, v[0].n, 0) : readv(r->fd, iov, (int)m);
    } while (got < 0 && errno == EINTR);
    if (got >= 0) {
        r->dry = got > 0 && (size_t)got < raw_room(v, n);
        return got;
    }
    return raw_again(errno) ? PST_WANT_READ : raw_error(r, errno);
}

static int64_t raw_write(void *ctx, const struct pst_iov *v, uint32_t n)
{
    struct stream_raw *r = ctx;
    struct iovec iov[RAW_IOV];
    struct msghdr msg = { .msg_iov = iov };
    ssize_t put;

    if (n != 1) {
        msg.msg_iovlen = raw_iov(iov, v, n);
    }
    do {
        put =
            n == 1 ? send(r->fd, v[0].p, v[0].n, MSG_NOSIGNAL) : sendmsg(r->fd, &msg, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put >= 0) {
        return put;
    }
    return raw_again(errno) ? PST_WANT_WRITE : raw_error(r, errno);
}

/*
 * ENOTCONN: the peer has already reset the connection, there is nobody left to tell. Whoever
 * reads will learn it.
 */
static int32_t raw_shutdown_write(void *ctx)
{
    struct stream_raw *r = ctx;

    if (shutdown(r->fd, SHUT_WR) == 0 || errno == ENOTCONN) {
        return PST_OK;
    }
    return raw_error(r, errno);
}

static void raw_wr_drop(struct event *wr)
{
    if (wr != NULL) {
        event_del(wr);
        free(wr);
    }
}

static void raw_close(void *ctx, uint32_t how)
{
    struct stream_raw *r = ctx;

    /* A broken one may be on its way to its owner without having been added. */
    if (r->reading || r->b.broken) {
        event_del(&r->rd);
    }
    raw_wr_drop(r->wr);
    if (how == PST_CLOSE_ABORT) {
        const struct linger now = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    close(r->fd);
}

static int32_t raw_direct_fd(void *ctx, uint32_t dir)
{
    (void)dir;
    return ((struct stream_raw *)ctx)->fd;
}

static const struct pst_stream_ops raw_ops = {
    .size = sizeof(raw_ops),
    .read = raw_read,
    .write = raw_write,
    .shutdown_write = raw_shutdown_write,
    .close = raw_close,
    .direct_fd = raw_direct_fd,
};

/* The callback may free the stream: nothing of it is touched after. */
static void raw_event(evutil_socket_t fd, short what, void *arg)
{
    struct stream_raw *r = arg;
    unsigned events = 0;

    (void)fd;
    if (what & EV_READ) {
        r->dry = false;
        events |= PST_STREAM_READ;
    }
    if (what & EV_WRITE) {
        events |= PST_STREAM_WRITE;
    }
    events &= r->b.interest;
    if (events != 0 && r->b.ready != NULL) {
        r->b.ready(r->b.arg, events);
    }
}

struct stream *stream_raw_new(struct loop *l, int fd)
{
    struct stream_raw *r = mem_zero(sizeof(*r));
    if (r == NULL) {
        close(fd);
        return NULL;
    }
    r->b.s = (struct stream){ .ops = &raw_ops, .ctx = r, .base = &r->b };
    r->b.loop = l;
    r->b.raw = true;
    r->fd = fd;
    event_assign(&r->rd, loop_base(l), fd, EV_READ | EV_PERSIST, raw_event, r);
    return &r->b.s;
}

void raw_ask_again(struct stream_base *b)
{
    ((struct stream_raw *)(void *)b)->dry = false;
}

/* Add the write event; false: out of memory, or the kernel refuses to watch. */
static bool raw_wr_add(struct stream_raw *r, short what)
{
    r->wr = malloc(sizeof(*r->wr));
    if (r->wr == NULL) {
        return false;
    }
    event_assign(r->wr, loop_base(r->b.loop), r->fd, what | EV_PERSIST, raw_event, r);
    if (event_add(r->wr, NULL) == 0) {
        return true;
    }
    free(r->wr);
    r->wr = NULL;
    return false;
}

/* One event for both, since only together do they tell success (writable) from failure. */
int raw_await_connect(struct stream_base *b)
{
    struct stream_raw *r = (struct stream_raw *)(void *)b;

    assert(!r->reading && r->wr == NULL);
    if (!raw_wr_add(r, EV_READ | EV_WRITE)) {
        return ERR_NOMEM;
    }
    b->interest = PST_STREAM_READ | PST_STREAM_WRITE;
    r->connecting = true;
    return ERR_OK;
}

/*
 * What is new is added before the old is taken away: the descriptor then never leaves the poller
 * and each step is one MOD instead of DEL and ADD. When adding fails the owner is woken up to
 * find the stream broken, for it would wait in vain.
 */
void raw_interest(struct stream_base *b, unsigned events)
{
    struct stream_raw *r = (struct stream_raw *)(void *)b;
    struct event *old = NULL;
    bool ok = true;

    b->interest = (uint8_t)events;
    if (r->connecting || !(events & PST_STREAM_WRITE)) {
        old = r->wr;
        r->wr = NULL;
        r->connecting = false;
    }
    if ((events & PST_STREAM_READ) && !r->reading) {
        r->reading = ok = event_add(&r->rd, NULL) == 0;
    }
    if ((events & PST_STREAM_WRITE) && r->wr == NULL) {
        ok = raw_wr_add(r, EV_WRITE) && ok;
    }
    raw_wr_drop(old);
    if (!(events & PST_STREAM_READ) && r->reading) {
        event_del(&r->rd);
        r->reading = false;
    }
    if (!ok) {
        b->sys_errno = ENOMEM;
        b->broken = true;
        event_active(&r->rd, EV_READ | EV_WRITE, 0);
    }
}
