/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accepting, on a worker. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/server/worker_priv.h"

/* Most connections taken from one socket before others get their turn. */
#define ACCEPT_BATCH 16
/* How long accepting pauses when descriptors or memory ran out. */
#define PAUSE_MS 100

struct acceptor {
    struct loop_fd poll;
    struct worker *w;
    const struct lsock *sock;
    struct listener *listener;
    struct acceptor *next;
    int batch;     /* taken at once: grows while there were as many in each turn */
    uint64_t turn; /* of the loop, when the last whole batch was taken           */
};

/* False: out of memory. */
static bool acceptor_on(struct acceptor *a)
{
    return a->poll.slot != 0 || loop_fd_add(a->w->loop, &a->poll, EPOLLIN) == ERR_OK;
}

static void acceptor_off(struct acceptor *a)
{
    loop_fd_remove(a->w->loop, &a->poll);
}

static void accept_off(struct worker *w)
{
    for (struct acceptor *a = w->acceptors; a != NULL; a = a->next) {
        acceptor_off(a);
    }
}

static void accept_pause(struct worker *w, const char *why)
{
    static struct log_limit limit;

    if (w->paused) {
        return;
    }
    w->paused = true;
    accept_off(w);
    loop_timer_set(w->loop, &w->resume, PAUSE_MS);
    if (log_limit_ok(&limit, 3, NULL)) {
        LOG(PST_LOG_WARNING, "accepting is paused", LOGF_Z("reason", why),
            LOGF_U64("worker", w->index), LOGF_U64("connections", atomic_load(&w->shared->conns)),
            LOGF_U64("max_connections", w->shared->max_conns));
    }
}

static bool is_full(const struct worker *w)
{
    return atomic_load_explicit(&w->shared->conns, memory_order_relaxed) >= w->shared->max_conns;
}

bool accept_is_full(const struct conn_worker *cw)
{
    const struct worker *w =
        (const struct worker *)(const void *)((const char *)cw - offsetof(struct worker, cw));

    return is_full(w);
}

/* False: not all are watched, for want of memory. */
static bool accept_on(struct worker *w)
{
    bool ok = true;

    for (struct acceptor *a = w->acceptors; a != NULL; a = a->next) {
        ok = acceptor_on(a) && ok;
    }
    return ok;
}

static void on_resume(struct loop_timer *t)
{
    struct worker *w = list_entry(t, struct worker, resume);

    if (!w->paused || w->quiet) {
        return;
    }
    w->paused = false;
    if (is_full(w)) {
        accept_pause(w, "max_connections");
    } else if (!accept_on(w)) {
        accept_pause(w, "ENOMEM");
    }
}

/* What a failed accept means. False: stop accepting for this turn. */
static bool accept_failed(struct worker *w, int err)
{
    switch (err) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
        /* Errors of the connection that was to be accepted (accept(2), "Error handling"). */
        return true;
    default:
        /* We lack something, or the socket is dead: an inherited one that its owner shut down. */
        accept_pause(w, strerrorname_np(err));
        return false;
    }
}

static void on_accept(struct loop_fd *f, uint32_t events)
{
    struct acceptor *a = list_entry(f, struct acceptor, poll);
    struct worker *w = a->w;

    (void)events;
    /* One at a time, or every other accept4() would only say that nobody else waits. */
    if (a->turn + 1 != loop_turn(w->loop)) {
        a->batch = 1;
    } else if (a->batch < ACCEPT_BATCH) {
        a->batch *= 2;
    }
    a->turn = 0;
    for (int i = 0; i < a->batch && !w->paused; i++) {
        struct sockaddr_storage ss = { 0 };
        socklen_t n = sizeof(ss);
        struct pst_addr peer;
        int fd;

        if (is_full(w)) {
            accept_pause(w, "max_connections");
            return;
        }
        fd = accept4(a->poll.fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (!accept_failed(w, errno)) {
                return;
            }
            continue;
        }
        addr_from_sockaddr(&peer, (struct sockaddr *)&ss, n);
        if (conn_accept(&w->cw, a->listener, fd, &peer) != ERR_OK) {
            accept_pause(w, "ENOMEM");
        }
    }
    a->turn = loop_turn(w->loop);
}

static struct acceptor *acceptor_find(struct worker *w, int fd)
{
    struct acceptor *a = w->acceptors;

    while (a != NULL && a->poll.fd != fd) {
        a = a->next;
    }
    return a;
}

/* Takes one that accept_prepare() has made. */
static void acceptor_add(struct worker *w, const struct binding *b, int fd)
{
    struct acceptor *a = w->spare;

    assert(a != NULL);
    w->spare = a->next;
    a->w = w;
    a->sock = b->sock;
    a->listener = b->listener;
    a->poll.fd = fd;
    a->poll.fn = on_accept;
    a->next = w->acceptors;
    w->acceptors = a;
    if (!w->paused && !w->quiet && !acceptor_on(a)) {
        accept_pause(w, "ENOMEM");
    }
}

static void bind_one(struct worker *w, const struct binding *b)
{
    for (unsigned i = 0; i < b->sock->n_fds; i++) {
        struct acceptor *a;

        if (!lsock_serves(b->sock, i, w->index, w->shared->n_workers)) {
            continue;
        }
        a = acceptor_find(w, b->sock->fds[i]);
        if (a != NULL) {
            a->listener = b->listener;
        } else {
            acceptor_add(w, b, b->sock->fds[i]);
        }
    }
}

int accept_prepare(struct worker *w, const struct bindings *b)
{
    size_t needed = 0;

    for (size_t i = 0; i < b->n; i++) {
        needed += b->at[i].sock->n_fds;
    }
    for (struct acceptor *a = w->spare; a != NULL && needed > 0; a = a->next) {
        needed--;
    }
    for (; needed > 0; needed--) {
        struct acceptor *a = calloc(1, sizeof(*a));

        if (a == NULL) {
            return ERR_NOMEM;
        }
        a->next = w->spare;
        w->spare = a;
    }
    return ERR_OK;
}

static void spare_free(struct worker *w)
{
    while (w->spare != NULL) {
        struct acceptor *a = w->spare;

        w->spare = a->next;
        free(a);
    }
}

void accept_bind(struct worker *w, const struct bindings *b)
{
    for (struct acceptor **at = &w->acceptors; *at != NULL;) {
        struct acceptor *a = *at;
        bool wanted = false;

        for (size_t i = 0; b != NULL && i < b->n; i++) {
            wanted = wanted || b->at[i].sock == a->sock;
        }
        if (wanted) {
            at = &a->next;
        } else {
            *at = a->next;
            acceptor_off(a);
            free(a);
        }
    }
    for (size_t i = 0; b != NULL && i < b->n; i++) {
        bind_one(w, &b->at[i]);
    }
    spare_free(w);
}

void accept_init(struct worker *w)
{
    w->resume.fn = on_resume;
}

void accept_more(struct worker *w)
{
    if (w->paused) {
        loop_timer_set(w->loop, &w->resume, 0);
    }
}
