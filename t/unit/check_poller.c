/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors and timers of a loop. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/loop.h"

static struct {
    struct loop *loop;
    struct loop_fd fd[2];
    int pipe[2][2];
    unsigned calls;
} pair;

/* Whoever is first takes the other one's report, which is in the same batch, away. */
static void on_pair(struct loop_fd *f, uint32_t events)
{
    ck_assert_uint_ne(events & EPOLLIN, 0);
    pair.calls++;
    loop_fd_forget(pair.loop, &pair.fd[f == &pair.fd[0] ? 1 : 0]);
}

START_TEST(test_forgotten_is_not_reported)
{
    memset(&pair, 0, sizeof(pair));
    pair.loop = loop_new();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pipe(pair.pipe[i]), 0);
        ck_assert_int_eq((int)write(pair.pipe[i][1], "x", 1), 1);
        pair.fd[i] = (struct loop_fd){ .fn = on_pair, .fd = pair.pipe[i][0] };
        ck_assert_int_eq(loop_fd_add(pair.loop, &pair.fd[i], EPOLLIN), ERR_OK);
    }
    ck_assert_int_eq(loop_step(pair.loop, true), ERR_OK);
    ck_assert_uint_eq(pair.calls, 1);
    /* The kernel still reports the forgotten one, whose place someone else may have now. */
    struct loop_fd *gone = pair.fd[0].slot == 0 ? &pair.fd[0] : &pair.fd[1];
    struct loop_fd next = { .fn = on_pair };
    int other[2];

    ck_assert_uint_eq(gone->slot, 0);
    ck_assert_int_eq(pipe(other), 0);
    next.fd = other[0];
    ck_assert_int_eq(loop_fd_add(pair.loop, &next, EPOLLIN), ERR_OK);
    loop_fd_remove(pair.loop, &pair.fd[0]);
    loop_fd_remove(pair.loop, &pair.fd[1]);
    ck_assert_int_eq(loop_step(pair.loop, false), ERR_OK);
    ck_assert_uint_eq(pair.calls, 1);
    pair.fd[0].fd = -1;
    ck_assert_int_eq(loop_fd_add(pair.loop, &pair.fd[0], EPOLLIN), ERR_SYS);
    ck_assert_uint_eq(pair.fd[0].slot, 0);
    loop_free(pair.loop);
}
END_TEST

#define TIMERS 200

static struct {
    struct loop *loop;
    struct loop_timer t[TIMERS];
    unsigned fired;
    uint64_t last;
} clocks;

static void on_clock(struct loop_timer *t)
{
    unsigned i = (unsigned)(t - clocks.t);

    ck_assert_uint_ne(i % 5, 3);
    ck_assert_uint_le(clocks.last, t->at);
    ck_assert_uint_le(t->at, loop_now(clocks.loop));
    clocks.last = t->at;
    clocks.fired++;
    if (i == 7) {
        loop_timer_stop(clocks.loop, t); /* not armed any more: no effect */
    }
}

/* In the order of their times, those that were moved too, and not those that were stopped. */
START_TEST(test_timers_in_order)
{
    uint64_t deadline = clock_ns() + UINT64_C(10000000000);
    unsigned want = 0;

    memset(&clocks, 0, sizeof(clocks));
    clocks.loop = loop_new();
    if (_i == 1) {
        ck_assert_ptr_nonnull(loop_base(clocks.loop));
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        clocks.t[i].fn = on_clock;
        loop_timer_set(clocks.loop, &clocks.t[i], i * 7919 % 41);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        if (i % 5 == 3) {
            loop_timer_stop(clocks.loop, &clocks.t[i]);
        } else {
            want++;
        }
        if (i % 5 == 4) {
            loop_timer_set(clocks.loop, &clocks.t[i], i * 104729 % 31);
        }
    }
    while (clocks.fired < want) {
        ck_assert_uint_lt(clock_ns(), deadline);
        ck_assert_int_eq(loop_step(clocks.loop, true), ERR_OK);
    }
    ck_assert_ptr_null(clocks.t[0].prev);
    loop_free(clocks.loop);
}
END_TEST

static void on_again(struct loop_timer *t)
{
    clocks.fired++;
    loop_timer_set(clocks.loop, t, 0);
}

/* Once a turn, or descriptors would starve. */
START_TEST(test_timer_that_arms_itself)
{
    struct loop_timer t = { .fn = on_again };

    memset(&clocks, 0, sizeof(clocks));
    clocks.loop = loop_new();
    loop_timer_set(clocks.loop, &t, 0);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_int_eq(loop_step(clocks.loop, true), ERR_OK);
        ck_assert_uint_le(clocks.fired, i);
    }
    ck_assert_uint_gt(clocks.fired, 0);
    loop_timer_stop(clocks.loop, &t);
    loop_free(clocks.loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("poller");
    TCase *tc = tcase_create("poller");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_forgotten_is_not_reported);
    tcase_add_loop_test(tc, test_timers_in_order, 0, 2);
    tcase_add_test(tc, test_timer_that_arms_itself);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
