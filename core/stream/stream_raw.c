/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of a socket. */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/stream/stream_priv.h"

/* Pieces handed to the kernel in one call; more are simply left for the next. */
#define RAW_IOV 16

/*
 * The poller tells of changes only (EPOLLET): what can be done is remembered here until the kernel
 * says that it cannot any more, by EAGAIN or by a read that got less than it asked for (epoll(7)).
 * A descriptor is added when something is first waited for; closing it takes it out.
 */
#define RAW_READ  (EPOLLIN | EPOLLRDHUP | EPOLLPRI)
#define RAW_WRITE EPOLLOUT

/* Is a small write held back while a smaller one is not acknowledged (RFC 896)? */
enum raw_delay {
    DELAY_UNKNOWN, /* not our matter                                           */
    DELAY_FIRST,   /* it would be; but nothing is unacknowledged yet           */
    DELAY_NEXT     /* the first write is out: the next one says TCP_NODELAY    */
};

struct stream_raw {
    struct stream_base b;
    struct loop_fd poll;
    uint32_t armed;      /* what the poller watches for                           */
    uint8_t delay;       /* enum raw_delay                                        */
    bool unreadable : 1; /* there is nothing to read: an event will tell          */
    bool unwritable : 1; /* there is no room to write: an event will tell         */
    bool ended : 1;      /* its end is in the socket, behind what can be read     */
    bool failed : 1;     /* an error was reported                                 */
    bool behind : 1;     /* urgent data or an error is behind what a short read gets */
    bool pieces : 1;     /* as may every read: stream_in_pieces()                 */
    bool connecting : 1; /* connect() is under way                                */
    bool more : 1;       /* the next write is the last before the end             */
    struct task task;    /* tells what could be done already when it was waited for */
};

int raw_fd(const struct stream_base *b)
{
    return ((const struct stream_raw *)(const void *)b)->poll.fd;
}

static int32_t raw_error(struct stream_raw *r, int err)
{
    r->b.s.sys_errno = err;
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
    if (r->unreadable) {
        return r->ended ? 0 : PST_WANT_READ;
    }
    uint32_t m = n == 1 ? 1 : raw_iov(iov, v, n);
    do {
        got = n == 1 ? recv(r->poll.fd, v[0].p, v[0].n, 0) : readv(r->poll.fd, iov, (int)m);
    } while (got < 0 && errno == EINTR);
    if (got >= 0) {
        r->unreadable = got > 0 && (size_t)got < raw_room(v, n) && !r->behind && !r->pieces;
        return got;
    }
    if (raw_again(errno)) {
        r->unreadable = true;
        return PST_WANT_READ;
    }
    return raw_error(r, errno);
}

/* Most connections to an upstream end after one write: they need no TCP_NODELAY. */
static void raw_no_delay(struct stream_raw *r)
{
    const int on = 1;

    if (r->delay == DELAY_NEXT) {
        (void)setsockopt(r->poll.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        r->delay = DELAY_UNKNOWN;
    } else if (r->delay == DELAY_FIRST) {
        r->delay = DELAY_NEXT;
    }
}

static int64_t raw_write(void *ctx, const struct pst_iov *v, uint32_t n)
{
    struct stream_raw *r = ctx;
    struct iovec iov[RAW_IOV];
    struct msghdr msg = { .msg_iov = iov };
    const int flags = MSG_NOSIGNAL | (r->more ? MSG_MORE : 0);
    ssize_t put;

    r->more = false;
    raw_no_delay(r);
    if (n != 1) {
        msg.msg_iovlen = raw_iov(iov, v, n);
    }
    do {
        put = n == 1 ? send(r->poll.fd, v[0].p, v[0].n, flags) : sendmsg(r->poll.fd, &msg, flags);
    } while (put < 0 && errno == EINTR);
    if (put >= 0) {
        return put;
    }
    if (raw_again(errno)) {
        r->unwritable = true;
        return PST_WANT_WRITE;
    }
    return raw_error(r, errno);
}

/*
 * ENOTCONN: the peer has already reset the connection, there is nobody left to tell. Whoever
 * reads will learn it.
 */
static int32_t raw_shutdown_write(void *ctx)
{
    struct stream_raw *r = ctx;

    if (shutdown(r->poll.fd, SHUT_WR) == 0 || errno == ENOTCONN) {
        return PST_OK;
    }
    return raw_error(r, errno);
}

static void raw_close(void *ctx, uint32_t how)
{
    struct stream_raw *r = ctx;

    loop_fd_forget(r->b.loop, &r->poll);
    loop_cancel(r->b.loop, &r->task);
    if (how == PST_CLOSE_ABORT) {
        const struct linger now = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(r->poll.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    close(r->poll.fd);
}

/* In front of urgent data splice(2) says that nothing is there, or that this is the end. */
static int32_t raw_direct_fd(void *ctx, uint32_t dir)
{
    struct stream_raw *r = ctx;

    if (dir == PST_STREAM_WRITE) {
        raw_no_delay(r);
    } else if (r->behind) {
        return PST_FD_NOT_NOW;
    }
    return r->poll.fd;
}

static const struct pst_stream_ops raw_ops = {
    .size = sizeof(raw_ops),
    .read = raw_read,
    .write = raw_write,
    .shutdown_write = raw_shutdown_write,
    .close = raw_close,
    .direct_fd = raw_direct_fd,
};

/* What of the interest there is something to tell about. */
static unsigned raw_ready(const struct stream_raw *r)
{
    unsigned events = r->b.s.broken ? PST_STREAM_READ | PST_STREAM_WRITE : 0;

    if (!r->unreadable || r->ended) {
        events |= PST_STREAM_READ;
    }
    if (!r->unwritable) {
        events |= PST_STREAM_WRITE;
    }
    if (r->failed) {
        events |= STREAM_FAILED;
    }
    return events & r->b.s.interest;
}

/* The callback may free the stream: nothing of it is touched after. */
static void raw_tell(struct stream_raw *r, unsigned events)
{
    if (events != 0 && r->b.ready != NULL) {
        r->b.ready(r->b.arg, events);
    }
}

static void raw_task(struct task *t)
{
    struct stream_raw *r = list_entry(t, struct stream_raw, task);

    raw_tell(r, raw_ready(r));
}

/*
 * Tell the poller what to watch for; at first, add the descriptor. When that fails the owner is
 * woken up to find the stream broken, for it would wait in vain.
 */
static void raw_arm(struct stream_raw *r, uint32_t events)
{
    int rc = r->poll.slot == 0 ? loop_fd_add(r->b.loop, &r->poll, events | EPOLLET)
                               : loop_fd_change(r->b.loop, &r->poll, events | EPOLLET);

    r->armed = events;
    if (rc != ERR_OK) {
        r->b.s.sys_errno = ENOMEM;
        r->b.s.broken = true;
        loop_defer(r->b.loop, &r->task);
    }
}

/* How the connect() went: PST_STREAM_WRITE alone is success. */
static unsigned raw_connected(const struct stream_raw *r, uint32_t what)
{
    bool failed = (what & (EPOLLERR | EPOLLHUP)) != 0 || !(what & EPOLLOUT);

    return r->b.s.interest & (failed ? PST_STREAM_READ | PST_STREAM_WRITE : PST_STREAM_WRITE);
}

static void raw_event(struct loop_fd *f, uint32_t what)
{
    struct stream_raw *r = list_entry(f, struct stream_raw, poll);
    const uint32_t failed = what & (EPOLLERR | EPOLLHUP);
    unsigned events = 0;

    if (r->armed & RAW_READ) {
        r->unreadable = true;
    }
    if (what & RAW_READ || failed) {
        r->unreadable = false;
        r->behind = (what & (EPOLLPRI | EPOLLERR)) != 0 || (failed && !(what & EPOLLRDHUP));
        r->ended = (what & EPOLLRDHUP) != 0 && !(what & EPOLLERR);
        events |= PST_STREAM_READ;
    }
    if (what & RAW_WRITE || failed) {
        r->unwritable = false;
        events |= PST_STREAM_WRITE;
    }
    if (what & EPOLLERR) {
        r->failed = true;
        events |= STREAM_FAILED;
    }
    if (r->connecting) {
        events = raw_connected(r, what);
    } else if ((events & ~r->b.s.interest & PST_STREAM_READ) && r->armed & RAW_READ) {
        /* Bytes that nobody reads now must not wake us again and again. */
        raw_arm(r, r->armed & ~(uint32_t)RAW_READ);
    }
    raw_tell(r, events & r->b.s.interest);
}

struct stream *stream_raw_new(struct loop *l, int fd)
{
    struct stream_raw *r = mem_zero(sizeof(*r));
    if (r == NULL) {
        close(fd);
        return NULL;
    }
    r->b.s = (struct stream){ .ops = &raw_ops, .ctx = r, .raw = true };
    r->b.loop = l;
    r->poll.fd = fd;
    r->poll.fn = raw_event;
    r->task.fn = raw_task;
    return &r->b.s;
}

void raw_ask_again(struct stream_base *b)
{
    struct stream_raw *r = (struct stream_raw *)(void *)b;

    r->unreadable = r->ended = false;
}

void raw_blocked(struct stream_base *b, unsigned events)
{
    struct stream_raw *r = (struct stream_raw *)(void *)b;

    r->unreadable = r->unreadable || (events & PST_STREAM_READ) != 0;
    r->unwritable = r->unwritable || (events & PST_STREAM_WRITE) != 0;
}

bool raw_ended(const struct stream_base *b)
{
    const struct stream_raw *r = (const struct stream_raw *)(const void *)b;

    return r->unreadable && r->ended;
}

void raw_in_pieces(struct stream_base *b)
{
    ((struct stream_raw *)(void *)b)->pieces = true;
}

void raw_delays(struct stream_base *b)
{
    ((struct stream_raw *)(void *)b)->delay = DELAY_FIRST;
}

void raw_last_write(struct stream_base *b)
{
    ((struct stream_raw *)(void *)b)->more = true;
}

int raw_await_connect(struct stream_base *b)
{
    struct stream_raw *r = (struct stream_raw *)(void *)b;

    assert(r->poll.slot == 0);
    b->s.interest = PST_STREAM_READ | PST_STREAM_WRITE;
    r->connecting = true;
    raw_arm(r, RAW_READ | RAW_WRITE);
    return b->s.broken ? ERR_NOMEM : ERR_OK;
}

void raw_interest(struct stream_base *b, unsigned events)
{
    struct stream_raw *r = (struct stream_raw *)(void *)b;
    uint32_t want = r->armed;

    b->s.interest = (uint8_t)events;
    r->connecting = false;
    if (events & PST_STREAM_READ) {
        want |= RAW_READ;
    }
    if (events & PST_STREAM_WRITE) {
        want |= RAW_WRITE;
    }
    if (want != r->armed || (events != 0 && r->poll.slot == 0)) {
        /* Reports what is there. */
        raw_arm(r, want);
    } else if (raw_ready(r) != 0) {
        loop_defer(b->loop, &r->task);
    }
}
