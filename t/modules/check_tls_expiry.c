/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gauges of when certificates end: names, several instances, reloads, and the bound. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tls-common/tls_expiry.h"

#define METRICS 100

/* A host that has nothing but gauges. */
static struct {
    char name[192];
    int64_t sum;
} metrics[METRICS];
static int32_t n_metrics;

static int32_t define(const char *module, const char *name, const char *help, uint32_t type)
{
    ck_assert_str_eq(module, "tls");
    ck_assert_str_ne(help, "");
    ck_assert_uint_eq(type, PST_METRIC_GAUGE);
    ck_assert_int_lt(n_metrics, METRICS);
    snprintf(metrics[n_metrics].name, sizeof(metrics[0].name), "%s", name);
    return n_metrics++;
}

static void add(int32_t id, int64_t n)
{
    ck_assert_int_lt(id, n_metrics);
    ck_assert_int_ge(id, 0);
    metrics[id].sum += n;
}

static const struct pst_host host = { .metric_define = define, .metric_add = add };

/* The value of a name's gauge; -1: there is none. */
static int64_t value(const char *name)
{
    char whole[192];

    snprintf(whole, sizeof(whole),
             "certificate_not_after_seconds{module=\"m\",name=\"%s\",key=\"RSA2048\"}", name);
    for (int32_t i = 0; i < n_metrics; i++) {
        if (strcmp(metrics[i].name, whole) == 0) {
            return metrics[i].sum;
        }
    }
    return -1;
}

static int64_t first(void)
{
    for (int32_t i = 0; i < n_metrics; i++) {
        if (strcmp(metrics[i].name, "certificate_first_not_after_seconds{module=\"m\"}") == 0) {
            return metrics[i].sum;
        }
    }
    return -1;
}

/* A certificate as far as it matters: an address, then this DNS name. */
static void put(struct tls_expiry *e, const char *name, uint64_t not_after)
{
    uint8_t sans[256] = { 0x87, 4, 192, 0, 2, 1, 0x82, (uint8_t)strlen(name) };
    const struct tls_x509 x = {
        .sans = { sans, 8 + strlen(name) }, .not_after = not_after, .key = TLS_KEY_RSA, .bits = 2048
    };

    memcpy(sans + 8, name, strlen(name));
    ck_assert_int_eq(tls_expiry_add(e, &x), PST_OK);
}

static void setup(void)
{
    n_metrics = 0;
    memset(metrics, 0, sizeof(metrics));
    tls_expiry_setup(&host, "m");
}

START_TEST(nothing_is_shown_of_nothing)
{
    struct tls_expiry e = { 0 };

    tls_expiry_show(&e);
    ck_assert_int_eq(n_metrics, 0);
    tls_expiry_hide(&e);
    tls_expiry_free(&e);
    ck_assert_int_eq(n_metrics, 0);
}
END_TEST

START_TEST(a_reload_shows_the_new_one)
{
    struct tls_expiry old = { 0 }, new = { 0 }, other = { 0 };

    put(&old, "a.test", 1000);
    put(&old, "b.test", 3000);
    put(&other, "*.c.test", 2000);
    ck_assert_int_eq(n_metrics, 0);
    tls_expiry_show(&old);
    tls_expiry_show(&other);
    ck_assert_int_eq(value("a.test"), 1000);
    ck_assert_int_eq(value("b.test"), 3000);
    ck_assert_int_eq(value("*.c.test"), 2000);
    ck_assert_int_eq(first(), 1000);

    put(&new, "a.test", 9000);
    tls_expiry_show(&new);
    ck_assert_int_eq(value("a.test"), 1000);
    tls_expiry_hide(&old);
    ck_assert_int_eq(value("a.test"), 9000);
    ck_assert_int_eq(value("b.test"), 0);
    ck_assert_int_eq(first(), 2000);

    tls_expiry_free(&old);
    tls_expiry_free(&other);
    tls_expiry_free(&new);
    ck_assert_int_eq(value("a.test"), 0);
    ck_assert_int_eq(first(), 0);
    ck_assert_int_eq(n_metrics, 4);
}
END_TEST

/* A generation that was refused after all. */
START_TEST(one_that_never_served_leaves_no_trace)
{
    struct tls_expiry serving = { 0 }, refused = { 0 };

    put(&serving, "a.test", 5000);
    put(&refused, "a.test", 4000);
    tls_expiry_show(&serving);
    tls_expiry_show(&refused);
    ck_assert_int_eq(value("a.test"), 4000);
    tls_expiry_free(&refused);
    ck_assert_int_eq(value("a.test"), 5000);
    ck_assert_int_eq(first(), 5000);
    tls_expiry_free(&serving);
}
END_TEST

START_TEST(the_same_name_twice_shows_what_ends_first)
{
    struct tls_expiry e = { 0 };

    put(&e, "a.test", 5000);
    put(&e, "a.test", 4000);
    tls_expiry_show(&e);
    ck_assert_int_eq(value("a.test"), 4000);
    ck_assert_int_eq(n_metrics, 2);
    tls_expiry_free(&e);
}
END_TEST

START_TEST(names_beyond_the_bound_count_for_the_first)
{
    struct tls_expiry e = { 0 }, more = { 0 };
    char name[32];

    for (int i = 0; i < TLS_EXPIRY_NAMES + 20; i++) {
        snprintf(name, sizeof(name), "n%d.test", i);
        put(&e, name, 1000 - (uint64_t)i);
    }
    tls_expiry_show(&e);
    ck_assert_int_eq(n_metrics, 1 + TLS_EXPIRY_NAMES);
    ck_assert_int_eq(value("n0.test"), 1000);
    ck_assert_int_eq(value("n64.test"), -1);
    ck_assert_int_eq(first(), 1000 - TLS_EXPIRY_NAMES - 19);
    put(&more, "more.test", 7);
    tls_expiry_show(&more);
    ck_assert_int_eq(n_metrics, 1 + TLS_EXPIRY_NAMES);
    ck_assert_int_eq(first(), 7);
    tls_expiry_free(&more);
    tls_expiry_free(&e);
}
END_TEST

START_TEST(a_name_cannot_break_out_of_its_label)
{
    struct tls_expiry e = { 0 };
    char longest[100];

    put(&e, "a\"b\\c\n}{.test", 10);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    put(&e, longest, 20);
    tls_expiry_show(&e);
    ck_assert_int_eq(value("a_b_c___.test"), 10);
    longest[71] = '\0';
    ck_assert_int_eq(value(longest), 20);
    tls_expiry_free(&e);
}
END_TEST

/* Without DNS names it is the common name: CN=client 1. */
START_TEST(the_common_name_serves_where_there_is_no_other)
{
    static const uint8_t subject[] = { 0x30, 0x13, 0x31, 0x11, 0x30, 0x0f, 0x06,
                                       0x03, 0x55, 0x04, 0x03, 0x0c, 8,    'c',
                                       'l',  'i',  'e',  'n',  't',  ' ',  '1' };
    const struct tls_x509 x = {
        .subject = { subject, sizeof(subject) }, .not_after = 30, .key = TLS_KEY_RSA, .bits = 2048
    };
    const struct tls_x509 nameless = { .not_after = 40, .key = TLS_KEY_RSA, .bits = 2048 };
    struct tls_expiry e = { 0 };

    ck_assert_int_eq(tls_expiry_add(&e, &x), PST_OK);
    ck_assert_int_eq(tls_expiry_add(&e, &nameless), PST_OK);
    tls_expiry_show(&e);
    ck_assert_int_eq(value("client 1"), 30);
    ck_assert_int_eq(value(""), 40);
    tls_expiry_free(&e);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_expiry");
    TCase *t = tcase_create("gauges");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, nothing_is_shown_of_nothing);
    tcase_add_test(t, a_reload_shows_the_new_one);
    tcase_add_test(t, one_that_never_served_leaves_no_trace);
    tcase_add_test(t, the_same_name_twice_shows_what_ends_first);
    tcase_add_test(t, names_beyond_the_bound_count_for_the_first);
    tcase_add_test(t, a_name_cannot_break_out_of_its_label);
    tcase_add_test(t, the_common_name_serves_where_there_is_no_other);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
