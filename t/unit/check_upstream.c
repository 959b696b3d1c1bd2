/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/config/conf.h"
#include "core/upstream/resolve.h"
#include "core/upstream/upstream.h"

#define SECOND       UINT64_C(1000000000)
#define FAIL_TIMEOUT (10 * SECOND)

static const struct pst_addr client = { .family = PST_AF_INET, .ip = { 198, 51, 100, 7 } };

/* A stand-in for the resolver: "many" has three addresses, "one" has one, "none" has none. */
struct resolve_name {
    size_t n;
    unsigned refs;
};

static struct resolve_name many = { .n = 3 }, one = { .n = 1 }, none = { .n = 0 };

struct resolve_name *resolve_get(struct resolver *r, const char *host)
{
    struct resolve_name *n = strcmp(host, "many") == 0  ? &many
                             : strcmp(host, "one") == 0 ? &one
                                                        : &none;

    (void)r;
    n->refs++;
    return n;
}

void resolve_put(struct resolve_name *n)
{
    n->refs--;
}

size_t resolve_addrs(struct resolve_name *n, struct pst_addr out[RESOLVE_ADDRS_MAX])
{
    for (size_t i = 0; i < n->n; i++) {
        out[i] = (struct pst_addr){ .family = PST_AF_INET, .ip = { 192, 0, 2, (uint8_t)(i + 1) } };
    }
    return n->n;
}

static struct conf_target targets[200];
static char texts[200][32];
static struct conf_upstream conf;
static struct upstream *up;
static uint64_t now;

static void setup(void)
{
    log_init();
    log_set_level(PST_LOG_ERROR);
    memset(targets, 0, sizeof(targets));
    conf = (struct conf_upstream){ .targets = targets,
                                   .max_fails = 3,
                                   .fail_timeout = FAIL_TIMEOUT / 1000000 };
    now = 1000 * SECOND;
    up = NULL;
}

static void teardown(void)
{
    upstream_free(up);
    ck_assert_uint_eq(many.refs + one.refs + none.refs, 0);
}

static struct conf_target *add(uint32_t weight)
{
    size_t i = conf.n_targets++;
    struct conf_target *t = &targets[i];

    snprintf(texts[i], sizeof(texts[i]), "127.0.0.1:%zu", i + 1);
    t->addr = (struct conf_addr){ .kind = CONF_ADDR_IP, .text = texts[i] };
    t->addr.ip = (struct pst_addr){ .family = PST_AF_INET,
                                    .port = (uint16_t)(i + 1),
                                    .ip = { 127, 0, 0, 1 } };
    t->weight = weight;
    return t;
}

static void add_host(const char *host)
{
    struct conf_target *t = add(1);

    t->addr.kind = CONF_ADDR_HOST;
    t->addr.text = t->addr.host = host;
    t->addr.ip = (struct pst_addr){ .port = 443 };
}

static void start(enum conf_balance balance)
{
    conf.balance = balance;
    up = upstream_new(&conf, NULL);
    ck_assert_ptr_nonnull(up);
}

/* Index of the next target of a walk, or an ERR_. */
static int step(struct upstream_walk *w, const struct pst_addr *from)
{
    struct upstream_choice c;
    int rc = upstream_next(up, w, from, now, &c);

    return rc < 0 ? rc : c.addr.port - 1;
}

/* A whole connection: pick, tell the result, end. The target's index. */
static int visit(const struct pst_addr *from, bool ok)
{
    struct upstream_walk w = { 0 };
    int i = step(&w, from);

    if (i >= 0) {
        upstream_result(up, &w, ok, now);
    }
    upstream_end(up, &w);
    return i;
}

/* One attempt with a certain target, whatever the balance method. */
static void attempt(int target, bool ok)
{
    struct upstream_walk w = { 0 };

    while (step(&w, &client) != target) {
        ck_assert_ptr_nonnull(w.current);
    }
    upstream_result(up, &w, ok, now);
    upstream_end(up, &w);
}

static void take_out(int target)
{
    for (int fails = 0; fails < 3; fails++) {
        attempt(target, false);
    }
}

static void count(unsigned hits[], size_t n, unsigned visits)
{
    memset(hits, 0, n * sizeof(hits[0]));
    for (unsigned i = 0; i < visits; i++) {
        int t = visit(&client, true);

        ck_assert_int_ge(t, 0);
        hits[t]++;
    }
}

START_TEST(round_robin_is_exact_and_smooth)
{
    unsigned hits[3];

    add(5);
    add(1);
    add(1);
    start(CONF_ROUND_ROBIN);
    for (int cycle = 0; cycle < 10; cycle++) {
        static const int want[] = { 0, 0, 1, 0, 2, 0, 0 };

        for (size_t i = 0; i < 7; i++) {
            ck_assert_int_eq(visit(&client, true), want[i]);
        }
    }
    count(hits, 3, 700);
    ck_assert_uint_eq(hits[0], 500);
    ck_assert_uint_eq(hits[1], 100);
    ck_assert_uint_eq(hits[2], 100);
}
END_TEST

START_TEST(round_robin_stays_exact_when_one_is_out)
{
    unsigned hits[3];

    add(2);
    add(1);
    add(1);
    start(CONF_ROUND_ROBIN);
    take_out(1);
    count(hits, 3, 300);
    ck_assert_uint_eq(hits[1], 0);
    ck_assert_uint_ge(hits[0], 198);
    ck_assert_uint_le(hits[0], 202);
}
END_TEST

START_TEST(walk_visits_each_once)
{
    struct upstream_walk w = { 0 };
    bool seen[200] = { false };

    for (size_t i = 0; i < 200; i++) {
        add(1 + (uint32_t)i % 3)->backup = i % 10 == 0;
    }
    start((enum conf_balance)_i);
    for (size_t i = 0; i < 200; i++) {
        int t = step(&w, &client);

        ck_assert_int_ge(t, 0);
        ck_assert(!seen[t]);
        seen[t] = true;
        /* 180 primaries first, then 20 backups. */
        ck_assert_int_eq(targets[t].backup, i >= 180);
        upstream_result(up, &w, false, now);
    }
    ck_assert_int_eq(step(&w, &client), ERR_NOT_FOUND);
    ck_assert_int_eq(step(&w, &client), ERR_NOT_FOUND);
    upstream_end(up, &w);
    upstream_end(up, &w);
}
END_TEST

START_TEST(tries_are_limited)
{
    struct upstream_walk w = { 0 };

    add(1);
    add(1);
    add(1);
    conf.tries = 2;
    start(CONF_ROUND_ROBIN);
    ck_assert_int_ge(step(&w, &client), 0);
    ck_assert_int_ge(step(&w, &client), 0);
    ck_assert_int_eq(step(&w, &client), ERR_LIMIT);
    upstream_end(up, &w);
}
END_TEST

START_TEST(no_targets)
{
    struct upstream_walk w = { 0 };

    start(CONF_ROUND_ROBIN);
    ck_assert_int_eq(step(&w, &client), ERR_NOT_FOUND);
    upstream_end(up, &w);
}
END_TEST

START_TEST(least_conn_by_weight)
{
    struct upstream_walk walks[8] = { 0 };
    unsigned hits[2] = { 0 };
    int chosen[8];

    add(3);
    add(1);
    start(CONF_LEAST_CONN);
    for (size_t i = 0; i < 8; i++) {
        chosen[i] = step(&walks[i], &client);
        hits[chosen[i]]++;
    }
    ck_assert_uint_eq(hits[0], 6);
    ck_assert_uint_eq(hits[1], 2);
    /* Whoever becomes idle gets the next ones. */
    for (size_t i = 0; i < 8; i++) {
        if (chosen[i] == 1) {
            upstream_end(up, &walks[i]);
        }
    }
    ck_assert_int_eq(visit(&client, true), 1);
    ck_assert_int_eq(visit(&client, true), 1);
    for (size_t i = 0; i < 8; i++) {
        upstream_end(up, &walks[i]);
    }
}
END_TEST

START_TEST(least_conn_equals_take_turns)
{
    unsigned hits[3];

    add(1);
    add(1);
    add(1);
    start(CONF_LEAST_CONN);
    count(hits, 3, 300);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(hits[i], 100);
    }
}
END_TEST

START_TEST(failed_steps_are_not_counted_as_connections)
{
    struct upstream_walk w = { 0 };

    add(1);
    add(1);
    start(CONF_LEAST_CONN);
    ck_assert_int_eq(step(&w, &client), 0);
    ck_assert_int_eq(step(&w, &client), 1);
    ck_assert_int_eq(visit(&client, true), 0);
    ck_assert_int_eq(visit(&client, true), 0);
    upstream_end(up, &w);
}
END_TEST

static struct pst_addr nth_client(unsigned i)
{
    return (struct pst_addr){ .family = PST_AF_INET,
                              .port = (uint16_t)(i * 31),
                              .ip = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };
}

START_TEST(source_hash_is_stable_and_weighted)
{
    enum { CLIENTS = 20000 };
    static int before[CLIENTS];
    unsigned hits[4] = { 0 };

    add(1);
    add(2);
    add(3);
    add(4);
    start(CONF_SOURCE_HASH);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct pst_addr c = nth_client(i);

        before[i] = visit(&c, true);
        hits[before[i]]++;
        c.port++;
        ck_assert_int_eq(visit(&c, true), before[i]);
    }
    /* Shares of 2000 per weight; five standard deviations are about 350. */
    for (unsigned t = 0; t < 4; t++) {
        ck_assert_uint_ge(hits[t], 2000 * (t + 1) - 350);
        ck_assert_uint_le(hits[t], 2000 * (t + 1) + 350);
    }
    /* When one goes, only its own clients move; when it is back, so are they. */
    take_out(1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct pst_addr c = nth_client(i);
        int after = visit(&c, true);

        ck_assert_int_ne(after, 1);
        ck_assert(before[i] == 1 || after == before[i]);
    }
    now += FAIL_TIMEOUT;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct pst_addr c = nth_client(i);

        ck_assert_int_eq(visit(&c, true), before[i]);
    }
}
END_TEST

START_TEST(source_hash_without_address_takes_turns)
{
    const struct pst_addr local = { .family = PST_AF_UNIX };

    add(1);
    add(1);
    start(CONF_SOURCE_HASH);
    ck_assert_int_ne(visit(&local, true), visit(&local, true));
}
END_TEST

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

START_TEST(host_names_walk_their_addresses)
{
    unsigned first[4] = { 0 };

    add_host("many");
    add_host("none");
    start(CONF_ROUND_ROBIN);
    for (int i = 0; i < 30; i++) {
        struct upstream_walk w = { 0 };
        struct upstream_choice c;
        unsigned seen = 0;

        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(upstream_next(up, &w, &client, now, &c), ERR_OK);
            ck_assert_str_eq(c.name, "many");
            ck_assert_uint_eq(c.addr.port, 443);
            ck_assert_ptr_null(c.path);
            first[c.addr.ip[3]] += k == 0;
            seen |= 1u << c.addr.ip[3];
        }
        ck_assert_uint_eq(seen, 0xe);
        ck_assert_int_eq(upstream_next(up, &w, &client, now, &c), ERR_NOT_FOUND);
        upstream_end(up, &w);
    }
    /* Connections begin at all of them in turn. */
    ck_assert_uint_eq(first[1], 10);
    ck_assert_uint_eq(first[2], 10);
    ck_assert_uint_eq(first[3], 10);
}
END_TEST

START_TEST(unresolved_names_are_skipped)
{
    struct upstream_walk w = { 0 };

    add_host("none");
    start(CONF_ROUND_ROBIN);
    ck_assert_int_eq(step(&w, &client), ERR_NOT_FOUND);
    upstream_end(up, &w);
    upstream_free(up);
    add(1)->backup = true;
    start(CONF_ROUND_ROBIN);
    ck_assert_int_eq(visit(&client, true), 1);
}
END_TEST

START_TEST(choice_tells_all)
{
    struct upstream_walk w = { 0 };
    struct upstream_choice c;
    struct conf_target *t = add(1);

    t->addr = (struct conf_addr){
        .kind = CONF_ADDR_UNIX, .text = "tls://unix:/s", .path = "/s", .tls = true
    };
    start(CONF_ROUND_ROBIN);
    ck_assert_int_eq(upstream_next(up, &w, &client, now, &c), ERR_OK);
    ck_assert_str_eq(c.name, "tls://unix:/s");
    ck_assert_str_eq(c.path, "/s");
    ck_assert_uint_eq(c.addr.family, PST_AF_UNIX);
    ck_assert(c.tls);
    upstream_end(up, &w);
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

struct worker {
    unsigned hits[3];
};

static void *work(void *arg)
{
    struct worker *wk = arg;

    for (unsigned i = 0; i < 7000; i++) {
        struct upstream_walk w = { 0 };
        struct upstream_choice c;

        if (upstream_next(up, &w, &client, now + i, &c) == ERR_OK) {
            wk->hits[c.addr.port - 1]++;
            upstream_result(up, &w, conf.max_fails == 0 || i % 3 > 0, now + i);
        }
        upstream_end(up, &w);
    }
    return NULL;
}

START_TEST(workers_share)
{
    struct worker workers[4] = { 0 };
    pthread_t threads[4];
    unsigned hits[3] = { 0 };

    add(5);
    add(1);
    add(1);
    conf.max_fails = _i < 3 ? 0 : 2;
    start((enum conf_balance)(_i % 3));
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        for (size_t t = 0; t < 3; t++) {
            hits[t] += workers[i].hits[t];
        }
    }
    ck_assert_uint_eq(hits[0] + hits[1] + hits[2], 28000);
    if (conf.balance == CONF_ROUND_ROBIN && conf.max_fails == 0) {
        ck_assert_uint_eq(hits[0], 20000);
        ck_assert_uint_eq(hits[1], 4000);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("upstream");
    TCase *tc = tcase_create("upstream");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, round_robin_is_exact_and_smooth);
    tcase_add_test(tc, round_robin_stays_exact_when_one_is_out);
    tcase_add_loop_test(tc, walk_visits_each_once, CONF_ROUND_ROBIN, CONF_SOURCE_HASH + 1);
    tcase_add_test(tc, tries_are_limited);
    tcase_add_test(tc, no_targets);
    tcase_add_test(tc, least_conn_by_weight);
    tcase_add_test(tc, least_conn_equals_take_turns);
    tcase_add_test(tc, failed_steps_are_not_counted_as_connections);
    tcase_add_test(tc, source_hash_is_stable_and_weighted);
    tcase_add_test(tc, source_hash_without_address_takes_turns);
    tcase_add_test(tc, failures_take_out_and_time_brings_back);
    tcase_add_test(tc, one_failure_after_the_time_out_is_enough);
    tcase_add_loop_test(tc, only_one_connection_probes, 0, 2);
    tcase_add_test(tc, old_failures_are_forgotten);
    tcase_add_test(tc, max_fails_zero_never_takes_out);
    tcase_add_test(tc, backups_only_when_needed);
    tcase_add_test(tc, when_all_are_out_they_are_tried);
    tcase_add_test(tc, host_names_walk_their_addresses);
    tcase_add_test(tc, unresolved_names_are_skipped);
    tcase_add_test(tc, choice_tells_all);
    tcase_add_test(tc, reload_keeps_health_and_counts);
    tcase_add_loop_test(tc, workers_share, 0, 6);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
