/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of conn-limits: rates, the table of clients, and counting on many threads. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "modules/conn-limits/limits.h"

#define SECOND UINT64_C(1000000000)

START_TEST(rates_are_parsed)
{
    static const struct {
        const char *text;
        uint64_t count, ms;
    } good[] = {
        { "100/10s", 100, 10000 },   { "1/1ms", 1, 1 },
        { "5/s", 5, 1000 },          { "20/m", 20, 60000 },
        { "7/1h", 7, 3600000 },      { "1/d", 1, 86400000 },
        { "1/24h", 1, 86400000 },    { "0001/01s", 1, 1000 },
        { "1/86400s", 1, 86400000 }, { "1000000000/1s", 1000000000, 1000 },
    };
    static const char *const bad[] = {
        "",
        "1",
        "1/",
        "/s",
        "/1s",
        "0/1s",
        "1/0s",
        "1/1",
        "1/1x",
        "1/1ss",
        "1 /s",
        "1/ s",
        "-1/s",
        "1/-1s",
        "1.5/s",
        "1/1.5s",
        "1//s",
        "1/2d",
        "1/25h",
        "1000000001/1s",
        "1/99999999999999999999s",
        "+1/s",
        "1/s ",
        " 1/s",
        "1/1S",
        "1/w",
        "18446744073709551617/1s",
    };
    uint64_t count, ms;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(rate_parse(good[i].text, strlen(good[i].text), &count, &ms), "%s",
                      good[i].text);
        ck_assert_uint_eq(count, good[i].count);
        ck_assert_uint_eq(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!rate_parse(bad[i], strlen(bad[i]), &count, &ms), "%s", bad[i]);
    }
    ck_assert(!rate_parse("1/s\0", 4, &count, &ms));
}
END_TEST

/* Over any time span, never more than burst + rate * time are let through, and nearly as many. */
START_TEST(rate_is_held)
{
    struct rate r;
    uint64_t bucket = 0, now = SECOND, passed = 0;

    ck_assert(rate_make(100, 10000, 20, &r));
    for (uint64_t ms = 0; ms < 60000; ms += 7, now += 7000000) {
        for (int tries = 0; tries < 3; tries++) {
            if (rate_has(&r, bucket, now)) {
                bucket = rate_taken(&r, bucket, now);
                passed++;
            }
        }
        ck_assert_uint_le(passed, 20 + ms / 100);
    }
    ck_assert_uint_ge(passed, 20 + 598);
    /* No limit is no limit, and the largest numbers do not overflow. */
    ck_assert(rate_has(&(struct rate){ 0 }, UINT64_MAX, 0));
    ck_assert(rate_make(1, RATE_PERIOD_MAX, 30, &r));
    ck_assert(!rate_make(1, RATE_PERIOD_MAX, 31, &r));
    ck_assert(!rate_make(1, RATE_PERIOD_MAX, RATE_COUNT_MAX, &r));
    ck_assert(rate_make(RATE_COUNT_MAX, 1, RATE_COUNT_MAX, &r));
    ck_assert_uint_eq(r.interval, 1);
}
END_TEST

static struct client_key key(uint64_t n)
{
    return (struct client_key){ UINT64_C(0x20010db8) << 32 | n, 0 };
}

static struct client *find(struct table *t, uint64_t n, uint64_t now, bool make, unsigned *what)
{
    struct client_key k = key(n);

    return table_find(t, &k, now, make, what);
}

static bool knows(struct table *t, uint64_t n, uint64_t now)
{
    unsigned what;
    struct client *c = find(t, n, now, false, &what);

    if (c != NULL) {
        table_leave(t, c, now);
    }
    return c != NULL;
}

/* The order of table.h: penalties that are over, the idle, those under penalty; never the rest. */
START_TEST(order_of_forgetting)
{
    struct table *t = table_new(256);
    uint64_t now = SECOND;
    unsigned what;
    struct client *c;

    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(table_room(t), 256);
    for (uint64_t n = 0; n < 256; n++) {
        c = find(t, n, now, true, &what);
        ck_assert_uint_eq(what, TABLE_NEW | TABLE_GREW);
        if (n < 10) {
            c->penalty_end = now + 10 * SECOND; /* 0..9: under penalty    */
        } else if (n < 20) {
            c->penalty_end = now + SECOND; /* 10..19: not for long   */
        } else if (n < 30) {
            c->conns = 1; /* 20..29: with connections */
        }
        table_leave(t, c, now);
    }
    now += 2 * SECOND;
    /* 10..19 are behind 0..9 in their list: they go when they are at its end. */
    for (uint64_t n = 1000; n < 1226; n++) {
        c = find(t, n, now, true, &what);
        ck_assert_uint_eq(what, TABLE_NEW);
        c->conns = 1;
        table_leave(t, c, now);
        ck_assert(!knows(t, 30 + (n - 1000), now));
    }
    for (uint64_t n = 0; n < 30; n++) {
        ck_assert_msg(knows(t, n, now), "%d", (int)n);
    }
    /* Now the idle are gone. knows() has seen all again, so 0 is the oldest of those held. */
    for (uint64_t n = 0; n < 10; n++) {
        c = find(t, 2000 + n, now, true, &what);
        c->conns = 1;
        table_leave(t, c, now);
    }
    for (uint64_t n = 0; n < 10; n++) {
        ck_assert(knows(t, n, now));
        ck_assert(!knows(t, 10 + n, now));
    }
    c = find(t, 3000, now, true, &what);
    ck_assert_uint_eq(what, TABLE_NEW | TABLE_FORGOT);
    c->conns = 1;
    table_leave(t, c, now);
    ck_assert(!knows(t, 0, now));
    now += 20 * SECOND;
    for (uint64_t n = 1; n < 10; n++) {
        c = find(t, 3000 + n, now, true, &what);
        ck_assert_uint_eq(what, TABLE_NEW);
        c->conns = 1;
        table_leave(t, c, now);
    }
    ck_assert_ptr_null(find(t, 4000, now, true, &what));
    ck_assert_uint_eq(what, TABLE_FULL);
    ck_assert_uint_eq(table_unref(t), 256);
}
END_TEST

/* A flood of addresses against a large table: everything stays found or is forgotten in order. */
START_TEST(flood_of_addresses)
{
    enum { ROOM = 20000, FLOOD = 200000 };
    struct table *t = table_new(ROOM);
    uint32_t known = 0, pinned[100];
    unsigned what;

    ck_assert_uint_ge(table_room(t), ROOM);
    for (uint64_t n = 0; n < 100; n++) {
        struct client *c = find(t, n, 1, true, &what);

        c->conns = 1;
        pinned[n] = table_index(t, c);
        table_leave(t, c, 1);
    }
    for (uint64_t n = 1000; n < FLOOD; n++) {
        struct client *c = find(t, n, n, true, &what);

        ck_assert_ptr_nonnull(c);
        ck_assert_uint_eq(c->bucket, 0);
        c->bucket = n;
        table_leave(t, c, n);
    }
    for (uint64_t n = 1000; n < FLOOD; n++) {
        known += knows(t, n, FLOOD);
    }
    ck_assert_uint_eq(known, table_room(t) - 100);
    for (uint64_t n = 0; n < 100; n++) {
        struct client *c = table_at(t, pinned[n]);

        ck_assert_uint_eq(c->key.hi, key(n).hi);
        ck_assert_uint_eq(--c->conns, 0);
        table_leave(t, c, FLOOD);
    }
    known = table_room(t);
    ck_assert_uint_eq(table_unref(t), known);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000, CLIENTS = 300, OPEN = 8 };

static struct limits shared;
static atomic_uint most, most_of_one, admitted;

static void note_max(atomic_uint *m, unsigned v)
{
    unsigned old = atomic_load(m);

    while (v > old && !atomic_compare_exchange_weak(m, &old, v)) {
    }
}

/* Connections come and go; each thread has a few open, of clients that all threads have. */
static void *storm(void *arg)
{
    uint64_t r = (uintptr_t)arg + 1;
    struct hold open[OPEN] = { 0 };

    for (int i = 0; i < ROUNDS; i++) {
        struct client_key k;
        struct hold *h = &open[i % OPEN];
        struct outcome o;
        unsigned what;

        r = r * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        k = key((r >> 33) % CLIENTS);
        limits_over(&shared, (uint64_t)i, h);
        o = limits_accepted(&shared, &k, (uint64_t)i, h);
        if (o.refusal == REFUSE_NOT && i % 7 != 0) {
            limits_read(&shared, (uint64_t)i, h);
            o = limits_admit(&shared, &k, (uint64_t)i, h);
            if (o.refusal == REFUSE_NOT) {
                struct client *c = table_at(shared.table, h->conns_client - 1);

                note_max(&most_of_one, c->conns);
                table_leave(shared.table, c, (uint64_t)i);
                note_max(&most, atomic_load(&shared.totals->conns));
                atomic_fetch_add(&admitted, 1);
            }
        }
        if (i % 5 == 0) {
            (void)limits_failed(&shared, &k, (uint64_t)i, &what);
        }
    }
    for (int i = 0; i < OPEN; i++) {
        limits_over(&shared, ROUNDS, &open[i]);
    }
    return NULL;
}

START_TEST(threads_count_exactly)
{
    pthread_t threads[THREADS];

    shared = (struct limits){ .max_conns = 20,
                              .max_conns_per_client = 2,
                              .max_preread = 30,
                              .max_preread_per_client = 3,
                              .penalty_ns = 10,
                              .ipv4_prefix = 32,
                              .ipv6_prefix = 64 };
    ck_assert(rate_make(RATE_COUNT_MAX, 1000, 0, &shared.rate));
    ck_assert(rate_make(RATE_COUNT_MAX, 1000, 0, &shared.rate_per_client));
    ck_assert(rate_make(10, 1, 0, &shared.failures));
    ck_assert(limits_prepare(&shared, 256));
    for (uintptr_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, storm, (void *)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_gt(atomic_load(&admitted), ROUNDS);
    ck_assert_uint_le(atomic_load(&most), 20);
    ck_assert_uint_le(atomic_load(&most_of_one), 2);
    ck_assert_uint_eq(atomic_load(&shared.totals->conns), 0);
    ck_assert_uint_eq(atomic_load(&shared.totals->preread), 0);
    for (uint64_t n = 0; n < CLIENTS; n++) {
        unsigned what;
        struct client *c = find(shared.table, n, ROUNDS, false, &what);

        if (c != NULL) {
            ck_assert_uint_eq(c->conns, 0);
            ck_assert_uint_eq(c->preread, 0);
            table_leave(shared.table, c, ROUNDS);
        }
    }
    (void)limits_release(&shared);
}
END_TEST

/* --- cost ------------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Figures depend on the machine: they are printed, and only what is absurd fails. */
START_TEST(cost_of_a_connection)
{
    enum { CONNS = 1000000 };
    struct limits l = { .max_conns = 100,
                        .max_conns_per_client = 100,
                        .max_preread_per_client = 10,
                        .penalty_ns = SECOND,
                        .ipv4_prefix = 32,
                        .ipv6_prefix = 64 };
    uint64_t r = 1;
    double t = 0;

    ck_assert(rate_make(RATE_COUNT_MAX, 1000, 0, &l.rate));
    ck_assert(rate_make(100, 1000, 0, &l.rate_per_client));
    ck_assert(rate_make(100, 1000, 0, &l.failures));
    ck_assert(limits_prepare(&l, 131072));
    for (uint64_t i = 0; i < 2 * CONNS; i++) {
        struct client_key k;
        struct hold h = { 0 };

        if (i == CONNS) {
            t = seconds(); /* the table is full now */
        }
        /* As many clients as the table holds, and each call far from the last in memory. */
        r = r * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        k = key((r >> 33) % 131072);
        (void)limits_accepted(&l, &k, i, &h);
        limits_read(&l, i, &h);
        (void)limits_admit(&l, &k, i, &h);
        limits_over(&l, i, &h);
    }
    t = (seconds() - t) / CONNS * 1e9;
    printf("conn-limits: %.0f ns for each connection, among 131072 clients\n", t);
    if (getenv("SANITIZERS") == NULL || getenv("SANITIZERS")[0] == '\0') {
        ck_assert_double_lt(t, 20000);
    }
    (void)limits_release(&l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conn-limits parts");
    TCase *t = tcase_create("parts");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, rates_are_parsed);
    tcase_add_test(t, rate_is_held);
    tcase_add_test(t, order_of_forgetting);
    tcase_add_test(t, flood_of_addresses);
    tcase_add_test(t, threads_count_exactly);
    tcase_add_test(t, cost_of_a_connection);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
