/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/upstream/dial.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "core/base/addr.h"
#include "core/base/list.h"
#include "core/base/loop.h"

/* Linux takes no more seconds than this for TCP_KEEPIDLE and TCP_KEEPINTVL. */
#define KEEPALIVE_SECONDS_MAX 32767
/* Between probes; the system's own default. */
#define KEEPALIVE_INTERVAL_MAX 75

struct dial {
    struct loop *loop;
    struct event ev;  /* writable or too late; in use while the handshake is under way */
    struct task task; /* delivers what connect() answered at once                      */
    bool waiting;     /* ev is added                                                   */
    int fd;
    int err;
    void (*done)(void *arg, int fd, int err);
    void *arg;
};

static void set_int(int fd, int level, int name, int value)
{
    /* A connection without the option still beats none: the result does not matter. */
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_tcp_options(int fd, const struct dial_opts *o)
{
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (o->keepalive_ms > 0) {
        uint64_t s = (o->keepalive_ms + 999) / 1000;
        int idle = s > KEEPALIVE_SECONDS_MAX ? KEEPALIVE_SECONDS_MAX : (int)s;

        set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
        set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL,
                idle > KEEPALIVE_INTERVAL_MAX ? KEEPALIVE_INTERVAL_MAX : idle);
    }
    if (o->user_timeout_ms > 0) {
        set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                o->user_timeout_ms > INT_MAX ? INT_MAX : (int)o->user_timeout_ms);
    }
}

/* The socket address to connect to; its length, or 0 with errno. */
static socklen_t make_sockaddr(const struct pst_addr *addr, const char *path,
                               struct sockaddr_storage *ss)
{
    struct sockaddr_un *un = (struct sockaddr_un *)ss;
    socklen_t n = 0;
    size_t len = 0;

    if (addr->family != PST_AF_UNIX) {
        n = addr_to_sockaddr(addr, ss);
        if (n == 0) {
            errno = EAFNOSUPPORT;
        }
        return n;
    }
    len = strlen(path);
    if (len >= sizeof(un->sun_path)) {
        errno = ENAMETOOLONG;
        return 0;
    }
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

/* Socket and connect. Answers an errno; EINPROGRESS while the handshake is under way. */
static int dial_connect(struct dial *d, const struct pst_addr *addr, const char *path,
                        const struct dial_opts *o)
{
    struct sockaddr_storage ss;
    socklen_t n = make_sockaddr(addr, path, &ss);

    if (n == 0) {
        return errno;
    }
    d->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0) {
        return errno;
    }
    if (ss.ss_family != AF_UNIX) {
        set_tcp_options(d->fd, o);
    }
    if (connect(d->fd, (struct sockaddr *)&ss, n) == 0) {
        return 0;
    }
    /* An interrupted connect goes on by itself. A unix socket's EAGAIN is a full backlog. */
    return errno == EINTR ? EINPROGRESS : errno;
}

static void dial_finish(struct dial *d, int err)
{
    void (*done)(void *arg, int fd, int err) = d->done;
    void *arg = d->arg;
    int fd = d->fd;

    free(d);
    if (err != 0 && fd >= 0) {
        close(fd);
    }
    done(arg, err == 0 ? fd : -1, err);
}

static void on_deferred(struct task *t)
{
    struct dial *d = list_entry(t, struct dial, task);

    dial_finish(d, d->err);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    socklen_t n = sizeof(int);
    int err = ETIMEDOUT;

    if ((what & EV_WRITE) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0) {
        err = errno;
    }
    dial_finish(arg, err);
}

/* Wait until the handshake is over. Answers an errno when libevent refuses. */
static int dial_wait(struct dial *d, uint64_t timeout_ms)
{
    struct timeval tv = { .tv_sec = (time_t)(timeout_ms / 1000),
                          .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000) };

    if (event_assign(&d->ev, loop_base(d->loop), d->fd, EV_WRITE, on_event, d) < 0 ||
        event_add(&d->ev, &tv) < 0) {
        return ENOMEM;
    }
    d->waiting = true;
    return EINPROGRESS;
}

struct dial *dial_start(struct loop *l, const struct pst_addr *addr, const char *path,
                        const struct dial_opts *o, void (*done)(void *arg, int fd, int err),
                        void *arg)
{
    struct dial *d = calloc(1, sizeof(*d));

    if (!d) {
        return NULL;
    }
    d->loop = l;
    d->fd = -1;
    d->done = done;
    d->arg = arg;
    d->task.fn = on_deferred;
    d->err = dial_connect(d, addr, path, o);
    if (d->err == EINPROGRESS) {
        d->err = dial_wait(d, o->timeout_ms);
    }
    if (!d->waiting) {
        loop_defer(l, &d->task);
    }
    return d;
}

void dial_cancel(struct dial *d)
{
    if (!d) {
        return;
    }
    if (d->waiting) {
        event_del(&d->ev);
    }
    loop_cancel(d->loop, &d->task);
    if (d->fd >= 0) {
        close(d->fd);
    }
    free(d);
}
