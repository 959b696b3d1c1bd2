/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/edge/edge_match.h"

static char edges[16];

static void add(struct edge_match *m, const char *domain, const char *const *alpn, size_t n_alpn,
                void *edge)
{
    ck_assert_int_eq(edge_match_add(m, domain, alpn, n_alpn, edge, NULL), ERR_OK);
}

static void *find(const struct edge_match *m, const char *name)
{
    return edge_match_find(m, name, strlen(name), NULL, 0);
}

/* With an offer of up to two protocols. */
static void *find_alpn(const struct edge_match *m, const char *name, const char *a, const char *b)
{
    struct pst_str offer[2] = { { a, strlen(a) }, { b, b ? strlen(b) : 0 } };

    return edge_match_find(m, name, strlen(name), offer, b ? 2 : 1);
}

START_TEST(specific_beats_general)
{
    struct edge_match *m = edge_match_new(4);

    ck_assert_ptr_nonnull(m);
    ck_assert_ptr_null(find(m, "a.test"));
    add(m, "a.test", NULL, 0, &edges[0]);
    add(m, "*.a.test", NULL, 0, &edges[1]);
    add(m, "*.test", NULL, 0, &edges[2]);
    add(m, "*.b.a.test", NULL, 0, &edges[3]);
    ck_assert_ptr_eq(find(m, "a.test"), &edges[0]);
    ck_assert_ptr_eq(find(m, "x.a.test"), &edges[1]);
    ck_assert_ptr_eq(find(m, "y.x.a.test"), &edges[1]);
    ck_assert_ptr_eq(find(m, "b.a.test"), &edges[1]);
    ck_assert_ptr_eq(find(m, "x.b.a.test"), &edges[3]);
    ck_assert_ptr_eq(find(m, "xa.test"), &edges[2]);
    ck_assert_ptr_null(find(m, "test"));
    ck_assert_ptr_null(find(m, "a.test.org"));
    ck_assert_ptr_null(find(m, ""));
    add(m, "*", NULL, 0, &edges[4]);
    ck_assert_ptr_eq(find(m, "test"), &edges[4]);
    ck_assert_ptr_eq(find(m, "x.a.test"), &edges[1]);
    ck_assert_ptr_null(find(m, ""));
    edge_match_free(m);
}
END_TEST

START_TEST(wildcard_does_not_match_its_own_suffix)
{
    struct edge_match *m = edge_match_new(1);

    add(m, "*.a.test", NULL, 0, &edges[0]);
    ck_assert_ptr_null(find(m, "a.test"));
    ck_assert_ptr_null(find(m, "ba.test"));
    ck_assert_ptr_eq(find(m, "b.a.test"), &edges[0]);
    edge_match_free(m);
}
END_TEST

START_TEST(alpn_narrows)
{
    static const char *const acme[] = { "acme-tls/1" }, *const web[] = { "h2", "http/1.1" };
    struct edge_match *m = edge_match_new(4);

    add(m, "a.test", NULL, 0, &edges[0]);
    add(m, "a.test", acme, 1, &edges[1]);
    add(m, "b.test", web, 2, &edges[2]);
    add(m, "b.test", acme, 1, &edges[3]);
    add(m, "*.test", NULL, 0, &edges[4]);
    ck_assert_ptr_eq(find(m, "a.test"), &edges[0]);
    ck_assert_ptr_eq(find_alpn(m, "a.test", "h2", NULL), &edges[0]);
    ck_assert_ptr_eq(find_alpn(m, "a.test", "acme-tls/1", NULL), &edges[1]);
    ck_assert_ptr_eq(find_alpn(m, "a.test", "h2", "acme-tls/1"), &edges[1]);
    /* Without a meeting list the search goes on to the wildcard. */
    ck_assert_ptr_eq(find(m, "b.test"), &edges[4]);
    ck_assert_ptr_eq(find_alpn(m, "b.test", "h3", "h"), &edges[4]);
    ck_assert_ptr_eq(find_alpn(m, "b.test", "h3", "http/1.1"), &edges[2]);
    /* Two edges meet the offer: the client's order decides. */
    ck_assert_ptr_eq(find_alpn(m, "b.test", "h2", "acme-tls/1"), &edges[2]);
    ck_assert_ptr_eq(find_alpn(m, "b.test", "acme-tls/1", "h2"), &edges[3]);
    edge_match_free(m);
}
END_TEST

START_TEST(overlaps_are_refused)
{
    static const char *const web[] = { "h2", "http/1.1" }, *const old[] = { "http/1.1" };
    static const char *const domains[] = { "a.test", "*.a.test", "*" };

    for (size_t i = 0; i < 3; i++) {
        struct edge_match *m = edge_match_new(4);
        void *other = NULL;

        add(m, domains[i], NULL, 0, &edges[0]);
        ck_assert_int_eq(edge_match_add(m, domains[i], NULL, 0, &edges[1], &other), ERR_EXISTS);
        ck_assert_ptr_eq(other, &edges[0]);
        add(m, domains[i], web, 2, &edges[2]);
        ck_assert_int_eq(edge_match_add(m, domains[i], old, 1, &edges[3], &other), ERR_EXISTS);
        ck_assert_ptr_eq(other, &edges[2]);
        ck_assert_int_eq(edge_match_add(m, domains[i], old, 1, &edges[3], NULL), ERR_EXISTS);
        edge_match_free(m);
    }
}
END_TEST

START_TEST(impossible_names_are_refused)
{
    struct edge_match *m = edge_match_new(1);
    char domain[400];

    memset(domain, 'a', sizeof(domain));
    domain[sizeof(domain) - 1] = '\0';
    ck_assert_int_eq(edge_match_add(m, domain, NULL, 0, &edges[0], NULL), ERR_INVALID);
    ck_assert_int_eq(edge_match_add(m, "", NULL, 0, &edges[0], NULL), ERR_INVALID);
    ck_assert_ptr_null(find(m, domain));
    edge_match_free(m);
}
END_TEST

START_TEST(longest_names)
{
    struct edge_match *m = edge_match_new(2);
    char name[254];

    /* 127 labels of one byte: 253 bytes. */
    for (size_t i = 0; i < 253; i++) {
        name[i] = i % 2 ? '.' : 'a';
    }
    name[253] = '\0';
    add(m, "*.a", NULL, 0, &edges[0]);
    ck_assert_ptr_eq(find(m, name), &edges[0]);
    add(m, name, NULL, 0, &edges[1]);
    ck_assert_ptr_eq(find(m, name), &edges[1]);
    edge_match_free(m);
}
END_TEST

/* The rule, written down without any cleverness. Index into domains, or -1. */
static int naive_find(char (*domains)[64], size_t n, const char *name)
{
    int best = -1;
    size_t best_len = 0, len = strlen(name);

    for (size_t i = 0; i < n; i++) {
        const char *d = domains[i];
        size_t suffix = strlen(d) - 1;

        if (strcmp(d, name) == 0) {
            return (int)i;
        }
        if (d[0] == '*' && len > suffix && strcmp(name + len - suffix, d + 1) == 0 &&
            (best < 0 || suffix > best_len)) {
            best = (int)i;
            best_len = suffix;
        }
    }
    return best;
}

/* Few letters and few labels, so that names meet often. */
static void random_name(char *out, bool wildcard)
{
    int labels = 1 + rand() % 5;

    out[0] = '\0';
    if (wildcard) {
        strcat(out, rand() % 20 ? "*." : "*");
        if (out[1] == '\0') {
            return;
        }
    }
    for (int i = 0; i < labels; i++) {
        char label[4] = { (char)('a' + rand() % 3), rand() % 2 ? 'a' : '\0' };

        strcat(out, i ? "." : "");
        strcat(out, label);
    }
}

START_TEST(agrees_with_naive_search)
{
    enum { DOMAINS = 60, NAMES = 300, ROUNDS = 40 };

    srand(20261121);
    for (int round = 0; round < ROUNDS; round++) {
        static char domains[DOMAINS][64];
        struct edge_match *m = edge_match_new(0);
        size_t n = 0, hits = 0;

        while (n < DOMAINS) {
            random_name(domains[n], rand() % 2);
            if (edge_match_add(m, domains[n], NULL, 0, domains[n], NULL) == ERR_OK) {
                n++;
            }
        }
        for (int i = 0; i < NAMES; i++) {
            char name[64];
            int want;

            random_name(name, false);
            want = naive_find(domains, n, name);
            hits += want >= 0;
            ck_assert_msg(find(m, name) == (want < 0 ? NULL : domains[want]), "%s: not %s", name,
                          want < 0 ? "unknown" : domains[want]);
        }
        ck_assert_uint_gt(hits, 0);
        edge_match_free(m);
    }
}
END_TEST

static double cpu_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Seconds of CPU for a number of lookups among n names. */
static double time_lookups(size_t n, char (*names)[32])
{
    struct edge_match *m = edge_match_new(n);
    double start, end;

    for (size_t i = 0; i < n; i++) {
        add(m, names[i], NULL, 0, names[i]);
    }
    start = cpu_seconds();
    for (size_t i = 0; i < 200000; i++) {
        char *name = names[i * 7919 % n];

        ck_assert_ptr_eq(edge_match_find(m, name, strlen(name), NULL, 0), name);
    }
    end = cpu_seconds();
    edge_match_free(m);
    return end - start;
}

START_TEST(flat_for_many_names)
{
    enum { MANY = 100000 };
    char(*names)[32] = calloc(MANY, sizeof(*names));
    double few, many;

    ck_assert_ptr_nonnull(names);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "h%zu.example.test", i);
    }
    few = time_lookups(100, names);
    many = time_lookups(MANY, names);
    /* A thousand times the names; the allowance is for cache misses and busy machines. */
    ck_assert_msg(many < few * 30 + 0.1, "%g s became %g s", few, many);
    free(names);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("edge_match");
    TCase *tc = tcase_create("edge_match");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, specific_beats_general);
    tcase_add_test(tc, wildcard_does_not_match_its_own_suffix);
    tcase_add_test(tc, alpn_narrows);
    tcase_add_test(tc, overlaps_are_refused);
    tcase_add_test(tc, impossible_names_are_refused);
    tcase_add_test(tc, longest_names);
    tcase_add_test(tc, agrees_with_naive_search);
    tcase_add_test(tc, flat_for_many_names);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
