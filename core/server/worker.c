/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/conn/conn.h"
#include "core/edge/generation.h"
#include "core/stream/pipe_pool.h"

/* Most connections taken from one socket before others get their turn. */
#define ACCEPT_BATCH 16
/* How long accepting pauses when descriptors or memory ran out. */
#define PAUSE_MS 100

struct acceptor {
    struct event ev;
    struct worker *w;
    const struct lsock *sock;
    struct listener *listener;
    struct acceptor *next;
    int fd;
    int batch;     /* taken at once: grows while there were as many in each turn */
    uint64_t turn; /* of the loop, when the last whole batch was taken           */
};

struct worker {
    struct conn_worker cw;
    struct worker_shared *shared;
    struct loop *loop;
    struct pipe_pool *pipes;
    struct acceptor *acceptors;
    struct worker_job *jobs; /* generations that live here */
    struct task sweep;       /* look for generations that are gone */
    struct event resume;
    bool paused, quiet;
    unsigned index;
    pthread_t thread;
    struct msg quiesce, quiesced, kill, stop;
    uint32_t kill_reason;
    void (*on_quiesced)(void *arg);
    void *on_quiesced_arg;
};

static struct worker *of_cw(struct conn_worker *cw)
{
    return (struct worker *)(void *)((char *)cw - offsetof(struct worker, cw));
}

/* --- accepting [worker] -------------------------------------------------------------------------- */

static void accept_on(struct worker *w)
{
    w->paused = false;
    for (struct acceptor *a = w->acceptors; a != NULL; a = a->next) {
        (void)event_add(&a->ev, NULL);
    }
}

static void accept_off(struct worker *w)
{
    for (struct acceptor *a = w->acceptors; a != NULL; a = a->next) {
        (void)event_del(&a->ev);
    }
}

static void accept_pause(struct worker *w, const char *why)
{
    static struct log_limit limit;
    const struct timeval tv = { .tv_usec = PAUSE_MS * 1000 };

    if (w->paused) {
        return;
    }
    w->paused = true;
    accept_off(w);
    (void)evtimer_add(&w->resume, &tv);
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

static bool on_full(const struct conn_worker *cw)
{
    const struct worker *w =
        (const struct worker *)(const void *)((const char *)cw - offsetof(struct worker, cw));

    return is_full(w);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    (void)evtimer_del(&w->resume);
    if (!w->paused || w->quiet) {
        return;
    }
    w->paused = false;
    if (is_full(w)) {
        accept_pause(w, "max_connections");
    } else {
        accept_on(w);
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

static void on_accept(evutil_socket_t lfd, short what, void *arg)
{
    struct acceptor *a = arg;
    struct worker *w = a->w;

    (void)what;
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
        fd = accept4(lfd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
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

    while (a != NULL && a->fd != fd) {
        a = a->next;
    }
    return a;
}

static void acceptor_add(struct worker *w, const struct binding *b, int fd)
{
    struct acceptor *a = calloc(1, sizeof(*a));

    if (a == NULL) {
        LOG(PST_LOG_ERROR, "a worker cannot accept: out of memory", LOGF_U64("worker", w->index));
        return;
    }
    a->w = w;
    a->sock = b->sock;
    a->listener = b->listener;
    a->fd = fd;
    (void)event_assign(&a->ev, loop_base(w->loop), a->fd, EV_READ | EV_PERSIST, on_accept, a);
    a->next = w->acceptors;
    w->acceptors = a;
    if (!w->paused && !w->quiet) {
        (void)event_add(&a->ev, NULL);
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

/* Point every socket at its listener of the new generation; drop those it does not name. */
static void bind_all(struct worker *w, const struct bindings *b)
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
            (void)event_del(&a->ev);
            free(a);
        }
    }
    for (size_t i = 0; b != NULL && i < b->n; i++) {
        bind_one(w, &b->at[i]);
    }
}

/* --- generations [worker] ------------------------------------------------------------------------ */

static void sweep(struct task *t)
{
    struct worker *w = (struct worker *)(void *)((char *)t - offsetof(struct worker, sweep));

    for (struct worker_job **at = &w->jobs; *at != NULL;) {
        struct worker_job *j = *at;
        const struct generation_worker *gw = &j->gen->workers[w->index];

        if (gw->replaced && gw->refs == 0) {
            *at = j->next;
            generation_worker_fini(j->gen, w->index);
            loop_post(w->shared->main_loop, &j->gone);
        } else {
            at = &j->next;
        }
    }
}

static void on_released(struct conn_worker *cw, struct generation *g)
{
    struct worker *w = of_cw(cw);

    (void)g;
    loop_defer(w->loop, &w->sweep);
}

static void on_count(struct conn_worker *cw, int delta)
{
    struct worker *w = of_cw(cw);

    if (delta > 0) {
        atomic_fetch_add_explicit(&w->shared->conns, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_sub_explicit(&w->shared->conns, 1, memory_order_relaxed);
    if (w->paused) {
        event_active(&w->resume, EV_TIMEOUT, 0);
    }
}

static void switch_to(struct worker *w, struct worker_job *j)
{
    struct generation *old = w->cw.current;

    w->cw.current = j->gen;
    bind_all(w, j->gen == NULL ? NULL : j->bindings);
    if (j->gen != NULL) {
        j->next = w->jobs;
        w->jobs = j;
    }
    if (old != NULL) {
        old->workers[w->index].replaced = true;
        loop_defer(w->loop, &w->sweep);
    }
}

static void on_job(struct msg *m, struct loop *l)
{
    struct worker_job *j =
        (struct worker_job *)(void *)((char *)m - offsetof(struct worker_job, to));
    struct worker *w = j->worker;

    switch (j->kind) {
    case JOB_PREPARE:
        j->ok = generation_worker_init(j->gen, w->index, l) == ERR_OK;
        break;
    case JOB_DISCARD:
        generation_worker_fini(j->gen, w->index);
        break;
    case JOB_SWITCH:
        switch_to(w, j);
        break;
    }
    loop_post(w->shared->main_loop, &j->back);
}

static void on_job_back(struct msg *m, struct loop *l)
{
    struct worker_job *j =
        (struct worker_job *)(void *)((char *)m - offsetof(struct worker_job, back));

    (void)l;
    j->on_back(j);
}

static void on_job_gone(struct msg *m, struct loop *l)
{
    struct worker_job *j =
        (struct worker_job *)(void *)((char *)m - offsetof(struct worker_job, gone));

    (void)l;
    j->on_gone(j);
}

void worker_send(struct worker_job *j)
{
    j->to.fn = on_job;
    j->back.fn = on_job_back;
    j->gone.fn = on_job_gone;
    loop_post(j->worker->loop, &j->to);
}

/* --- questions ----------------------------------------------------------------------------------- */

static void on_ask(struct msg *m, struct loop *l)
{
    struct worker_ask *a =
        (struct worker_ask *)(void *)((char *)m - offsetof(struct worker_ask, to));
    struct worker *w = a->worker;

    (void)l;
    a->ask(a, &w->cw);
    loop_post(w->shared->main_loop, &a->back);
}

static void on_answer(struct msg *m, struct loop *l)
{
    struct worker_ask *a =
        (struct worker_ask *)(void *)((char *)m - offsetof(struct worker_ask, back));

    (void)l;
    a->answered(a);
}

void worker_ask(struct worker *w, struct worker_ask *a)
{
    a->worker = w;
    a->to.fn = on_ask;
    a->back.fn = on_answer;
    loop_post(w->loop, &a->to);
}

/* --- the end ------------------------------------------------------------------------------------- */

static void on_quiesced(struct msg *m, struct loop *l)
{
    struct worker *w = (struct worker *)(void *)((char *)m - offsetof(struct worker, quiesced));

    (void)l;
    w->on_quiesced(w->on_quiesced_arg);
}

static void on_quiesce(struct msg *m, struct loop *l)
{
    struct worker *w = (struct worker *)(void *)((char *)m - offsetof(struct worker, quiesce));

    (void)l;
    w->quiet = true;
    bind_all(w, NULL);
    loop_post(w->shared->main_loop, &w->quiesced);
}

void worker_quiesce(struct worker *w, void (*on_done)(void *arg), void *arg)
{
    w->on_quiesced = on_done;
    w->on_quiesced_arg = arg;
    w->quiesce.fn = on_quiesce;
    w->quiesced.fn = on_quiesced;
    loop_post(w->loop, &w->quiesce);
}

static void on_kill(struct msg *m, struct loop *l)
{
    struct worker *w = (struct worker *)(void *)((char *)m - offsetof(struct worker, kill));

    (void)l;
    conn_end_all(&w->cw, w->kill_reason);
}

void worker_kill(struct worker *w, uint32_t reason)
{
    w->kill_reason = reason;
    w->kill.fn = on_kill;
    loop_post(w->loop, &w->kill);
}

static void on_stop(struct msg *m, struct loop *l)
{
    (void)m;
    loop_stop(l);
}

/* --- life ---------------------------------------------------------------------------------------- */

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct worker_shared *shared = w->shared;

    conn_worker_init(&w->cw, w->loop, w->index, w->pipes);
    w->cw.full = on_full;
    w->cw.count = on_count;
    w->cw.released = on_released;
    if (loop_run(w->loop) != ERR_OK) {
        LOG(PST_LOG_ERROR, "a worker's event loop failed", LOGF_U64("worker", w->index),
            LOGF_U64("connections", atomic_load(&shared->conns)));
    }
    conn_end_all(&w->cw, PST_END_KILLED);
    return NULL;
}

struct worker *worker_new(unsigned index, struct worker_shared *shared)
{
    struct worker *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        return NULL;
    }
    w->index = index;
    w->shared = shared;
    w->sweep.fn = sweep;
    w->loop = loop_new();
    w->pipes = pipe_pool_new(shared->max_pipes);
    if (w->loop == NULL || w->pipes == NULL) {
        worker_free(w);
        return NULL;
    }
    (void)evtimer_assign(&w->resume, loop_base(w->loop), on_resume, w);
    return w;
}

int worker_start(struct worker *w)
{
    sigset_t all, old;
    int rc;

    /* Signals belong to the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        errno = rc;
        return ERR_SYS;
    }
    return ERR_OK;
}

void worker_join(struct worker *w)
{
    w->stop.fn = on_stop;
    loop_post(w->loop, &w->stop);
    pthread_join(w->thread, NULL);
}

void worker_free(struct worker *w)
{
    if (w == NULL) {
        return;
    }
    if (w->loop != NULL) {
        (void)evtimer_del(&w->resume);
        bind_all(w, NULL);
        loop_free(w->loop);
    }
    pipe_pool_free(w->pipes);
    free(w);
}
