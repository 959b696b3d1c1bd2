/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs on helper threads: done() runs once, on the loop, whenever the scope ends. */
#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "core/base/loop.h"
#include "core/module/watch.h"

#define DEADLINE_S 20

/* One job; it reports that it runs and waits to be let go. */
struct work {
    sem_t started, go;
    bool wait;
    atomic_int ran;
    int done;
    int32_t status;
    pthread_t thread;
};

static struct loop *loop;
static struct watch_scope *scope;
static pthread_t self;
static int expected; /* done() calls until the loop is stopped */

static void setup(void)
{
    self = pthread_self();
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    scope = watch_scope_new(loop);
    ck_assert_ptr_nonnull(scope);
    offload_start(1);
}

static void teardown(void)
{
    watch_scope_free(scope);
    ck_assert(offload_stop(60000));
    loop_free(loop);
}

static void work_init(struct work *w, bool wait)
{
    *w = (struct work){ .wait = wait };
    ck_assert_int_eq(sem_init(&w->started, 0, 0), 0);
    ck_assert_int_eq(sem_init(&w->go, 0, 0), 0);
}

static void await(sem_t *s)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += DEADLINE_S;
    ck_assert_int_eq(sem_timedwait(s, &ts), 0);
}

static void job(void *arg)
{
    struct work *w = arg;

    w->thread = pthread_self();
    atomic_fetch_add(&w->ran, 1);
    sem_post(&w->started);
    if (w->wait) {
        sem_wait(&w->go);
    }
}

static void done(void *arg, int32_t status)
{
    struct work *w = arg;

    ck_assert(pthread_equal(pthread_self(), self));
    w->done++;
    w->status = status;
    if (--expected == 0) {
        loop_stop(loop);
    }
}

static void start(struct work *w, bool wait)
{
    work_init(w, wait);
    ck_assert_int_eq(offload_run(scope, job, done, w), PST_OK);
    ck_assert_int_eq(w->done, 0);
}

static void run_until_done(int n)
{
    expected = n;
    ck_assert_int_ge(loop_run(loop), 0);
    ck_assert_int_eq(expected, 0);
}

static void end_scope(void)
{
    watch_scope_free(scope);
    scope = NULL;
}

START_TEST(runs_elsewhere_and_is_done_here)
{
    struct work w;

    start(&w, false);
    run_until_done(1);
    ck_assert_int_eq(atomic_load(&w.ran), 1);
    ck_assert_int_eq(w.status, PST_OK);
    ck_assert(!pthread_equal(w.thread, self));
}
END_TEST

START_TEST(scope_ends_while_queued)
{
    struct work first, queued;

    start(&first, true);
    await(&first.started);
    start(&queued, false);
    end_scope();
    /* It does not have to wait for the one that is running. */
    run_until_done(1);
    ck_assert_int_eq(queued.done, 1);
    ck_assert_int_eq(queued.status, PST_ERR_CANCELLED);
    ck_assert_int_eq(first.done, 0);
    sem_post(&first.go);
    run_until_done(1);
    ck_assert_int_eq(first.done, 1);
    ck_assert_int_eq(first.status, PST_ERR_CANCELLED);
    ck_assert_int_eq(atomic_load(&queued.ran), 0);
    ck_assert_int_eq(atomic_load(&first.ran), 1);
}
END_TEST

START_TEST(scope_ends_before_done_is_delivered)
{
    struct work w, next;

    start(&w, false);
    start(&next, true);
    /* One thread: when the next job runs the message of the first is in the inbox. */
    await(&next.started);
    end_scope();
    run_until_done(1);
    ck_assert_int_eq(w.done, 1);
    ck_assert_int_eq(w.status, PST_ERR_CANCELLED);
    sem_post(&next.go);
    run_until_done(1);
    ck_assert_int_eq(next.status, PST_ERR_CANCELLED);
}
END_TEST

static void done_and_end_scope(void *arg, int32_t status)
{
    end_scope();
    done(arg, status);
}

START_TEST(done_ends_the_scope)
{
    struct work w, later;

    work_init(&w, false);
    ck_assert_int_eq(offload_run(scope, job, done_and_end_scope, &w), PST_OK);
    start(&later, false);
    run_until_done(2);
    ck_assert_int_eq(w.status, PST_OK);
    ck_assert_int_eq(later.status, PST_ERR_CANCELLED);
}
END_TEST

START_TEST(stop_drops_what_is_queued)
{
    struct work first, queued, refused;

    start(&first, true);
    await(&first.started);
    start(&queued, false);
    sem_post(&first.go);
    ck_assert(offload_stop(60000));
    work_init(&refused, false);
    ck_assert_int_eq(offload_run(scope, job, done, &refused), PST_ERR_STATE);
    run_until_done(2);
    ck_assert_int_eq(first.status, PST_OK);
    /* The one thread may have come round before it was told to stop. */
    ck_assert_int_eq(queued.status, atomic_load(&queued.ran) == 1 ? PST_OK : PST_ERR_CANCELLED);
    ck_assert_int_eq(refused.done, 0);
    offload_start(1);
    start(&refused, false);
    run_until_done(1);
    ck_assert_int_eq(refused.status, PST_OK);
}
END_TEST

START_TEST(stop_gives_up_on_a_job_that_hangs)
{
    struct work hangs;

    start(&hangs, true);
    await(&hangs.started);
    ck_assert(!offload_stop(20));
    sem_post(&hangs.go);
    ck_assert(offload_stop(60000));
    run_until_done(1);
    ck_assert_int_eq(hangs.status, PST_OK);
}
END_TEST

START_TEST(loop_ends_with_messages_in_it)
{
    struct work w, next;

    start(&w, false);
    start(&next, true);
    await(&next.started);
    sem_post(&next.go);
    end_scope();
    ck_assert(offload_stop(60000));
    expected = 2;
    loop_free(loop);
    ck_assert_int_eq(w.done, 1);
    ck_assert_int_eq(next.done, 1);
    ck_assert_int_eq(w.status, PST_ERR_CANCELLED);
    loop = loop_new();
}
END_TEST

START_TEST(as_many_threads_as_allowed)
{
    struct work w[3];

    offload_start(3);
    for (int i = 0; i < 3; i++) {
        start(&w[i], true);
    }
    /* All three run at once, or the deadline passes. */
    for (int i = 0; i < 3; i++) {
        await(&w[i].started);
    }
    for (int i = 0; i < 3; i++) {
        sem_post(&w[i].go);
    }
    run_until_done(3);
}
END_TEST

/* --- two workers at once ---------------------------------------------------------------------- */

#define ROUNDS 300
#define JOBS   8

struct side {
    struct loop *loop;
    int done;
    struct watch_scope *scope;
    int round;
    struct task task;
};

static void nothing(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static atomic_int ran;
static _Thread_local struct side *here;

static void side_done(void *arg, int32_t status)
{
    (void)arg;
    ck_assert(status == PST_OK || status == PST_ERR_CANCELLED);
    if (++here->done == ROUNDS * JOBS) {
        loop_stop(here->loop);
    }
}

/* Each round ends the scope of the one before, in whatever phase its jobs are. */
static void side_round(struct task *t)
{
    watch_scope_free(here->scope);
    here->scope = NULL;
    if (here->round++ == ROUNDS) {
        return;
    }
    here->scope = watch_scope_new(here->loop);
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(offload_run(here->scope, nothing, side_done, &ran), PST_OK);
    }
    loop_defer(here->loop, t);
}

static void *side_main(void *arg)
{
    here = arg;
    here->task.fn = side_round;
    loop_defer(here->loop, &here->task);
    loop_run(here->loop);
    watch_scope_free(here->scope);
    return NULL;
}

START_TEST(two_workers_end_scopes_at_any_time)
{
    struct side sides[2] = { { 0 }, { 0 } };
    pthread_t ids[2];

    offload_start(3);
    for (int i = 0; i < 2; i++) {
        sides[i].loop = loop_new();
        ck_assert_int_eq(pthread_create(&ids[i], NULL, side_main, &sides[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(ids[i], NULL), 0);
        ck_assert_int_eq(sides[i].done, ROUNDS * JOBS);
        loop_free(sides[i].loop);
    }
    ck_assert_int_le(atomic_load(&ran), 2 * ROUNDS * JOBS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("offload");
    TCase *t = tcase_create("offload");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, runs_elsewhere_and_is_done_here);
    tcase_add_test(t, scope_ends_while_queued);
    tcase_add_test(t, scope_ends_before_done_is_delivered);
    tcase_add_test(t, done_ends_the_scope);
    tcase_add_test(t, stop_drops_what_is_queued);
    tcase_add_test(t, stop_gives_up_on_a_job_that_hangs);
    tcase_add_test(t, loop_ends_with_messages_in_it);
    tcase_add_test(t, as_many_threads_as_allowed);
    tcase_add_test(t, two_workers_end_scopes_at_any_time);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
