/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Timers and fd watches of a scope, freed in every place where a module might do it. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/loop.h"
#include "core/module/watch.h"

static struct loop *loop;
static struct watch_scope *scope;
static pst_timer *timer, *other_timer;
static pst_watch *watch;
static int fired, other_fired, ready;
static uint32_t seen;
static int fds[2];

static void setup(void)
{
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    scope = watch_scope_new(loop);
    ck_assert_ptr_nonnull(scope);
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    fired = other_fired = ready = 0;
    seen = 0;
}

static void teardown(void)
{
    watch_scope_free(scope);
    loop_free(loop);
    close(fds[0]);
    close(fds[1]);
}

static void run(void)
{
    ck_assert_int_ge(loop_run(loop), 0);
}

static void stop_later(struct task *t)
{
    (void)t;
    loop_stop(loop);
}

/* Let the loop look at its events once or twice and come back. */
static void run_briefly(void)
{
    struct task t = { .fn = stop_later };

    loop_defer(loop, &t);
    run();
}

static void fire(void *arg)
{
    (void)arg;
    fired++;
    loop_stop(loop);
}

static void fire_other(void *arg)
{
    (void)arg;
    other_fired++;
    loop_stop(loop);
}

START_TEST(timer_fires_once_and_can_be_started_again)
{
    int arg = 0;

    timer = watch_timer_new(scope, fire, &arg);
    ck_assert_ptr_nonnull(timer);
    ck_assert_int_eq(watch_timer_start(timer, 1), PST_OK);
    run();
    ck_assert_int_eq(fired, 1);
    /* A later one of another timer shows that this one does not fire by itself. */
    other_timer = watch_timer_new(scope, fire_other, NULL);
    ck_assert_int_eq(watch_timer_start(other_timer, 10), PST_OK);
    run();
    ck_assert_int_eq(fired, 1);
    ck_assert_int_eq(watch_timer_start(timer, 0), PST_OK);
    run();
    ck_assert_int_eq(fired, 2);
    watch_timer_free(timer);
    watch_timer_free(NULL);
}
END_TEST

START_TEST(stopped_and_endless_timers_do_not_fire)
{
    timer = watch_timer_new(scope, fire, NULL);
    pst_timer *endless = watch_timer_new(scope, fire, NULL);
    other_timer = watch_timer_new(scope, fire_other, NULL);
    ck_assert_int_eq(watch_timer_start(timer, 1), PST_OK);
    ck_assert_int_eq(watch_timer_start(endless, UINT64_MAX), PST_OK);
    ck_assert_int_eq(watch_timer_start(other_timer, 5), PST_OK);
    watch_timer_stop(timer);
    watch_timer_stop(timer);
    run();
    ck_assert_int_eq(fired, 0);
    ck_assert_int_eq(other_fired, 1);
}
END_TEST

START_TEST(start_again_moves_the_time)
{
    timer = watch_timer_new(scope, fire, NULL);
    other_timer = watch_timer_new(scope, fire_other, NULL);
    ck_assert_int_eq(watch_timer_start(timer, 1), PST_OK);
    ck_assert_int_eq(watch_timer_start(other_timer, 5), PST_OK);
    ck_assert_int_eq(watch_timer_start(timer, 60000), PST_OK);
    run();
    ck_assert_int_eq(fired, 0);
    ck_assert_int_eq(other_fired, 1);
}
END_TEST

static void free_own_timer(void *arg)
{
    watch_timer_free(timer);
    fire(arg);
}

static void free_both(void *arg)
{
    watch_timer_free(timer);
    watch_timer_free(other_timer);
    fire(arg);
}

static void free_scope(void *arg)
{
    watch_scope_free(scope);
    scope = NULL;
    fire(arg);
}

START_TEST(callback_frees_its_timer)
{
    timer = watch_timer_new(scope, free_own_timer, NULL);
    ck_assert_int_eq(watch_timer_start(timer, 0), PST_OK);
    run();
    ck_assert_int_eq(fired, 1);
}
END_TEST

START_TEST(callback_frees_one_that_is_due_too)
{
    timer = watch_timer_new(scope, free_both, NULL);
    other_timer = watch_timer_new(scope, free_both, NULL);
    ck_assert_int_eq(watch_timer_start(timer, 0), PST_OK);
    ck_assert_int_eq(watch_timer_start(other_timer, 0), PST_OK);
    run();
    run_briefly();
    ck_assert_int_eq(fired, 1);
}
END_TEST

START_TEST(callback_frees_the_scope)
{
    timer = watch_timer_new(scope, free_scope, NULL);
    other_timer = watch_timer_new(scope, free_scope, NULL);
    ck_assert_int_eq(watch_timer_start(timer, 0), PST_OK);
    ck_assert_int_eq(watch_timer_start(other_timer, 0), PST_OK);
    run();
    run_briefly();
    ck_assert_int_eq(fired, 1);
}
END_TEST

START_TEST(scope_ends_what_was_forgotten)
{
    timer = watch_timer_new(scope, fire, NULL);
    ck_assert_int_eq(watch_timer_start(timer, 0), PST_OK);
    ck_assert_ptr_nonnull(watch_fd_new(scope, fds[1], PST_STREAM_WRITE, NULL, NULL));
    watch_scope_free(scope);
    scope = NULL;
    run_briefly();
    ck_assert_int_eq(fired, 0);
    watch_scope_free(NULL);
}
END_TEST

/* --- descriptors ------------------------------------------------------------------------------ */

static void on_ready(void *arg, uint32_t events)
{
    (void)arg;
    ready++;
    seen |= events;
    loop_stop(loop);
}

START_TEST(watch_is_level_triggered)
{
    char byte = 'x';

    watch = watch_fd_new(scope, fds[0], PST_STREAM_READ, on_ready, NULL);
    ck_assert_ptr_nonnull(watch);
    run_briefly();
    ck_assert_int_eq(ready, 0);
    ck_assert_int_eq(write(fds[1], &byte, 1), 1);
    run();
    run();
    ck_assert_int_eq(ready, 2);
    ck_assert_uint_eq(seen, PST_STREAM_READ);
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    run_briefly();
    ck_assert_int_eq(ready, 2);
    watch_fd_free(watch);
    watch_fd_free(NULL);
}
END_TEST

START_TEST(watch_changes)
{
    watch = watch_fd_new(scope, fds[1], 0, on_ready, NULL);
    ck_assert_ptr_nonnull(watch);
    run_briefly();
    ck_assert_int_eq(ready, 0);
    ck_assert_int_eq(watch_fd_change(watch, PST_STREAM_WRITE), PST_OK);
    run();
    ck_assert_int_eq(ready, 1);
    ck_assert_uint_eq(seen, PST_STREAM_WRITE);
    ck_assert_int_eq(watch_fd_change(watch, 0x40), PST_ERR_INVALID);
    ck_assert_int_eq(watch_fd_change(watch, 0), PST_OK);
    run_briefly();
    ck_assert_int_eq(ready, 1);
}
END_TEST

START_TEST(watch_of_nothing)
{
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(file, 0);
    ck_assert_ptr_null(watch_fd_new(scope, -1, PST_STREAM_READ, on_ready, NULL));
    ck_assert_ptr_null(watch_fd_new(scope, fds[0], 0x40, on_ready, NULL));
    close(file);
}
END_TEST

static void free_in_ready(void *arg, uint32_t events)
{
    watch_fd_free(watch);
    on_ready(arg, events);
}

static void free_scope_in_ready(void *arg, uint32_t events)
{
    watch_scope_free(scope);
    scope = NULL;
    on_ready(arg, events);
}

static void change_in_ready(void *arg, uint32_t events)
{
    ck_assert_int_eq(watch_fd_change(watch, 0), PST_OK);
    on_ready(arg, events);
}

START_TEST(callback_ends_its_watch)
{
    watch = watch_fd_new(scope, fds[1], PST_STREAM_WRITE, change_in_ready, NULL);
    ck_assert_ptr_nonnull(watch);
    run();
    run_briefly();
    ck_assert_int_eq(ready, 1);
    watch_fd_free(watch);

    watch = watch_fd_new(scope, fds[1], PST_STREAM_WRITE, free_in_ready, NULL);
    ck_assert_ptr_nonnull(watch);
    run();
    run_briefly();
    ck_assert_int_eq(ready, 2);

    watch = watch_fd_new(scope, fds[1], PST_STREAM_WRITE, free_scope_in_ready, NULL);
    ck_assert_ptr_nonnull(watch);
    run();
    run_briefly();
    ck_assert_int_eq(ready, 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("watch");
    TCase *t = tcase_create("watch");

    tcase_set_timeout(t, 20);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, timer_fires_once_and_can_be_started_again);
    tcase_add_test(t, stopped_and_endless_timers_do_not_fire);
    tcase_add_test(t, start_again_moves_the_time);
    tcase_add_test(t, callback_frees_its_timer);
    tcase_add_test(t, callback_frees_one_that_is_due_too);
    tcase_add_test(t, callback_frees_the_scope);
    tcase_add_test(t, scope_ends_what_was_forgotten);
    tcase_add_test(t, watch_is_level_triggered);
    tcase_add_test(t, watch_changes);
    tcase_add_test(t, watch_of_nothing);
    tcase_add_test(t, callback_ends_its_watch);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
