/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/event.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/upstream/hosts.h"
#include "core/upstream/resolve.h"
#include "t/unit/dns_server.h"

#define DEADLINE (10000 * MS)

/* Everything runs on one loop, the servers too. */
static struct loop *loop;
static struct dns_server server, server2;
static struct resolver *resolver;
static const char *servers[1];
static struct conf_resolver conf;

static void setup(void)
{
    log_init();
    log_set_level(PST_LOG_ERROR);
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    dns_server_start(&server, loop);
    dns_server_start(&server2, loop);
    servers[0] = server.address;
    conf = (struct conf_resolver){
        .servers = servers, .n_servers = 1, .min_ttl = 50, .max_ttl = 400, .timeout = 40
    };
    resolver = resolver_new(loop, &conf);
    ck_assert_ptr_nonnull(resolver);
}

static void teardown(void)
{
    resolver_free(resolver);
    evdns_close_server_port(server.port);
    evdns_close_server_port(server2.port);
    loop_free(loop);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

/* Turn the loop until a condition holds; false: it never did. */
static bool turn_until(bool (*cond)(void *arg), void *arg)
{
    struct timeval tv = { .tv_sec = DEADLINE / MS / 1000 };
    bool late = false;
    struct event *ev = evtimer_new(loop_base(loop), on_deadline, &late);
    bool ok;

    evtimer_add(ev, &tv);
    while (!(ok = cond(arg)) && !late) {
        loop_step(loop, true);
    }
    event_free(ev);
    return ok;
}

/* Condition: the addresses of a name are exactly these, separated by spaces. */
struct want {
    struct resolve_name *name;
    const char *ips;
};

static const char *ips_of(struct resolve_name *name, char out[2048])
{
    struct pst_addr addrs[RESOLVE_ADDRS_MAX];
    size_t n = resolve_addrs(name, addrs);
    char ip[ADDR_TEXT_MAX];

    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(addrs[i].port, 0);
        strcat(out, i ? " " : "");
        strcat(out, addr_ip_text(&addrs[i], ip));
    }
    return out;
}

static bool has_ips(void *arg)
{
    const struct want *w = arg;
    char text[2048];

    return strcmp(ips_of(w->name, text), w->ips) == 0;
}

static void expect_ips(struct resolve_name *name, const char *ips)
{
    struct want w = { name, ips };
    char text[2048];

    ck_assert_msg(turn_until(has_ips, &w), "%s, not %s", ips_of(name, text), ips);
}

/* Condition: a question was asked so many times. */
struct times {
    const struct dns_script *script;
    unsigned n;
};

static bool was_asked(void *arg)
{
    const struct times *t = arg;

    return t->script->asked >= t->n;
}

static void expect_asked(const struct dns_script *s, unsigned n)
{
    struct times t = { s, n };

    ck_assert_msg(turn_until(was_asked, &t), "asked %u times", s->asked);
}

START_TEST(both_families)
{
    struct resolve_name *n;

    server.a = (struct dns_script){ .ips = { "192.0.2.1", "192.0.2.2" }, .ttl = 60 };
    server.aaaa = (struct dns_script){ .ips = { "2001:db8::1" }, .ttl = 60 };
    n = resolve_get(resolver, "both.test");
    ck_assert_ptr_nonnull(n);
    expect_ips(n, "2001:db8::1 192.0.2.1 192.0.2.2");
    resolve_put(n);
}
END_TEST

START_TEST(names_are_shared)
{
    struct resolve_name *n = resolve_get(resolver, "a.test"), *other;

    ck_assert_ptr_eq(resolve_get(resolver, "a.test"), n);
    other = resolve_get(resolver, "b.test");
    ck_assert_ptr_ne(other, n);
    resolve_put(other);
    resolve_put(n);
    server.a = (struct dns_script){ .ips = { "192.0.2.1" } };
    expect_ips(n, "192.0.2.1");
    resolve_put(n);
}
END_TEST

START_TEST(asks_again_no_sooner_than_the_floor)
{
    struct resolve_name *n;

    server.a = (struct dns_script){ .ips = { "192.0.2.1" }, .ttl = 0 };
    n = resolve_get(resolver, "a.test");
    expect_asked(&server.a, 5);
    for (int i = 1; i < 5; i++) {
        ck_assert_uint_ge(server.a.at[i] - server.a.at[i - 1], 48 * MS);
    }
    resolve_put(n);
}
END_TEST

START_TEST(asks_again_no_later_than_the_ceiling)
{
    struct resolve_name *n;

    server.a = (struct dns_script){ .ips = { "192.0.2.1" }, .ttl = 86400 };
    n = resolve_get(resolver, "a.test");
    expect_asked(&server.a, 2);
    ck_assert_uint_ge(server.a.at[1] - server.a.at[0], 390 * MS);
    resolve_put(n);
}
END_TEST

START_TEST(asks_again_after_the_ttl)
{
    struct resolve_name *n;

    conf.max_ttl = 60000;
    ck_assert_int_eq(resolver_configure(resolver, &conf), ERR_OK);
    /* The shorter of the two families' counts. */
    server.a = (struct dns_script){ .ips = { "192.0.2.1" }, .ttl = 1 };
    server.aaaa = (struct dns_script){ .ips = { "2001:db8::1" }, .ttl = 50 };
    n = resolve_get(resolver, "a.test");
    expect_asked(&server.a, 1);
    server.a.ips[0] = "192.0.2.9";
    expect_ips(n, "2001:db8::1 192.0.2.9");
    ck_assert_uint_ge(server.a.at[1] - server.a.at[0], 990 * MS);
    resolve_put(n);
}
END_TEST

START_TEST(old_answers_are_kept)
{
    static const int kinds[] = { NXDOMAIN, SERVFAIL, SILENCE, ANSWER };
    struct resolve_name *n;

    server.a = (struct dns_script){ .ips = { "192.0.2.1" } };
    server.aaaa = (struct dns_script){ .ips = { "2001:db8::1" } };
    n = resolve_get(resolver, "a.test");
    expect_ips(n, "2001:db8::1 192.0.2.1");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        /* An ANSWER without addresses stands for no data. */
        server.a = (struct dns_script){ .kind = kinds[i] };
        server.aaaa = (struct dns_script){ .kind = kinds[i] };
        expect_asked(&server.a, 3);
        expect_asked(&server.aaaa, 3);
        expect_ips(n, "2001:db8::1 192.0.2.1");
    }
    server.a = (struct dns_script){ .ips = { "192.0.2.2" } };
    expect_ips(n, "192.0.2.2");
    resolve_put(n);
}
END_TEST

START_TEST(failures_back_off)
{
    struct resolve_name *n;

    server.a.kind = server.aaaa.kind = NXDOMAIN;
    n = resolve_get(resolver, "a.test");
    expect_asked(&server.a, 6);
    /* 50, 100, 200, 400, 400 ms */
    for (int i = 1; i < 6; i++) {
        uint64_t want = UINT64_C(25) << i < 400 ? UINT64_C(25) << i : 400;

        ck_assert_uint_ge(server.a.at[i] - server.a.at[i - 1], (want - 2) * MS);
    }
    ck_assert_uint_eq(resolve_addrs(n, (struct pst_addr[RESOLVE_ADDRS_MAX]){ 0 }), 0);
    /* The first answer ends it. */
    server.a = (struct dns_script){ .ips = { "192.0.2.1" } };
    expect_ips(n, "192.0.2.1");
    resolve_put(n);
}
END_TEST

START_TEST(one_family_may_go_or_fail)
{
    struct resolve_name *n;

    server.a = (struct dns_script){ .ips = { "192.0.2.1" } };
    server.aaaa = (struct dns_script){ .ips = { "2001:db8::1" } };
    n = resolve_get(resolver, "a.test");
    expect_ips(n, "2001:db8::1 192.0.2.1");
    server.aaaa = (struct dns_script){ .kind = SERVFAIL };
    server.a = (struct dns_script){ .ips = { "192.0.2.2" } };
    expect_asked(&server.a, 3);
    expect_ips(n, "2001:db8::1 192.0.2.2");
    server.aaaa = (struct dns_script){ .kind = ANSWER };
    expect_ips(n, "192.0.2.2");
    resolve_put(n);
}
END_TEST

START_TEST(too_many_addresses_are_cut_fairly)
{
    static char texts[25][ADDR_TEXT_MAX], six[12][ADDR_TEXT_MAX];
    struct resolve_name *n;
    char want[2048] = "";

    for (int i = 0; i < 12; i++) {
        snprintf(six[i], sizeof(six[i]), "2001:db8::%d", i + 1);
        server.aaaa.ips[i] = six[i];
        strcat(strcat(want, i ? " " : ""), six[i]);
    }
    for (int i = 0; i < 25; i++) {
        snprintf(texts[i], sizeof(texts[i]), "192.0.2.%d", i + 1);
        server.a.ips[i] = texts[i];
        if (i < RESOLVE_ADDRS_MAX - 12) {
            strcat(strcat(want, " "), texts[i]);
        }
    }
    server.a.ttl = server.aaaa.ttl = 60;
    n = resolve_get(resolver, "a.test");
    expect_ips(n, want);
    resolve_put(n);
}
END_TEST

START_TEST(servers_change_with_questions_under_way)
{
    struct resolve_name *n;

    server.a.kind = server.aaaa.kind = SILENCE;
    server2.a = (struct dns_script){ .ips = { "192.0.2.2" } };
    conf.timeout = 60000;
    ck_assert_int_eq(resolver_configure(resolver, &conf), ERR_OK);
    n = resolve_get(resolver, "a.test");
    expect_asked(&server.a, 1);
    servers[0] = server2.address;
    ck_assert_int_eq(resolver_configure(resolver, &conf), ERR_OK);
    expect_ips(n, "192.0.2.2");
    resolve_put(n);
}
END_TEST

START_TEST(names_go_with_questions_under_way)
{
    struct resolve_name *n = resolve_get(resolver, "a.test");

    server.a = (struct dns_script){ .ips = { "192.0.2.1" } };
    resolve_put(n);
    expect_asked(&server.a, 1);
    expect_asked(&server.aaaa, 1);
    n = resolve_get(resolver, "a.test");
    expect_ips(n, "192.0.2.1");
    resolve_put(n);
}
END_TEST

START_TEST(resolver_goes_with_questions_under_way)
{
    struct resolve_name *names[100];
    char host[32];

    server.a.kind = server.aaaa.kind = SILENCE;
    /* More than evdns sends at once: some are still in its queue. */
    for (size_t i = 0; i < 100; i++) {
        snprintf(host, sizeof(host), "h%zu.test", i);
        names[i] = resolve_get(resolver, host);
        ck_assert_ptr_nonnull(names[i]);
    }
    expect_asked(&server.a, _i ? 10 : 0);
    resolver_free(resolver);
    resolver = NULL;
    for (size_t i = 0; i < 100; i++) {
        ck_assert_uint_eq(resolve_addrs(names[i], (struct pst_addr[RESOLVE_ADDRS_MAX]){ 0 }), 0);
        resolve_put(names[i]);
    }
}
END_TEST

START_TEST(refused_servers_are_asked_again)
{
    struct dns_server late = { .a = { .ips = { "192.0.2.7" } } };
    struct resolve_name *n;

    /* A port that nobody listens on yet. */
    close(dns_server_bind(&late));
    servers[0] = late.address;
    ck_assert_int_eq(resolver_configure(resolver, &conf), ERR_OK);
    n = resolve_get(resolver, "a.test");
    loop_step(loop, true);
    dns_server_listen(&late, loop, dns_server_bind(&late));
    expect_ips(n, "192.0.2.7");
    resolve_put(n);
    evdns_close_server_port(late.port);
}
END_TEST

START_TEST(no_servers_at_all)
{
    struct resolve_name *n;

    servers[0] = "nonsense";
    log_set_level(0);
    ck_assert_int_eq(resolver_configure(resolver, &conf), ERR_OK);
    n = resolve_get(resolver, "a.test");
    ck_assert_ptr_nonnull(n);
    server.a = (struct dns_script){ .ips = { "192.0.2.1" } };
    servers[0] = server.address;
    ck_assert_int_eq(resolver_configure(resolver, &conf), ERR_OK);
    expect_ips(n, "192.0.2.1");
    resolve_put(n);
}
END_TEST

struct reader {
    struct resolve_name *name;
    atomic_bool stop;
    unsigned bad;
};

static void *read_on(void *arg)
{
    struct reader *r = arg;
    struct pst_addr addrs[RESOLVE_ADDRS_MAX];

    while (!atomic_load(&r->stop)) {
        size_t n = resolve_addrs(r->name, addrs);

        for (size_t i = 0; i < n; i++) {
            r->bad += addrs[i].family != PST_AF_INET && addrs[i].family != PST_AF_INET6;
        }
        usleep(100);
    }
    return NULL;
}

START_TEST(workers_read_meanwhile)
{
    struct reader reader = { 0 };
    pthread_t thread;

    server.a = (struct dns_script){ .ips = { "192.0.2.1" } };
    reader.name = resolve_get(resolver, "a.test");
    ck_assert_int_eq(pthread_create(&thread, NULL, read_on, &reader), 0);
    for (int i = 0; i < 3; i++) {
        server.aaaa.ips[0] = i % 2 ? NULL : "2001:db8::1";
        expect_ips(reader.name, i % 2 ? "192.0.2.1" : "2001:db8::1 192.0.2.1");
    }
    atomic_store(&reader.stop, true);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(reader.bad, 0);
    resolve_put(reader.name);
}
END_TEST

START_TEST(hosts_file_goes_first)
{
    struct hosts *h = hosts_new("/etc/hosts");
    struct pst_addr addrs[RESOLVE_ADDRS_MAX];
    size_t want = hosts_find(h, "localhost", addrs, RESOLVE_ADDRS_MAX);
    struct resolve_name *n = resolve_get(resolver, "localhost");

    /* Known at once when the file has it, asked for when not. */
    ck_assert_uint_eq(resolve_addrs(n, addrs), want);
    if (want == 0) {
        expect_asked(&server.a, 1);
    }
    hosts_free(h);
    resolve_put(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("resolve");
    TCase *tc = tcase_create("resolve");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, both_families);
    tcase_add_test(tc, names_are_shared);
    tcase_add_test(tc, asks_again_no_sooner_than_the_floor);
    tcase_add_test(tc, asks_again_no_later_than_the_ceiling);
    tcase_add_test(tc, asks_again_after_the_ttl);
    tcase_add_test(tc, old_answers_are_kept);
    tcase_add_test(tc, failures_back_off);
    tcase_add_test(tc, one_family_may_go_or_fail);
    tcase_add_test(tc, too_many_addresses_are_cut_fairly);
    tcase_add_test(tc, servers_change_with_questions_under_way);
    tcase_add_test(tc, names_go_with_questions_under_way);
    tcase_add_loop_test(tc, resolver_goes_with_questions_under_way, 0, 2);
    tcase_add_test(tc, refused_servers_are_asked_again);
    tcase_add_test(tc, no_servers_at_all);
    tcase_add_test(tc, workers_read_meanwhile);
    tcase_add_test(tc, hosts_file_goes_first);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
