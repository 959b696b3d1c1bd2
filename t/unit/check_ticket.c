/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Suspend tickets: every order of verdict, cancel and release, and four threads at once. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/loop.h"
#include "core/base/metrics.h"
#include "core/module/ticket.h"

/* What became of one ticket. */
struct owner {
    struct ticket *ticket;
    int delivered;
    int cancelled;
    int32_t verdict;
    bool keep; /* do not call ticket_done() in deliver */
};

static struct loop *loop;

static void deliver(void *arg, int32_t verdict)
{
    struct owner *o = arg;

    o->delivered++;
    o->verdict = verdict;
    if (!o->keep) {
        ticket_done(o->ticket);
    }
}

static void cancelled(void *arg)
{
    struct owner *o = arg;

    o->cancelled++;
}

static void open_ticket(struct owner *o)
{
    *o = (struct owner){ 0 };
    o->ticket = ticket_new(loop, deliver, o, cancelled, o);
    ck_assert_ptr_nonnull(o->ticket);
}

static pst_ticket *handle(const struct owner *o)
{
    return (pst_ticket *)o->ticket;
}

/* A few passes of the loop, so that everything already queued or posted is through. */
static int passes;

static void count_pass(struct task *t)
{
    if (--passes > 0) {
        loop_defer(loop, t);
    } else {
        loop_stop(loop);
    }
}

static void turn(void)
{
    struct task t = { .fn = count_pass };

    passes = 4;
    loop_defer(loop, &t);
    ck_assert_int_ge(loop_run(loop), 0);
}

static int64_t misuses(void)
{
    int id = metric_define("ticket_misuse_total", "", METRIC_COUNTER);
    ck_assert_int_ge(id, 0);
    return metric_sum(id);
}

static void setup(void)
{
    ticket_setup();
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
}

static void teardown(void)
{
    loop_free(loop);
    metrics_free();
}

START_TEST(verdict_arrives_later)
{
    struct owner o;

    open_ticket(&o);
    ticket_resume(handle(&o), PST_NEXT);
    ck_assert_int_eq(o.delivered, 0);
    turn();
    ck_assert_int_eq(o.delivered, 1);
    ck_assert_int_eq(o.verdict, PST_NEXT);

    open_ticket(&o);
    ticket_resume_any(handle(&o), PST_DENY);
    ck_assert_int_eq(o.delivered, 0);
    turn();
    ck_assert_int_eq(o.delivered, 1);
    ck_assert_int_eq(o.verdict, PST_DENY);
    ck_assert_int_eq(o.cancelled, 0);
    ck_assert_int_eq(misuses(), 0);
}
END_TEST

START_TEST(unknown_verdicts_are_errors)
{
    static const int32_t odd[] = { 0, PST_PENDING, PST_MORE, PST_CLAIM, PST_ERROR, 77, -77 };

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct owner o;
        open_ticket(&o);
        ticket_resume(handle(&o), odd[i]);
        turn();
        ck_assert_int_eq(o.delivered, 1);
        ck_assert_int_eq(o.verdict, PST_ERROR);
    }
}
END_TEST

START_TEST(cancel_then_late_resume)
{
    struct owner o;

    open_ticket(&o);
    ticket_cancel(o.ticket);
    ck_assert_int_eq(o.cancelled, 1);
    ticket_resume(handle(&o), PST_NEXT);
    turn();
    ck_assert_int_eq(o.delivered, 0);

    open_ticket(&o);
    ticket_cancel(o.ticket);
    ticket_resume_any(handle(&o), PST_NEXT);
    turn();
    ck_assert_int_eq(o.delivered, 0);

    open_ticket(&o);
    ticket_cancel(o.ticket);
    ticket_release(handle(&o));
    turn();
    ck_assert_int_eq(o.delivered, 0);
    ck_assert_int_eq(o.cancelled, 1);
    ck_assert_int_eq(misuses(), 0);
}
END_TEST

START_TEST(cancel_while_the_verdict_is_on_its_way)
{
    struct owner o;

    open_ticket(&o);
    ticket_resume(handle(&o), PST_NEXT);
    ticket_cancel(o.ticket);
    turn();
    ck_assert_int_eq(o.delivered, 0);
    ck_assert_int_eq(o.cancelled, 0);

    open_ticket(&o);
    ticket_resume_any(handle(&o), PST_NEXT);
    ticket_cancel(o.ticket);
    turn();
    ck_assert_int_eq(o.delivered, 0);
    ck_assert_int_eq(o.cancelled, 0);
}
END_TEST

static void cancel_and_release(void *arg)
{
    struct owner *o = arg;

    o->cancelled++;
    ticket_release(handle(o));
}

START_TEST(module_releases_inside_cancel)
{
    struct owner o = { 0 };

    o.ticket = ticket_new(loop, deliver, &o, cancel_and_release, &o);
    ck_assert_ptr_nonnull(o.ticket);
    ticket_cancel(o.ticket);
    ck_assert_int_eq(o.cancelled, 1);

    o.ticket = ticket_new(loop, deliver, &o, NULL, NULL);
    ck_assert_ptr_nonnull(o.ticket);
    ticket_cancel(o.ticket);
    ticket_release(handle(&o));
    ticket_release(NULL);
    ck_assert_int_eq(misuses(), 0);
}
END_TEST

START_TEST(second_resume_is_counted)
{
    struct owner o;

    open_ticket(&o);
    o.keep = true;
    ticket_resume(handle(&o), PST_NEXT);
    ticket_resume(handle(&o), PST_DENY);
    turn();
    ticket_resume_any(handle(&o), PST_DENY);
    ticket_release(handle(&o));
    turn();
    ck_assert_int_eq(o.delivered, 1);
    ck_assert_int_eq(o.verdict, PST_NEXT);
    ck_assert_int_eq(misuses(), 3);
    ticket_done(o.ticket);
}
END_TEST

START_TEST(undelivered_at_the_end_of_the_loop)
{
    struct owner o;

    open_ticket(&o);
    ticket_resume_any(handle(&o), PST_NEXT);
    ticket_cancel(o.ticket);
    loop_free(loop);
    loop = loop_new();
    ck_assert_int_eq(o.delivered, 0);
}
END_TEST

/* --- many threads ----------------------------------------------------------------------------- */

#define THREADS  4
#define TICKETS  4000
#define PER_TURN 16

static struct owner owners[TICKETS];
static _Atomic(struct ticket *) offered[TICKETS];
static size_t opened, closed;
static atomic_uint answered;

static void deliver_one(void *arg, int32_t verdict)
{
    deliver(arg, verdict);
    closed++;
}

static void *resume_all(void *arg)
{
    size_t first = (size_t)(uintptr_t)arg;

    for (size_t i = first; i < TICKETS; i += THREADS) {
        struct ticket *t;
        while ((t = atomic_load(&offered[i])) == NULL) {
            sched_yield();
        }
        ticket_resume_any((pst_ticket *)t, PST_NEXT);
        atomic_fetch_add(&answered, 1);
    }
    return NULL;
}

/* Open some tickets, cancel every third at once and every third of those of last time. */
static void drive(struct task *t)
{
    size_t from = opened;
    size_t to = from + PER_TURN < TICKETS ? from + PER_TURN : TICKETS;

    for (size_t i = from < PER_TURN ? 0 : from - PER_TURN; i < to; i++) {
        struct owner *o = &owners[i];
        if (i >= from) {
            o->ticket = ticket_new(loop, deliver_one, o, cancelled, o);
            ck_assert_ptr_nonnull(o->ticket);
            atomic_store(&offered[i], o->ticket);
        }
        bool now = i >= from ? i % 3 == 0 : i % 3 == 1;
        if (from < to && now && o->delivered == 0) {
            ticket_cancel(o->ticket);
            o->keep = true;
            closed++;
        }
    }
    opened = to;
    if (closed < TICKETS) {
        loop_defer(loop, t);
    } else {
        loop_stop(loop);
    }
}

START_TEST(threads_resume_while_the_owner_cancels)
{
    pthread_t ids[THREADS];
    struct task t = { .fn = drive };

    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&ids[i], NULL, resume_all, (void *)(uintptr_t)i), 0);
    }
    loop_defer(loop, &t);
    ck_assert_int_ge(loop_run(loop), 0);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(ids[i], NULL), 0);
    }
    turn();
    ck_assert_uint_eq(atomic_load(&answered), TICKETS);
    ck_assert_uint_eq(closed, TICKETS);
    for (size_t i = 0; i < TICKETS; i++) {
        /* `keep` marks the ones we cancelled: no verdict may have come after that. */
        ck_assert_int_eq(owners[i].delivered, owners[i].keep ? 0 : 1);
        ck_assert_int_le(owners[i].cancelled, owners[i].keep ? 1 : 0);
    }
    ck_assert_int_eq(misuses(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ticket");
    TCase *t = tcase_create("ticket");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, verdict_arrives_later);
    tcase_add_test(t, unknown_verdicts_are_errors);
    tcase_add_test(t, cancel_then_late_resume);
    tcase_add_test(t, cancel_while_the_verdict_is_on_its_way);
    tcase_add_test(t, module_releases_inside_cancel);
    tcase_add_test(t, second_resume_is_counted);
    tcase_add_test(t, undelivered_at_the_end_of_the_loop);
    tcase_add_test(t, threads_resume_while_the_owner_cancels);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
