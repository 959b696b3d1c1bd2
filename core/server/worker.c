/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/edge/generation.h"
#include "core/server/worker_priv.h"
#include "core/stream/pipe_pool.h"

/* --- generations [worker] --------------------------------------------------------------------- */

static void sweep(struct task *t)
{
    struct worker *w = list_entry(t, struct worker, sweep);

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
    struct worker *w = list_entry(cw, struct worker, cw);

    (void)g;
    loop_defer(w->loop, &w->sweep);
}

static void on_count(struct conn_worker *cw, int delta)
{
    struct worker *w = list_entry(cw, struct worker, cw);

    if (delta > 0) {
        atomic_fetch_add_explicit(&w->shared->conns, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_sub_explicit(&w->shared->conns, 1, memory_order_relaxed);
    accept_more(w);
}

static void switch_to(struct worker *w, struct worker_job *j)
{
    struct generation *old = w->cw.current;

    w->cw.current = j->gen;
    accept_bind(w, j->gen == NULL ? NULL : j->bindings);
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
    struct worker_job *j = list_entry(m, struct worker_job, to);
    struct worker *w = j->worker;

    switch (j->kind) {
    case JOB_PREPARE:
        j->ok = accept_prepare(w, j->bindings) == ERR_OK &&
                generation_worker_init(j->gen, w->index, l) == ERR_OK;
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
    struct worker_job *j = list_entry(m, struct worker_job, back);

    (void)l;
    j->on_back(j);
}

static void on_job_gone(struct msg *m, struct loop *l)
{
    struct worker_job *j = list_entry(m, struct worker_job, gone);

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

/* --- questions -------------------------------------------------------------------------------- */

static void on_ask(struct msg *m, struct loop *l)
{
    struct worker_ask *a = list_entry(m, struct worker_ask, to);
    struct worker *w = a->worker;

    (void)l;
    a->ask(a, &w->cw);
    loop_post(w->shared->main_loop, &a->back);
}

static void on_answer(struct msg *m, struct loop *l)
{
    struct worker_ask *a = list_entry(m, struct worker_ask, back);

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

/* --- the end ---------------------------------------------------------------------------------- */

static void on_quiesced(struct msg *m, struct loop *l)
{
    struct worker *w = list_entry(m, struct worker, quiesced);

    (void)l;
    w->on_quiesced(w->on_quiesced_arg);
}

static void on_quiesce(struct msg *m, struct loop *l)
{
    struct worker *w = list_entry(m, struct worker, quiesce);

    (void)l;
    w->quiet = true;
    accept_bind(w, NULL);
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
    struct worker *w = list_entry(m, struct worker, kill);

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

/* --- life ------------------------------------------------------------------------------------- */

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct worker_shared *shared = w->shared;

    conn_worker_init(&w->cw, w->loop, w->index, w->pipes);
    w->cw.full = accept_is_full;
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
    accept_init(w);
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
        loop_timer_stop(w->loop, &w->resume);
        accept_bind(w, NULL);
        loop_free(w->loop);
    }
    pipe_pool_free(w->pipes);
    free(w);
}
