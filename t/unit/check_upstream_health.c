/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which targets are used when some fail. */
#include <check.h>

#include "core/base/err.h"
#include "t/unit/upstream_rig.h"

START_TEST(failures_take_out_and_time_brings_back)
{
    add(1);
    add(1);
    start(CONF_ROUND_ROBIN);
    take_out(0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(visit(&client, true), 1);
    }
    now += FAIL_TIMEOUT - 1;
    ck_assert_int_eq(visit(&client, true), 1);
    now += 1;
    ck_assert_int_ne(visit(&client, true), visit(&client, true));
    /* The success has cleared it: it takes three failures again. */
    for (int i = 0; i < 4; i++) {
        visit(&client, false);
    }
    ck_assert_int_ne(visit(&client, true), visit(&client, true));
}
END_TEST

START_TEST(one_failure_after_the_time_out_is_enough)
{
    add(1);
    add(1);
    start(CONF_ROUND_ROBIN);
    take_out(0);
    now += FAIL_TIMEOUT;
    attempt(0, false);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(visit(&client, true), 1);
    }
    now += FAIL_TIMEOUT;
    ck_assert_int_ne(visit(&client, true), visit(&client, true));
}
END_TEST

START_TEST(only_one_connection_probes)
{
    struct upstream_walk probe = { 0 };
    int t;

    add(1);
    add(1);
    start(CONF_ROUND_ROBIN);
    take_out(0);
    now += FAIL_TIMEOUT;
    while ((t = step(&probe, &client)) != 0) {
        ck_assert_int_eq(t, 1);
        upstream_end(up, &probe);
        probe = (struct upstream_walk){ 0 };
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(visit(&client, true), 1);
    }
    if (_i == 0) {
        upstream_result(up, &probe, true, now);
    }
    /* Without a result the next connection probes. */
    upstream_end(up, &probe);
    ck_assert_int_ne(visit(&client, true), visit(&client, true));
}
END_TEST

START_TEST(old_failures_are_forgotten)
{
    add(1);
    add(1);
    start(CONF_ROUND_ROBIN);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(visit(&client, false), i % 2);
        now += FAIL_TIMEOUT / 2;
    }
}
END_TEST

START_TEST(max_fails_zero_never_takes_out)
{
    add(1);
    add(1);
    conf.max_fails = 0;
    start(CONF_ROUND_ROBIN);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(visit(&client, false), i % 2);
    }
}
END_TEST

START_TEST(backups_only_when_needed)
{
    add(1);
    add(1);
    add(1)->backup = true;
    start(CONF_ROUND_ROBIN);
    take_out(0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(visit(&client, true), 1);
    }
    take_out(1);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(visit(&client, true), 2);
    }
    now += FAIL_TIMEOUT;
    ck_assert_int_ne(visit(&client, true), 2);
}
END_TEST

START_TEST(when_all_are_out_they_are_tried)
{
    struct upstream_walk w = { 0 };

    add(1);
    add(1)->backup = true;
    start(CONF_ROUND_ROBIN);
    take_out(0);
    take_out(1);
    ck_assert_int_eq(step(&w, &client), 0);
    ck_assert_int_eq(step(&w, &client), 1);
    ck_assert_int_eq(step(&w, &client), ERR_NOT_FOUND);
    upstream_end(up, &w);
    /* A last resort that works brings it back at once. */
    ck_assert_int_eq(visit(&client, true), 0);
    take_out(1);
    ck_assert_int_eq(visit(&client, true), 0);
}
END_TEST

START_TEST(reload_keeps_health_and_counts)
{
    struct upstream_walk w = { 0 };
    struct upstream *old;

    add(1);
    add(1);
    start(CONF_LEAST_CONN);
    take_out(0);
    ck_assert_int_eq(step(&w, &client), 1);
    old = up;
    add(1);
    start(CONF_LEAST_CONN);
    upstream_adopt(up, old);
    /* 0 is out and 1 is in use, as before; the new one is idle. */
    ck_assert_int_eq(visit(&client, true), 2);
    ck_assert_int_eq(visit(&client, true), 2);
    /* A connection of the old generation ends there and counts here. */
    upstream_end(old, &w);
    upstream_free(old);
    ck_assert_int_ne(visit(&client, true), visit(&client, true));
    now += FAIL_TIMEOUT;
    take_out(1);
    take_out(2);
    ck_assert_int_eq(visit(&client, true), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("upstream_health");
    TCase *tc = tcase_create("upstream_health");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, upstream_rig_setup, upstream_rig_teardown);
    tcase_add_test(tc, failures_take_out_and_time_brings_back);
    tcase_add_test(tc, one_failure_after_the_time_out_is_enough);
    tcase_add_loop_test(tc, only_one_connection_probes, 0, 2);
    tcase_add_test(tc, old_failures_are_forgotten);
    tcase_add_test(tc, max_fails_zero_never_takes_out);
    tcase_add_test(tc, backups_only_when_needed);
    tcase_add_test(tc, when_all_are_out_they_are_tried);
    tcase_add_test(tc, reload_keeps_health_and_counts);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
