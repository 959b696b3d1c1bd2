/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread pool for jobs that block. A job keeps its loop, not its scope: `scope` is only
 * touched on the loop's thread and becomes NULL when the scope ends, which is how done() knows.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/loop.h"
#include "core/module/watch.h"
#include "core/module/watch_scope.h"

#define THREADS_DEFAULT 2
#define THREADS_MAX     64
#define QUEUE_MAX       16384

struct offload_job {
    struct msg msg;
    struct loop *loop;
    struct watch_scope *scope; /* loop's thread; NULL: it ended                    */
    struct list in_scope;      /* loop's thread                                    */
    struct list in_queue;      /* pool.lock; on its own when not queued            */
    bool dropped;              /* never ran; set before the message is posted      */
    void (*job)(void *arg);
    void (*done)(void *arg, int32_t status);
    void *arg;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, end;
    struct list queue;
    size_t queued;
    unsigned limit;   /* of threads */
    unsigned threads; /* running    */
    unsigned idle;    /* of them, waiting for work */
    unsigned ended;   /* of them, not joined yet   */
    bool stopped;
    pthread_t ids[THREADS_MAX];
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
    .end = PTHREAD_COND_INITIALIZER,
    .queue = { &pool.queue, &pool.queue },
    .limit = THREADS_DEFAULT,
};

/* On the loop's thread: tell the module. done() may free the scope. */
static void job_done(struct msg *m, struct loop *l)
{
    struct offload_job *j = list_entry(m, struct offload_job, msg);
    (void)l;
    int32_t status = j->scope == NULL || j->dropped ? PST_ERR_CANCELLED : PST_OK;
    if (j->scope != NULL) {
        list_remove(&j->in_scope);
    }
    j->done(j->arg, status);
    free(j);
}

static struct offload_job *queue_take(void)
{
    struct offload_job *j = list_entry(pool.queue.next, struct offload_job, in_queue);
    list_remove(&j->in_queue);
    pool.queued--;
    return j;
}

static void *pool_thread(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&pool.lock);
    while (!pool.stopped) {
        if (list_empty(&pool.queue)) {
            pool.idle++;
            pthread_cond_wait(&pool.work, &pool.lock);
            pool.idle--;
            continue;
        }
        struct offload_job *j = queue_take();
        pthread_mutex_unlock(&pool.lock);
        j->job(j->arg);
        loop_post(j->loop, &j->msg);
        pthread_mutex_lock(&pool.lock);
    }
    pool.ended++;
    pthread_cond_signal(&pool.end);
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* One more thread when all are busy. Signals are for the main thread. Under the lock. */
static void grow(void)
{
    sigset_t all, old;
    if (pool.idle > pool.queued || pool.threads >= pool.limit) {
        return;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&pool.ids[pool.threads], NULL, pool_thread, NULL) == 0) {
        pool.threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void offload_start(unsigned n)
{
    pthread_mutex_lock(&pool.lock);
    pool.limit = n == 0 ? THREADS_DEFAULT : n < THREADS_MAX ? n : THREADS_MAX;
    pool.stopped = false;
    pthread_mutex_unlock(&pool.lock);
}

bool offload_stop(uint64_t ms)
{
    const struct timespec until = clock_after_ms(ms);
    bool all;

    pthread_mutex_lock(&pool.lock);
    pool.stopped = true;
    while (!list_empty(&pool.queue)) {
        struct offload_job *j = queue_take();
        j->dropped = true;
        loop_post(j->loop, &j->msg);
    }
    pthread_cond_broadcast(&pool.work);
    while (pool.ended < pool.threads &&
           pthread_cond_clockwait(&pool.end, &pool.lock, CLOCK_MONOTONIC, &until) == 0) {
    }
    all = pool.ended == pool.threads;
    if (all) {
        for (unsigned i = 0; i < pool.threads; i++) {
            pthread_join(pool.ids[i], NULL);
        }
        pool.threads = pool.ended = 0;
    }
    pthread_mutex_unlock(&pool.lock);
    return all;
}

int32_t offload_run(struct watch_scope *s, void (*job)(void *arg),
                    void (*done)(void *arg, int32_t status), void *arg)
{
    assert(loop_is_mine(s->loop));
    struct offload_job *j = calloc(1, sizeof(*j));
    if (j == NULL) {
        return PST_ERR_NOMEM;
    }
    j->msg.fn = job_done;
    j->loop = s->loop;
    j->scope = s;
    j->job = job;
    j->done = done;
    j->arg = arg;
    list_init(&j->in_queue);
    list_init(&j->in_scope);

    int32_t rc = PST_OK;
    pthread_mutex_lock(&pool.lock);
    if (pool.stopped) {
        rc = PST_ERR_STATE;
    } else if (pool.queued >= QUEUE_MAX) {
        rc = PST_ERR_LIMIT;
    } else {
        grow();
        rc = pool.threads > 0 ? PST_OK : PST_ERR_LIMIT;
    }
    if (rc == PST_OK) {
        list_append(&s->jobs, &j->in_scope);
        list_append(&pool.queue, &j->in_queue);
        pool.queued++;
        pthread_cond_signal(&pool.work);
    }
    pthread_mutex_unlock(&pool.lock);
    if (rc != PST_OK) {
        free(j);
    }
    return rc;
}

void offload_abandon(struct watch_scope *s)
{
    pthread_mutex_lock(&pool.lock);
    list_each_safe (it, tmp, &s->jobs) {
        struct offload_job *j = list_entry(it, struct offload_job, in_scope);
        list_remove(&j->in_scope);
        j->scope = NULL;
        if (!list_empty(&j->in_queue)) {
            list_remove(&j->in_queue);
            pool.queued--;
            loop_post(j->loop, &j->msg);
        }
    }
    pthread_mutex_unlock(&pool.lock);
}
