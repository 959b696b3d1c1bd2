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

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/loop.h"
#include "core/base/mem.h"
#include "core/stream/stream.h"

/* Linux takes no more seconds than this for TCP_KEEPIDLE and TCP_KEEPINTVL. */
#define KEEPALIVE_SECONDS_MAX 32767
/* Between probes; the system's own default. */
#define KEEPALIVE_INTERVAL_MAX 75

struct dial {
    struct loop *loop;
    struct stream *s;        /* while the handshake is under way             */
    struct loop_timer timer; /* too late; armed while s is there        */
    struct task task;        /* delivers the error that came at once, in err */
    int err;
    void (*done)(void *arg, struct stream *s, int err);
    void *arg;
};

static void set_int(int fd, int level, int name, int value)
{
    /* A connection without the option still beats none: the result does not matter. */
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_tcp_options(int fd, const struct dial_opts *o)
{
    /* The client's bytes follow at once: they take the last ACK of the handshake along. */
    set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
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

static bool is_loopback(const struct pst_addr *addr)
{
    static const uint8_t six[16] = { [15] = 1 };

    return addr->family == PST_AF_INET    ? addr->ip[0] == 127
           : addr->family == PST_AF_INET6 ? memcmp(addr->ip, six, sizeof(six)) == 0
                                          : false;
}

/* Socket and connect. Answers an errno; EINPROGRESS while the handshake is under way. */
static int dial_connect(int *fd, const struct pst_addr *addr, const char *path,
                        const struct dial_opts *o)
{
    struct sockaddr_storage ss;
    socklen_t n = make_sockaddr(addr, path, &ss);

    if (n == 0) {
        return errno;
    }
    *fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        return errno;
    }
    if (ss.ss_family != AF_UNIX) {
        set_tcp_options(*fd, o);
    }
    if (connect(*fd, (struct sockaddr *)&ss, n) == 0) {
        return 0;
    }
    /* On this host the answer has come meanwhile: asking again is cheaper than waiting for it. */
    if (errno == EINPROGRESS && is_loopback(addr) && connect(*fd, (struct sockaddr *)&ss, n) == 0) {
        return 0;
    }
    /* An interrupted connect goes on by itself. A unix socket's EAGAIN is a full backlog. */
    return errno == EINTR || errno == EALREADY ? EINPROGRESS : errno;
}

static void dial_finish(struct dial *d, int err)
{
    void (*done)(void *arg, struct stream *s, int err) = d->done;
    struct stream *s = d->s;
    void *arg = d->arg;

    loop_timer_stop(d->loop, &d->timer);
    free(d);
    if (err != 0) {
        stream_free(s, PST_CLOSE_GRACEFUL);
        s = NULL;
    }
    done(arg, s, err);
}

static void on_deferred(struct task *t)
{
    struct dial *d = list_entry(t, struct dial, task);

    dial_finish(d, d->err);
}

static void on_ready(void *arg, unsigned events)
{
    struct dial *d = arg;
    socklen_t n = sizeof(int);
    int err = 0;

    if (events != PST_STREAM_WRITE &&
        getsockopt(stream_fd(d->s), SOL_SOCKET, SO_ERROR, &err, &n) < 0) {
        err = errno;
    }
    dial_finish(d, err);
}

static void on_timer(struct loop_timer *t)
{
    dial_finish(list_entry(t, struct dial, timer), ETIMEDOUT);
}

static struct stream *dial_stream(struct loop *l, int fd, const struct pst_addr *addr)
{
    struct stream *s = stream_raw_new(l, fd);

    if (s != NULL && addr->family == PST_AF_UNIX) {
        stream_in_pieces(s);
    } else if (s != NULL) {
        stream_delays(s);
    }
    return s;
}

/* Wait until the handshake is over. Owns fd. ENOMEM or EINPROGRESS. */
static int dial_wait(struct dial *d, int fd, const struct pst_addr *addr, uint64_t timeout_ms)
{
    d->s = dial_stream(d->loop, fd, addr);
    if (d->s == NULL || stream_await_connect(d->s) != ERR_OK) {
        return ENOMEM;
    }
    loop_timer_set(d->loop, &d->timer, timeout_ms);
    stream_on_ready(d->s, on_ready, d);
    return EINPROGRESS;
}

static struct dial *dial_new(struct loop *l, int fd, int err, const struct pst_addr *addr,
                             const struct dial_opts *o,
                             void (*done)(void *arg, struct stream *s, int err), void *arg)
{
    struct dial *d = mem_zero(sizeof(*d));

    if (!d) {
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    d->loop = l;
    d->done = done;
    d->arg = arg;
    d->task.fn = on_deferred;
    d->timer.fn = on_timer;
    if (err == EINPROGRESS) {
        err = dial_wait(d, fd, addr, o->timeout_ms);
    } else if (fd >= 0) {
        close(fd);
    }
    if (err != EINPROGRESS) {
        d->err = err;
        loop_defer(l, &d->task);
    }
    return d;
}

struct dial *dial_start(struct loop *l, const struct pst_addr *addr, const char *path,
                        const struct dial_opts *o, struct stream **at_once,
                        void (*done)(void *arg, struct stream *s, int err), void *arg)
{
    int fd = -1;
    int err = dial_connect(&fd, addr, path, o);

    *at_once = NULL;
    if (err == 0) {
        *at_once = dial_stream(l, fd, addr);
        return NULL;
    }
    return dial_new(l, fd, err, addr, o, done, arg);
}

void dial_cancel(struct dial *d)
{
    if (!d) {
        return;
    }
    loop_timer_stop(d->loop, &d->timer);
    loop_cancel(d->loop, &d->task);
    stream_free(d->s, PST_CLOSE_GRACEFUL);
    free(d);
}
