/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/loop.h"

#define SENDERS  4
#define MESSAGES 5000

/* --- messages --------------------------------------------------------------------------------- */

struct numbered {
    struct msg msg;
    int sender, number;
};

static struct {
    struct loop *loop;
    int next[SENDERS]; /* the number expected from each sender */
    int arrived;
} inbox_test;

static void on_numbered(struct msg *m, struct loop *l)
{
    struct numbered *n = (struct numbered *)m;

    ck_assert_ptr_eq(l, inbox_test.loop);
    ck_assert(loop_is_mine(l));
    ck_assert_int_eq(n->number, inbox_test.next[n->sender]);
    inbox_test.next[n->sender]++;
    free(n);
    if (++inbox_test.arrived == SENDERS * MESSAGES) {
        loop_stop(l);
    }
}

static void *sender(void *arg)
{
    int id = *(int *)arg;

    for (int i = 0; i < MESSAGES; i++) {
        struct numbered *n = calloc(1, sizeof(*n));

        if (!n) {
            abort();
        }
        n->msg.fn = on_numbered;
        n->sender = id;
        n->number = i;
        loop_post(inbox_test.loop, &n->msg);
    }
    return NULL;
}

static void start_senders(pthread_t *threads, int *ids)
{
    memset(&inbox_test, 0, sizeof(inbox_test));
    inbox_test.loop = loop_new();
    ck_assert_ptr_nonnull(inbox_test.loop);
    for (int i = 0; i < SENDERS; i++) {
        ids[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sender, &ids[i]), 0);
    }
}

START_TEST(test_posts_arrive_in_order)
{
    pthread_t threads[SENDERS];
    int ids[SENDERS];

    start_senders(threads, ids);
    ck_assert_int_eq(loop_run(inbox_test.loop), 0);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(inbox_test.next[i], MESSAGES);
    }
    loop_free(inbox_test.loop);
}
END_TEST

START_TEST(test_free_runs_undelivered)
{
    pthread_t threads[SENDERS];
    int ids[SENDERS];

    start_senders(threads, ids);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(inbox_test.arrived, 0);
    loop_free(inbox_test.loop);
    ck_assert_int_eq(inbox_test.arrived, SENDERS * MESSAGES);
}
END_TEST

/* --- tasks ------------------------------------------------------------------------------------ */

struct step {
    struct task task;
    struct loop *loop;
    int id;
    struct step *cancels, *defers;
};

static int order[64];
static int ran;

static void on_step(struct task *t)
{
    struct step *s = (struct step *)t;

    ck_assert_int_lt(ran, 64);
    ck_assert(!task_queued(t));
    order[ran++] = s->id;
    if (s->cancels) {
        loop_cancel(s->loop, &s->cancels->task);
    }
    if (s->defers) {
        loop_defer(s->loop, &s->defers->task);
        s->defers = NULL;
    }
}

static void on_last(struct task *t)
{
    loop_stop(((struct step *)t)->loop);
}

START_TEST(test_defer_and_cancel)
{
    struct loop *l = loop_new();
    struct step a = { .task.fn = on_step, .loop = l, .id = 1 };
    struct step b = { .task.fn = on_step, .loop = l, .id = 2 };
    struct step c = { .task.fn = on_step, .loop = l, .id = 3 };
    struct step d = { .task.fn = on_step, .loop = l, .id = 4 };
    struct step last = { .task.fn = on_last, .loop = l };

    ck_assert_ptr_nonnull(l);
    b.cancels = &c;    /* of the same pass                */
    b.defers = &a;     /* runs again in the next pass     */
    a.cancels = &last; /* not queued at first: no effect  */
    d.defers = &last;
    loop_defer(l, &a.task);
    loop_defer(l, &a.task); /* twice is once */
    loop_defer(l, &b.task);
    loop_defer(l, &c.task);
    ck_assert(task_queued(&c.task));
    loop_cancel(l, &d.task); /* not queued */
    ck_assert_int_eq(ran, 0);
    ck_assert_int_eq(loop_step(l, true), 0);
    ck_assert_int_eq(ran, 2);
    ck_assert(!task_queued(&c.task));
    loop_defer(l, &d.task);
    ck_assert_int_eq(loop_run(l), 0);
    static const int want[] = { 1, 2, 1, 4 };
    ck_assert_int_eq(ran, 4);
    ck_assert_mem_eq(order, want, sizeof(want));
    loop_free(l);
}
END_TEST

START_TEST(test_free_drops_tasks)
{
    struct loop *l = loop_new();
    struct step a = { .task.fn = on_step, .loop = l, .id = 1 };

    loop_defer(l, &a.task);
    loop_free(l);
    ck_assert_int_eq(ran, 0);
    ck_assert(!task_queued(&a.task));
}
END_TEST

/* A task that always queues itself, and a descriptor that becomes readable. */
static struct {
    struct task task;
    struct loop *loop;
    int pipe[2];
    int passes;
    bool readable;
} busy;

static void on_busy(struct task *t)
{
    if (++busy.passes == 10) {
        ck_assert_int_eq((int)write(busy.pipe[1], "x", 1), 1);
    }
    ck_assert_int_lt(busy.passes, 1000);
    loop_defer(busy.loop, t);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    busy.readable = true;
    loop_stop(busy.loop);
}

START_TEST(test_tasks_do_not_starve_io)
{
    busy.loop = loop_new();
    busy.task.fn = on_busy;
    ck_assert_int_eq(pipe(busy.pipe), 0);
    struct event *ev = event_new(loop_base(busy.loop), busy.pipe[0], EV_READ, on_readable, NULL);
    event_add(ev, NULL);
    loop_defer(busy.loop, &busy.task);
    ck_assert_int_eq(loop_run(busy.loop), 0);
    ck_assert(busy.readable);
    event_free(ev);
    loop_free(busy.loop);
}
END_TEST

/* --- time, scratch, ownership ----------------------------------------------------------------- */

static struct {
    struct task task;
    struct loop *loop;
    uint64_t before;
    int turns;
} timing;

static void on_turn(struct task *t)
{
    uint64_t now = loop_now(timing.loop);
    uint64_t start = clock_ns();

    ck_assert_uint_gt(now, timing.before);
    ck_assert_uint_le(now, start);
    while (clock_ns() - start < 2000000) {
        /* time passes inside the turn */
    }
    ck_assert_uint_eq(loop_now(timing.loop), now);
    timing.before = now;
    if (++timing.turns == 3) {
        loop_stop(timing.loop);
    } else {
        loop_defer(timing.loop, t);
    }
}

START_TEST(test_now_is_one_per_turn)
{
    timing.loop = loop_new();
    timing.task.fn = on_turn;
    loop_defer(timing.loop, &timing.task);
    ck_assert_int_eq(loop_run(timing.loop), 0);
    ck_assert_int_eq(timing.turns, 3);
    loop_free(timing.loop);
}
END_TEST

START_TEST(test_scratch)
{
    struct loop *l = loop_new();
    size_t n = 0, again = 0;
    uint8_t *p = loop_scratch(l, &n);

    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(n, 256 * 1024);
    memset(p, 1, n);
    ck_assert_ptr_eq(loop_scratch(l, &again), p);
    ck_assert_uint_eq(again, n);
    loop_free(l);
    loop_free(NULL);
}
END_TEST

struct asking {
    struct msg msg;
    struct loop *loop;
    bool mine;
};

static void *ask(void *arg)
{
    struct asking *a = arg;

    a->mine = loop_is_mine(a->loop);
    return NULL;
}

static void on_asking(struct msg *m, struct loop *l)
{
    pthread_t other;

    ck_assert(loop_is_mine(l));
    ck_assert_int_eq(pthread_create(&other, NULL, ask, m), 0);
    pthread_join(other, NULL);
    loop_stop(l);
}

START_TEST(test_is_mine)
{
    struct asking a = { .msg.fn = on_asking, .loop = loop_new(), .mine = true };

    ck_assert(loop_is_mine(a.loop));
    loop_post(a.loop, &a.msg);
    ck_assert_int_eq(loop_run(a.loop), 0);
    ck_assert(!a.mine);
    loop_free(a.loop);
}
END_TEST

static bool no_memory;

static void *poor_realloc(void *p, size_t n)
{
    return no_memory ? NULL : realloc(p, n);
}

static void *poor_malloc(size_t n)
{
    return no_memory ? NULL : malloc(n);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    loop_stop(arg);
}

/* libevent's heap of timers grows by doubling: one of these cannot be added. */
START_TEST(test_timer_without_memory_fires)
{
    event_set_mem_functions(poor_malloc, poor_realloc, free);
    struct loop *l = loop_new();
    struct event *timers[64];
    unsigned n = 0;

    for (unsigned i = 0; i < 64; i++) {
        timers[i] = evtimer_new(loop_base(l), on_late, l);
    }
    no_memory = true;
    while (n < 64 && loop_base_timer(timers[n], 3600000)) {
        n++;
    }
    no_memory = false;
    ck_assert_uint_lt(n, 64);
    /* Returns at once: the test has a time limit of a minute, the timers of an hour. */
    ck_assert_int_eq(loop_run(l), 0);
    for (unsigned i = 0; i < 64; i++) {
        event_free(timers[i]);
    }
    loop_free(l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loop");
    TCase *tc = tcase_create("loop");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_posts_arrive_in_order);
    tcase_add_test(tc, test_free_runs_undelivered);
    tcase_add_test(tc, test_defer_and_cancel);
    tcase_add_test(tc, test_free_drops_tasks);
    tcase_add_test(tc, test_tasks_do_not_starve_io);
    tcase_add_test(tc, test_now_is_one_per_turn);
    tcase_add_test(tc, test_scratch);
    tcase_add_test(tc, test_is_mine);
    tcase_add_test(tc, test_timer_without_memory_fires);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
