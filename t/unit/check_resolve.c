/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>

#include "core/base/addr.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/upstream/hosts.h"
#include "core/upstream/resolve.h"

#define MS       UINT64_C(1000000)
#define DEADLINE (10000 * MS)

/* What a scripted server says to one kind of question. */
struct script {
    enum { ANSWER, NXDOMAIN, SERVFAIL, SILENCE } kind; /* ANSWER of no addresses: no data */
    const char *ips[32];
    int ttl;
    unsigned asked;
    uint64_t at[64]; /* when it was asked, ns */
};

struct server {
    struct script a, aaaa;
    struct evdns_server_port *port;
    char address[32];
};

/* Everything runs on one loop, the server too. */
static struct loop *loop;
static struct server server, server2;
static struct resolver *resolver;
static const char *servers[1];
static struct conf_resolver conf;

static void reply(struct evdns_server_request *req, const char *name, bool v6,
                  const struct script *s)
{
    for (size_t i = 0; s->ips[i]; i++) {
        uint8_t ip[16];

        ck_assert_int_eq(inet_pton(v6 ? AF_INET6 : AF_INET, s->ips[i], ip), 1);
        if (v6) {
            evdns_server_request_add_aaaa_reply(req, name, 1, ip, s->ttl);
        } else {
            evdns_server_request_add_a_reply(req, name, 1, ip, s->ttl);
        }
    }
}

static void on_question(struct evdns_server_request *req, void *arg)
{
    static const int rcodes[] = { [ANSWER] = 0, [NXDOMAIN] = 3, [SERVFAIL] = 2 };
    const struct evdns_server_question *q = req->questions[0];
    bool v6 = q->type == EVDNS_TYPE_AAAA;
    struct server *sv = arg;
    struct script *s = v6 ? &sv->aaaa : &sv->a;

    ck_assert_int_eq(req->nquestions, 1);
    if (s->asked < 64) {
        s->at[s->asked] = clock_ns();
    }
    s->asked++;
    if (s->kind == SILENCE) {
        evdns_server_request_drop(req);
        return;
    }
    if (s->kind == ANSWER) {
        reply(req, q->name, v6, s);
    }
    evdns_server_request_respond(req, rcodes[s->kind]);
}

static void server_start(struct server *sv)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sin);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    *sv = (struct server){ 0 };
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, n), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &n), 0);
    snprintf(sv->address, sizeof(sv->address), "127.0.0.1:%u", ntohs(sin.sin_port));
    sv->port = evdns_add_server_port_with_base(loop_base(loop), fd, 0, on_question, sv);
    ck_assert_ptr_nonnull(sv->port);
}

static void setup(void)
{
    log_init();
    log_set_level(PST_LOG_ERROR);
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    server_start(&server);
    server_start(&server2);
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
        event_base_loop(loop_base(loop), EVLOOP_ONCE);
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
    const struct script *script;
    unsigned n;
};

static bool was_asked(void *arg)
{
    const struct times *t = arg;

    return t->script->asked >= t->n;
}

static void expect_asked(const struct script *s, unsigned n)
{
    struct times t = { s, n };

    ck_assert_msg(turn_until(was_asked, &t), "asked %u times", s->asked);
}

START_TEST(both_families)
{
    struct resolve_name *n;

    server.a = (struct script){ .ips = { "192.0.2.1", "192.0.2.2" }, .ttl = 60 };
    server.aaaa = (struct script){ .ips = { "2001:db8::1" }, .ttl = 60 };
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
    server.a = (struct script){ .ips = { "192.0.2.1" } };
    expect_ips(n, "192.0.2.1");
    resolve_put(n);
}
END_TEST

START_TEST(asks_again_no_sooner_than_the_floor)
{
    struct resolve_name *n;

    server.a = (struct script){ .ips = { "192.0.2.1" }, .ttl = 0 };
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

    server.a = (struct script){ .ips = { "192.0.2.1" }, .ttl = 86400 };
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
    server.a = (struct script){ .ips = { "192.0.2.1" }, .ttl = 1 };
    server.aaaa = (struct script){ .ips = { "2001:db8::1" }, .ttl = 50 };
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

    server.a = (struct script){ .ips = { "192.0.2.1" } };
    server.aaaa = (struct script){ .ips = { "2001:db8::1" } };
    n = resolve_get(resolver, "a.test");
    expect_ips(n, "2001:db8::1 192.0.2.1");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        /* An ANSWER without addresses stands for no data. */
        server.a = (struct script){ .kind = kinds[i] };
        server.aaaa = (struct script){ .kind = kinds[i] };
        expect_asked(&server.a, 3);
        expect_asked(&server.aaaa, 3);
        expect_ips(n, "2001:db8::1 192.0.2.1");
    }
    server.a = (struct script){ .ips = { "192.0.2.2" } };
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
    server.a = (struct script){ .ips = { "192.0.2.1" } };
    expect_ips(n, "192.0.2.1");
    resolve_put(n);
}
END_TEST

START_TEST(one_family_may_go_or_fail)
{
    struct resolve_name *n;

    server.a = (struct script){ .ips = { "192.0.2.1" } };
    server.aaaa = (struct script){ .ips = { "2001:db8::1" } };
    n = resolve_get(resolver, "a.test");
    expect_ips(n, "2001:db8::1 192.0.2.1");
    server.aaaa = (struct script){ .kind = SERVFAIL };
    server.a = (struct script){ .ips = { "192.0.2.2" } };
    expect_asked(&server.a, 3);
    expect_ips(n, "2001:db8::1 192.0.2.2");
    server.aaaa = (struct script){ .kind = ANSWER };
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
    server2.a = (struct script){ .ips = { "192.0.2.2" } };
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

    server.a = (struct script){ .ips = { "192.0.2.1" } };
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
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct server late = { .a = { .ips = { "192.0.2.7" } } };
    struct resolve_name *n;

    /* A port that nobody listens on yet. */
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    close(fd);
    snprintf(late.address, sizeof(late.address), "127.0.0.1:%u", ntohs(sin.sin_port));
    servers[0] = late.address;
    ck_assert_int_eq(resolver_configure(resolver, &conf), ERR_OK);
    n = resolve_get(resolver, "a.test");
    event_base_loop(loop_base(loop), EVLOOP_ONCE);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
    late.port = evdns_add_server_port_with_base(loop_base(loop), fd, 0, on_question, &late);
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
    server.a = (struct script){ .ips = { "192.0.2.1" } };
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

    server.a = (struct script){ .ips = { "192.0.2.1" } };
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

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(hosts_file)
{
    char path[] = "/tmp/check_resolve.XXXXXX", ip[ADDR_TEXT_MAX];
    int fd = mkstemp(path);
    struct pst_addr addrs[2];
    struct hosts *h;

    ck_assert_int_ge(fd, 0);
    close(fd);
    write_file(path, "# comment\n"
                     "192.0.2.1\tOne.test one # alias\n"
                     "nonsense   two.test\n"
                     "192.0.2.3 un/usable three.test.\r\n"
                     "\n"
                     "2001:db8::1 one\n"
                     "192.0.2.9 one\n"
                     "192.0.2.4 last");
    h = hosts_new(path);
    ck_assert_ptr_nonnull(h);
    ck_assert_uint_eq(hosts_find(h, "one.test", addrs, 2), 1);
    ck_assert_str_eq(addr_ip_text(&addrs[0], ip), "192.0.2.1");
    ck_assert_uint_eq(hosts_find(h, "one", addrs, 2), 2);
    ck_assert_str_eq(addr_ip_text(&addrs[0], ip), "192.0.2.1");
    ck_assert_str_eq(addr_ip_text(&addrs[1], ip), "2001:db8::1");
    ck_assert_uint_eq(hosts_find(h, "two.test", addrs, 2), 0);
    ck_assert_uint_eq(hosts_find(h, "alias", addrs, 2), 0);
    ck_assert_uint_eq(hosts_find(h, "three.test", addrs, 2), 1);
    ck_assert_uint_eq(hosts_find(h, "last", addrs, 2), 1);
    write_file(path, "192.0.2.77 one\n");
    ck_assert_uint_eq(hosts_find(h, "one", addrs, 2), 1);
    ck_assert_str_eq(addr_ip_text(&addrs[0], ip), "192.0.2.77");
    ck_assert_uint_eq(hosts_find(h, "last", addrs, 2), 0);
    unlink(path);
    ck_assert_uint_eq(hosts_find(h, "one", addrs, 2), 0);
    hosts_free(h);
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
    tcase_add_test(tc, hosts_file);
    tcase_add_test(tc, hosts_file_goes_first);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
