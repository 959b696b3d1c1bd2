/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples as text and as JSON; counts of edges; JSON lines. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/json.h"
#include "core/base/metrics.h"
#include "core/edge/tally.h"
#include "core/server/prom.h"

static struct buf b;

static const char *text(void)
{
    ck_assert_int_eq(buf_add(&b, "", 1), ERR_OK);
    b.len--;
    return (const char *)b.p;
}

static void begin(void)
{
    buf_init(&b, 4096);
}

static void end(void)
{
    buf_free(&b);
}

static void show(void *arg, const struct metric_view *m)
{
    prom_metric(arg, m);
}

START_TEST(text_form)
{
    static const uint64_t bounds[] = { 250000, 1000000000, UINT64_C(21600000000000) };
    struct prom p = { &b, PROM_TEXT };
    struct prom_labels l = { .n = 0 };
    int h = metric_define_histogram("t_seconds{phase=\"x\"}", "Times.", bounds, 3);

    prom_family(&p, "a_total", "counter", "As.\nMore \\.");
    prom_u64(&p, "a_total", NULL, UINT64_MAX);
    prom_label(&l, "edge", "a\"b\\c\nd");
    prom_label(&l, "none", NULL);
    prom_i64(&p, "a_total", &l, -1);
    prom_ns(&p, "b", NULL, 0);
    prom_ns(&p, "b", NULL, 1500000000);
    prom_ns(&p, "b", NULL, UINT64_MAX);
    metric_observe(h, 250000);
    metric_observe(h, 250001);
    metric_observe(h, UINT64_C(99999000000000));
    metric_each(show, &p);
    metrics_free();
    ck_assert_str_eq(text(), "# HELP a_total As. More /.\n"
                             "# TYPE a_total counter\n"
                             "a_total 18446744073709551615\n"
                             "a_total{edge=\"a\\\"b\\\\c\\nd\",none=\"\"} -1\n"
                             "b 0\n"
                             "b 1.5\n"
                             "b 18446744073.709551615\n"
                             "# HELP postern_t_seconds Times.\n"
                             "# TYPE postern_t_seconds histogram\n"
                             "postern_t_seconds_bucket{phase=\"x\",le=\"0.00025\"} 1\n"
                             "postern_t_seconds_bucket{phase=\"x\",le=\"1\"} 2\n"
                             "postern_t_seconds_bucket{phase=\"x\",le=\"21600\"} 2\n"
                             "postern_t_seconds_bucket{phase=\"x\",le=\"+Inf\"} 3\n"
                             "postern_t_seconds_sum{phase=\"x\"} 99999.000500001\n"
                             "postern_t_seconds_count{phase=\"x\"} 3\n");
}
END_TEST

START_TEST(json_form)
{
    struct prom p = { &b, PROM_JSON };
    struct prom_labels l = { .n = 0 };

    prom_family(&p, "a_total", "counter", "As.");
    prom_label(&l, "edge", "a");
    prom_u64(&p, "a_total", &l, 7);
    ck_assert_str_eq(text(),
                     "{\"family\":\"a_total\",\"type\":\"counter\",\"help\":\"As.\"}\n"
                     "{\"name\":\"a_total\",\"labels\":\"edge=\\\"a\\\"\",\"value\":\"7\"}\n");
}
END_TEST

/* Nothing is ever cut in the middle. */
START_TEST(bounded)
{
    struct prom p = { &b, PROM_TEXT };
    struct prom_labels l = { .n = 0 };
    char value[PROM_LABELS_MAX * 2];
    size_t n;

    memset(value, '"', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    prom_label(&l, "edge", value);
    ck_assert_uint_lt(l.n, sizeof(l.text));
    ck_assert_str_eq(l.text + l.n - 3, "\\\"\"");
    prom_label(&l, "more", "x");
    ck_assert_uint_lt(l.n, sizeof(l.text));
    b.limit = 20;
    prom_u64(&p, "name", NULL, 1);
    n = b.len;
    prom_u64(&p, "name", &l, 1);
    ck_assert_uint_eq(b.len, n);
    ck_assert_str_eq(text(), "name 1\n");
}
END_TEST

START_TEST(json_lines)
{
    struct json j;

    json_begin(&j, &b);
    ck_assert_int_eq(json_end(&j), ERR_OK);
    json_begin(&j, &b);
    json_str(&j, "plain", "a b");
    json_str(&j, "none", NULL);
    json_strn(&j, "esc", "\"\\\n\x1b\x7f\0x", 7);
    json_str(&j, "utf8", "\xc3\xa9\xf0\x9f\x98\x80");
    json_str(&j, "bad", "\xff\xc3(\xed\xa0\x80\xc0\xaf\xc2\x9b\xf4\x90\x80\x80\xe2\x82");
    json_u64(&j, "n", UINT64_MAX);
    json_bool(&j, "yes", true);
    json_array(&j, "list");
    json_item(&j, "a");
    json_item(&j, "b,");
    json_array_end(&j);
    json_array(&j, "empty");
    json_array_end(&j);
    ck_assert_int_eq(json_end(&j), ERR_OK);
    ck_assert_str_eq(text(),
                     "{}\n{\"plain\":\"a b\",\"esc\":\"\\\"\\\\\\u000a\\u001b\\u007f\\u0000x\","
                     "\"utf8\":\"\xc3\xa9\xf0\x9f\x98\x80\",\"bad\":\"\\ufffd\\ufffd(\\ufffd\\ufffd"
                     "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"
                     "\",\"n\":18446744073709551615,\"yes\":true,\"list\":[\"a\",\"b,\"],"
                     "\"empty\":[]}\n");
}
END_TEST

/* An object that does not fit leaves no trace. */
START_TEST(json_whole)
{
    struct json j;

    b.limit = 32;
    json_begin(&j, &b);
    json_str(&j, "a", "b");
    ck_assert_int_eq(json_end(&j), ERR_OK);
    json_begin(&j, &b);
    json_str(&j, "a", "much too long for what is left");
    json_u64(&j, "n", 1);
    ck_assert_int_eq(json_end(&j), ERR_LIMIT);
    ck_assert_str_eq(text(), "{\"a\":\"b\"}\n");
}
END_TEST

#define ROUNDS 20000

static struct tally *tally;

static void *work(void *arg)
{
    unsigned worker = *(const unsigned *)arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        tally_begin(tally, worker);
        tally_end(tally, worker, i % 2 == 0, i % 2 == 0 ? PST_END_CLIENT_FIN : PST_END_DENIED, 3,
                  5);
    }
    return NULL;
}

START_TEST(tallies)
{
    pthread_t threads[2];
    unsigned numbers[2] = { 0, 2 };
    struct tally_sum n;

    tally = tally_new(3);
    ck_assert_ptr_nonnull(tally);
    tally_read(tally, &n);
    ck_assert_uint_eq(n.begun, 0);
    tally_end(tally, 1, true, PST_END_IDLE, 1, 1); /* never begun, because memory ran out */
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    for (int i = 0; i < 100; i++) {
        tally_read(tally, &n); /* while they write */
        ck_assert_uint_ge(n.begun, n.ended_all);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    tally_begin(tally, 1);
    tally_begin(tally, 1);
    tally_end(tally, 1, false, 9999, 0, 0);
    ck_assert_ptr_eq(tally_get(tally), tally);
    tally_put(tally);
    tally_read(tally, &n);
    ck_assert_uint_eq(n.begun, 2 * ROUNDS + 2);
    ck_assert_uint_eq(n.ended_all, 2 * ROUNDS + 1);
    ck_assert_uint_eq(n.ended[1][PST_END_CLIENT_FIN], ROUNDS);
    ck_assert_uint_eq(n.ended[0][PST_END_DENIED], ROUNDS);
    ck_assert_uint_eq(n.ended[0][0], 1);
    ck_assert_uint_eq(n.bytes_in, 2 * ROUNDS * 3);
    ck_assert_uint_eq(n.bytes_out, 2 * ROUNDS * 5);
    tally_put(tally);
    tally_put(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prom");
    TCase *tc = tcase_create("prom");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, text_form);
    tcase_add_test(tc, json_form);
    tcase_add_test(tc, bounded);
    tcase_add_test(tc, json_lines);
    tcase_add_test(tc, json_whole);
    tcase_add_test(tc, tallies);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
