/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which targets are chosen, in what order. */
#include <check.h>
#include <pthread.h>
#include <string.h>

#include "core/base/err.h"
#include "t/unit/upstream_rig.h"

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

/* As many as a walk notes in itself, and one more. */
START_TEST(walk_of_64_and_65)
{
    struct upstream_walk w = { 0 };
    bool seen[65] = { false };

    for (int i = 0; i < _i; i++) {
        add(1);
    }
    start(CONF_ROUND_ROBIN);
    for (int i = 0; i < _i; i++) {
        int t = step(&w, &client);

        ck_assert_int_ge(t, 0);
        ck_assert(!seen[t]);
        seen[t] = true;
    }
    ck_assert_int_eq(step(&w, &client), ERR_NOT_FOUND);
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

    tcase_add_checked_fixture(tc, upstream_rig_setup, upstream_rig_teardown);
    tcase_add_test(tc, round_robin_is_exact_and_smooth);
    tcase_add_test(tc, round_robin_stays_exact_when_one_is_out);
    tcase_add_loop_test(tc, walk_visits_each_once, CONF_ROUND_ROBIN, CONF_SOURCE_HASH + 1);
    tcase_add_loop_test(tc, walk_of_64_and_65, 64, 66);
    tcase_add_test(tc, tries_are_limited);
    tcase_add_test(tc, no_targets);
    tcase_add_test(tc, least_conn_by_weight);
    tcase_add_test(tc, least_conn_equals_take_turns);
    tcase_add_test(tc, failed_steps_are_not_counted_as_connections);
    tcase_add_test(tc, source_hash_is_stable_and_weighted);
    tcase_add_test(tc, source_hash_without_address_takes_turns);
    tcase_add_test(tc, host_names_walk_their_addresses);
    tcase_add_test(tc, unresolved_names_are_skipped);
    tcase_add_test(tc, choice_tells_all);
    tcase_add_loop_test(tc, workers_share, 0, 6);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
