/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/metrics.h"

#define THREADS 4
#define ROUNDS  10000

START_TEST(test_define)
{
    char name[32] = "a_total";
    int a = metric_define(name, "Help.", METRIC_COUNTER);

    name[0] = 'x'; /* the name was copied */
    ck_assert_int_ge(a, 0);
    ck_assert_int_eq(metric_define("a_total", "Other.", METRIC_COUNTER), a);
    ck_assert_int_ne(metric_define("b", "Help.", METRIC_GAUGE), a);
    ck_assert_int_eq(metric_define("", "Help.", METRIC_GAUGE), ERR_INVALID);
    ck_assert_int_eq(metric_define("A", "Help.", METRIC_GAUGE), ERR_INVALID);
    ck_assert_int_eq(metric_define("a-b", "Help.", METRIC_GAUGE), ERR_INVALID);
    ck_assert_int_eq(metric_define("a b", "Help.", METRIC_GAUGE), ERR_INVALID);
    ck_assert_int_eq(metric_define("c", "Help.", METRIC_HISTOGRAM), ERR_INVALID);
    metrics_free();
}
END_TEST

START_TEST(test_limit)
{
    char name[32];

    for (int i = 0; i < METRICS_MAX; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        ck_assert_int_ge(metric_define(name, "Help.", METRIC_COUNTER), 0);
    }
    ck_assert_int_eq(metric_define("one_more", "Help.", METRIC_COUNTER), ERR_LIMIT);
    metrics_free();
}
END_TEST

START_TEST(test_unknown_ids)
{
    int a = metric_define("a", "Help.", METRIC_COUNTER);

    metric_add(-1, 5);
    metric_add(a + 1, 5);
    metric_add(METRICS_MAX, 5);
    metric_add(1 << 30, 5);
    ck_assert_int_eq(metric_sum(-1), 0);
    ck_assert_int_eq(metric_sum(a + 1), 0);
    ck_assert_int_eq(metric_sum(a), 0);
    metrics_free();
}
END_TEST

static int counter, gauge;
static pthread_barrier_t all_counted, all_read;

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(counter, 2);
        metric_add(gauge, i % 2 == 0 ? 1 : -1);
    }
    metric_add(gauge, -3);
    pthread_barrier_wait(&all_counted);
    pthread_barrier_wait(&all_read);
    return NULL;
}

/* While the threads live, and after they have ended. */
START_TEST(test_threads)
{
    pthread_t threads[THREADS];

    counter = metric_define("c", "Help.", METRIC_COUNTER);
    gauge = metric_define("g", "Help.", METRIC_GAUGE);
    pthread_barrier_init(&all_counted, NULL, THREADS + 1);
    pthread_barrier_init(&all_read, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    }
    metric_add(counter, 1);
    ck_assert_int_ge(metric_sum(counter), 1); /* while they write */
    pthread_barrier_wait(&all_counted);
    ck_assert_int_eq(metric_sum(counter), THREADS * ROUNDS * 2 + 1);
    ck_assert_int_eq(metric_sum(gauge), THREADS * -3);
    pthread_barrier_wait(&all_read);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(metric_sum(counter), THREADS * ROUNDS * 2 + 1);
    ck_assert_int_eq(metric_sum(gauge), THREADS * -3);
    pthread_barrier_destroy(&all_counted);
    pthread_barrier_destroy(&all_read);
    metrics_free();
}
END_TEST

static void collect(void *arg, const struct metric_view *m)
{
    char *out = arg;
    size_t n = strlen(out);

    n += (size_t)snprintf(out + n, 512 - n, "%s|%s|%s|%d%s|%lld", m->name, m->labels, m->help,
                          (int)m->type, m->first ? "" : "+", (long long)m->value);
    for (size_t i = 0; m->type == METRIC_HISTOGRAM && i <= m->n_bounds; i++) {
        n += (size_t)snprintf(out + n, 512 - n, " %lld", (long long)m->counts[i]);
    }
    snprintf(out + n, 512 - n, ";");
}

START_TEST(test_each)
{
    char out[512] = "";

    metric_add(metric_define("b_total", "Bees.", METRIC_COUNTER), 3);
    metric_add(metric_define("a", "As.", METRIC_GAUGE), -1);
    metric_each(collect, out);
    ck_assert_str_eq(out, "postern_b_total||Bees.|1|3;postern_a||As.|2|-1;");

    /* Everything is new after metrics_free(). */
    metrics_free();
    out[0] = '\0';
    metric_each(collect, out);
    ck_assert_str_eq(out, "");
    int a = metric_define("a", "As.", METRIC_GAUGE);
    ck_assert_int_eq(metric_sum(a), 0);
    metric_add(a, 7);
    ck_assert_int_eq(metric_sum(a), 7);
    metrics_free();
}
END_TEST

START_TEST(test_labels)
{
    static const char *const bad[] = { "a{",         "a{}",         "a{b}",        "a{b=c}",
                                       "a{b=\"c}",   "a{b=\"c\"",   "a{b=\"c\"}x", "a{b=\"c\",}",
                                       "a{1=\"c\"}", "a{b=\"\\\"}", "a{b=\"\n\"}", "{b=\"c\"}" };
    char out[512] = "";
    int a = metric_define("a{x=\"1\"}", "As.", METRIC_COUNTER);
    int b = metric_define("b", "Bees.", METRIC_GAUGE);
    int a2 = metric_define("a_total{x=\"2\",y=\"é\"}", "As.", METRIC_COUNTER);

    ck_assert_int_eq(a2, ERR_INVALID);
    a2 = metric_define("a_total{x=\"2\",y=\"-\"}", "Others.", METRIC_COUNTER);
    ck_assert_int_ge(a2, 0);
    ck_assert_int_ne(a, a2);
    ck_assert_int_eq(metric_define("a{x=\"1\"}", "As.", METRIC_COUNTER), a);
    ck_assert_int_eq(metric_define("b{x=\"1\"}", "Bees.", METRIC_COUNTER) >= 0, 1);
    ck_assert_int_eq(metric_define("a_total{x=\"3\"}", "As.", METRIC_GAUGE), ERR_INVALID);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(metric_define(bad[i], "Help.", METRIC_GAUGE) == ERR_INVALID, "%s", bad[i]);
    }
    metric_add(a, 1);
    metric_add(a2, 2);
    metric_add(b, 3);
    metric_each(collect, out);
    ck_assert_str_eq(out, "postern_a_total|x=\"1\"|As.|1|1;"
                          "postern_a_total|x=\"2\",y=\"-\"|Others.|1+|2;"
                          "postern_b||Bees.|2|3;postern_b_total|x=\"1\"|Bees.|1|0;");
    metrics_free();
}
END_TEST

START_TEST(test_histogram)
{
    static const uint64_t bounds[] = { 10, 20 };
    static const uint64_t many[METRIC_BOUNDS_MAX + 1] = { 0 };
    char out[512] = "";
    int h = metric_define_histogram("h_seconds", "Times.", bounds, 2);
    int after = metric_define("after", "Later.", METRIC_GAUGE);

    ck_assert_int_ge(h, 0);
    ck_assert_int_eq(metric_define_histogram("x", "Times.", bounds, 0), ERR_INVALID);
    ck_assert_int_eq(metric_define_histogram("x", "Times.", many, METRIC_BOUNDS_MAX + 1),
                     ERR_INVALID);
    metric_observe(h, 0);
    metric_observe(h, 10); /* a bound is in its own bucket */
    metric_observe(h, 11);
    metric_observe(h, 21);
    metric_observe(h, 1000);
    metric_observe(after, 5); /* not a histogram */
    metric_observe(-1, 5);
    metric_observe(METRICS_MAX, 5);
    metric_add(after, 1);
    metric_each(collect, out);
    ck_assert_str_eq(out, "postern_h_seconds||Times.|3|1042 2 1 2;postern_after||Later.|2|1;");
    metrics_free();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *tc = tcase_create("metrics");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_define);
    tcase_add_test(tc, test_limit);
    tcase_add_test(tc, test_unknown_ids);
    tcase_add_test(tc, test_threads);
    tcase_add_test(tc, test_each);
    tcase_add_test(tc, test_labels);
    tcase_add_test(tc, test_histogram);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
