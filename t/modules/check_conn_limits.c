/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conn-limits, the built module through the fake host and its clock. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"

static struct fake_host *host;
static struct fake_module *module;

static void setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR");

    snprintf(so, sizeof(so), "%s/conn-limits.so", modules != NULL ? modules : ".");
    host = fake_host_new();
    module = fake_module_load(host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(host));
}

static void teardown(void)
{
    fake_host_free(host);
}

static struct fake_inst *make(uint32_t scope, const char *config)
{
    struct fake_inst *i = fake_inst_new(module, scope, "api", config);

    ck_assert_msg(i != NULL, "%s", fake_host_transcript(host));
    return i;
}

static int64_t metric(const char *name)
{
    return fake_host_metric(host, "conn-limits", name);
}

static pst_conn *from(const char *ip)
{
    pst_conn *c = fake_conn_new(host);

    fake_conn_set_ip(c, "conn.client_ip", ip);
    return c;
}

/* A connection of an edge that is let in. */
static pst_conn *admitted(struct fake_inst *i, const char *ip)
{
    pst_conn *c = from(ip);

    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_ADMIT, NULL), PST_NEXT);
    return c;
}

/* A connection is refused at a stage, with this code and text, and is over. */
static void refused(struct fake_inst *i, uint32_t stage, const char *ip, const char *code,
                    const char *text)
{
    pst_conn *c = from(ip);

    ck_assert_int_eq(fake_conn_run(c, i, stage, NULL), PST_DENY);
    ck_assert_str_eq(fake_conn_deny_code(c), code);
    ck_assert_str_eq(fake_conn_deny_text(c), text);
    fake_conn_end(c, NULL);
}

/* A connection that comes, is let in and goes. */
static void passes(struct fake_inst *i, const char *ip)
{
    fake_conn_end(admitted(i, ip), NULL);
}

/* A connection that ends before a hello is through; let in by on_accept. */
static void fails(struct fake_inst *i, const char *ip, uint32_t reason)
{
    struct pst_record r = { .size = sizeof(r), .reason = reason };
    pst_conn *c = from(ip);
    unsigned a = 0, b = 0, d = 0, e = 0;

    ck_assert_int_eq(sscanf(ip, "%u.%u.%u.%u", &a, &b, &d, &e), 4);
    r.client.family = PST_AF_INET;
    r.client.ip[0] = (uint8_t)a;
    r.client.ip[1] = (uint8_t)b;
    r.client.ip[2] = (uint8_t)d;
    r.client.ip[3] = (uint8_t)e;
    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    fake_conn_end(c, &r);
}

START_TEST(descriptor)
{
    const struct pst_module *d = fake_module_desc(module);

    ck_assert_str_eq(d->name, "conn-limits");
    ck_assert_uint_eq(d->scopes, PST_SCOPE_LISTENER | PST_SCOPE_EDGE);
    ck_assert_uint_eq(d->flags, PST_FLAG_DECIDES);
}
END_TEST

START_TEST(conns_per_client)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "max_conns_per_client = 2;");
    pst_conn *a = admitted(i, "192.0.2.1"), *b = admitted(i, "192.0.2.1");
    pst_conn *other = admitted(i, "192.0.2.2");

    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-conns", "192.0.2.1/32: max_conns_per_client");
    ck_assert_int_eq(metric("conns"), 3);
    fake_conn_end(a, NULL);
    a = admitted(i, "192.0.2.1");
    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-conns", "192.0.2.1/32: max_conns_per_client");
    fake_conn_end(a, NULL);
    fake_conn_end(b, NULL);
    fake_conn_end(other, NULL);
    ck_assert_int_eq(metric("conns"), 0);
    ck_assert_int_eq(metric("denied_conns"), 2);
    ck_assert_int_eq(metric("admitted"), 4);
    ck_assert_int_eq(metric("clients"), 2);
    fake_inst_free(i);
    ck_assert_int_eq(metric("clients"), 0);
}
END_TEST

START_TEST(conns_in_all)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "max_conns = 2;");
    pst_conn *a = admitted(i, "192.0.2.1"), *b = admitted(i, "unix");

    refused(i, PST_STAGE_ADMIT, "192.0.2.3", "limit-conns", "max_conns");
    refused(i, PST_STAGE_ADMIT, "unix", "limit-conns", "max_conns");
    fake_conn_end(b, NULL);
    passes(i, "2001:db8::1");
    fake_conn_end(a, NULL);
    fake_inst_free(i);
}
END_TEST

START_TEST(rate_with_burst)
{
    struct fake_inst *i =
        make(PST_SCOPE_EDGE, "conn_rate_per_client = \"10/1s\"; burst_per_client = 3;");

    for (int n = 0; n < 3; n++) {
        passes(i, "192.0.2.1");
    }
    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    passes(i, "192.0.2.2");
    fake_host_advance(host, 99);
    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    fake_host_advance(host, 1);
    passes(i, "192.0.2.1");
    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    fake_host_advance(host, 60000);
    for (int n = 0; n < 3; n++) {
        passes(i, "192.0.2.1");
    }
    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    fake_inst_free(i);
}
END_TEST

/* Whoever is refused takes no token: neither his own nor one of all. */
START_TEST(rate_in_all)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "conn_rate = \"2/10s\"; max_conns_per_client = 1;");
    pst_conn *a = admitted(i, "192.0.2.1");

    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-conns", "192.0.2.1/32: max_conns_per_client");
    passes(i, "192.0.2.2");
    refused(i, PST_STAGE_ADMIT, "192.0.2.3", "limit-rate", "conn_rate");
    fake_host_advance(host, 5000);
    passes(i, "192.0.2.3");
    refused(i, PST_STAGE_ADMIT, "192.0.2.3", "limit-rate", "conn_rate");
    fake_conn_end(a, NULL);
    fake_inst_free(i);
}
END_TEST

START_TEST(prefixes)
{
    struct fake_inst *i =
        make(PST_SCOPE_EDGE, "max_conns_per_client = 1; ipv4_prefix = 24; ipv6_prefix = 56;");
    pst_conn *a = admitted(i, "192.0.2.1"), *b = admitted(i, "2001:db8:0:100::1");

    refused(i, PST_STAGE_ADMIT, "192.0.2.255", "limit-conns", "192.0.2.0/24: max_conns_per_client");
    refused(i, PST_STAGE_ADMIT, "2001:db8:0:1ff::2", "limit-conns",
            "2001:db8:0:100::/56: max_conns_per_client");
    passes(i, "192.0.3.1");
    passes(i, "2001:db8:0:200::1");
    fake_conn_end(a, NULL);
    fake_conn_end(b, NULL);
    fake_inst_free(i);
    /* By default a client is one IPv4 address, or what one IPv6 customer has. */
    i = make(PST_SCOPE_EDGE, "max_conns_per_client = 1;");
    a = admitted(i, "192.0.2.1");
    b = admitted(i, "2001:db8::1");
    passes(i, "192.0.2.2");
    passes(i, "2001:db8:0:1::1");
    refused(i, PST_STAGE_ADMIT, "2001:db8::2", "limit-conns",
            "2001:db8::/64: max_conns_per_client");
    fake_conn_end(a, NULL);
    fake_conn_end(b, NULL);
    fake_inst_free(i);
}
END_TEST

START_TEST(mapped_is_ipv4)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "max_conns_per_client = 1;");
    pst_conn *a = admitted(i, "::ffff:192.0.2.1");

    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-conns", "192.0.2.1/32: max_conns_per_client");
    passes(i, "::ffff:192.0.2.2");
    fake_conn_end(a, NULL);
    fake_inst_free(i);
}
END_TEST

START_TEST(exempt)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "max_conns_per_client = 1; max_conns = 4;"
                                               "exempt = [\"10.0.0.0/8\", \"2001:db8::/32\"];");
    pst_conn *c[4] = { admitted(i, "10.1.1.1"), admitted(i, "10.1.1.1"), admitted(i, "2001:db8::1"),
                       admitted(i, "2001:db8::1") };

    refused(i, PST_STAGE_ADMIT, "10.1.1.1", "limit-conns", "max_conns");
    fake_conn_end(c[0], NULL);
    c[0] = admitted(i, "11.0.0.1");
    refused(i, PST_STAGE_ADMIT, "11.0.0.1", "limit-conns", "11.0.0.1/32: max_conns_per_client");
    for (int n = 0; n < 4; n++) {
        fake_conn_end(c[n], NULL);
    }
    fake_inst_free(i);
}
END_TEST

/* A PROXY header between accept and hello names the client that is judged. */
START_TEST(listener_judges_the_effective_client)
{
    struct fake_inst *i =
        make(PST_SCOPE_LISTENER, "max_conns_per_client = 1; max_preread_per_client = 2;");
    pst_conn *a = from("10.0.0.1"), *b = from("10.0.0.1");

    ck_assert_int_eq(fake_conn_run(a, i, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    ck_assert_int_eq(fake_conn_run(b, i, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    ck_assert_int_eq(metric("preread"), 2);
    refused(i, PST_STAGE_ACCEPT, "10.0.0.1", "limit-preread",
            "10.0.0.1/32: max_preread_per_client");
    fake_conn_set_ip(a, "conn.client_ip", "192.0.2.1");
    fake_conn_set_ip(b, "conn.client_ip", "192.0.2.1");
    ck_assert_int_eq(fake_conn_run(a, i, PST_STAGE_CLIENT_HELLO, NULL), PST_NEXT);
    ck_assert_int_eq(metric("preread"), 1);
    ck_assert_int_eq(fake_conn_run(b, i, PST_STAGE_CLIENT_HELLO, NULL), PST_DENY);
    ck_assert_str_eq(fake_conn_deny_text(b), "192.0.2.1/32: max_conns_per_client");
    fake_conn_end(a, NULL);
    fake_conn_end(b, NULL);
    ck_assert_int_eq(metric("preread"), 0);
    ck_assert_int_eq(metric("conns"), 0);
    fake_inst_free(i);
}
END_TEST

START_TEST(preread_in_all)
{
    struct fake_inst *i = make(PST_SCOPE_LISTENER, "max_preread = 2;");
    pst_conn *a = from("192.0.2.1"), *b = from("unix");

    ck_assert_int_eq(fake_conn_run(a, i, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    ck_assert_int_eq(fake_conn_run(b, i, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    refused(i, PST_STAGE_ACCEPT, "192.0.2.3", "limit-preread", "max_preread");
    /* One ends without a hello, the other sends it: both make room. */
    fake_conn_end(b, NULL);
    ck_assert_int_eq(fake_conn_run(a, i, PST_STAGE_CLIENT_HELLO, NULL), PST_NEXT);
    b = from("192.0.2.2");
    ck_assert_int_eq(fake_conn_run(b, i, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    fake_conn_end(a, NULL);
    fake_conn_end(b, NULL);
    ck_assert_int_eq(metric("preread"), 0);
    ck_assert_int_eq(metric("denied_preread"), 1);
    fake_inst_free(i);
}
END_TEST

START_TEST(penalty_after_failures)
{
    static const uint32_t reasons[] = { PST_END_HELLO_TIMEOUT,    PST_END_BAD_HELLO,
                                        PST_END_HELLO_TOO_LARGE,  PST_END_NO_SNI,
                                        PST_END_UNKNOWN_SNI,      PST_END_NOT_TLS,
                                        PST_END_HANDSHAKE_FAILED, PST_END_HANDSHAKE_TIMEOUT };
    static const uint32_t innocent[] = { PST_END_CLIENT_FIN, PST_END_DENIED, PST_END_CONNECT_FAILED,
                                         PST_END_IDLE, PST_END_RESET };
    struct fake_inst *i = make(PST_SCOPE_LISTENER, "max_failures = \"8/1m\"; penalty = \"10s\";");

    for (size_t n = 0; n < sizeof(reasons) / sizeof(reasons[0]); n++) {
        fails(i, "192.0.2.1", reasons[n]);
    }
    for (size_t n = 0; n < 50; n++) {
        fails(i, "192.0.2.1", innocent[n % (sizeof(innocent) / sizeof(innocent[0]))]);
    }
    ck_assert_int_eq(metric("penalties"), 0);
    fails(i, "192.0.2.1", PST_END_BAD_HELLO);
    ck_assert_int_eq(metric("penalties"), 1);
    ck_assert(fake_host_saw(host, "too many failed handshakes: 192.0.2.1/32 is refused"));
    refused(i, PST_STAGE_ACCEPT, "192.0.2.1", "limit-penalty",
            "192.0.2.1/32: too many failed handshakes");
    refused(i, PST_STAGE_CLIENT_HELLO, "192.0.2.1", "limit-penalty",
            "192.0.2.1/32: too many failed handshakes");
    fails(i, "192.0.2.2", PST_END_BAD_HELLO);
    fake_host_advance(host, 9999);
    refused(i, PST_STAGE_ACCEPT, "192.0.2.1", "limit-penalty",
            "192.0.2.1/32: too many failed handshakes");
    fake_host_advance(host, 1);
    /* And he has all his failures again. */
    for (size_t n = 0; n < 8; n++) {
        fails(i, "192.0.2.1", PST_END_BAD_HELLO);
    }
    ck_assert_int_eq(metric("penalties"), 1);
    fake_inst_free(i);
}
END_TEST

START_TEST(full_table_refuses)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "max_conns_per_client = 1; table_size = 256;");
    pst_conn *c[256];
    char ip[32];

    for (int n = 0; n < 256; n++) {
        snprintf(ip, sizeof(ip), "192.0.2.%d", n);
        c[n] = admitted(i, ip);
    }
    refused(i, PST_STAGE_ADMIT, "198.51.100.1", "limit-table",
            "198.51.100.1/32: table_size: no room for one more client");
    ck_assert_int_eq(metric("table_full"), 1);
    ck_assert_int_eq(metric("clients"), 256);
    fake_conn_end(c[255], NULL);
    passes(i, "198.51.100.1");
    ck_assert_int_eq(metric("clients_forgotten"), 0);
    for (int n = 0; n < 255; n++) {
        fake_conn_end(c[n], NULL);
    }
    fake_inst_free(i);
}
END_TEST

START_TEST(forgetting_is_told)
{
    struct fake_inst *i =
        make(PST_SCOPE_EDGE, "conn_rate_per_client = \"1/1h\"; table_size = 256;");
    char ip[32];

    for (int n = 0; n < 256; n++) {
        snprintf(ip, sizeof(ip), "192.0.2.%d", n);
        passes(i, ip);
    }
    refused(i, PST_STAGE_ADMIT, "192.0.2.0", "limit-rate", "192.0.2.0/32: conn_rate_per_client");
    ck_assert(!fake_host_saw(host, "table_size"));
    passes(i, "198.51.100.1");
    ck_assert_int_eq(metric("clients_forgotten"), 1);
    ck_assert(fake_host_saw(host, "more clients than table_size: the oldest are forgotten"));
    /* The one seen longest ago: .0 was seen again. */
    refused(i, PST_STAGE_ADMIT, "192.0.2.0", "limit-rate", "192.0.2.0/32: conn_rate_per_client");
    passes(i, "192.0.2.1");
    fake_inst_free(i);
}
END_TEST

START_TEST(reload_keeps_counts)
{
    static const char config[] = "max_conns_per_client = 2; max_conns = 3;";
    struct fake_inst *i = make(PST_SCOPE_EDGE, config), *next = make(PST_SCOPE_EDGE, config);
    pst_conn *a = admitted(i, "192.0.2.1"), *b;

    ck_assert_int_eq(fake_inst_adopt(next, i), PST_OK);
    b = admitted(next, "192.0.2.1");
    refused(next, PST_STAGE_ADMIT, "192.0.2.1", "limit-conns",
            "192.0.2.1/32: max_conns_per_client");
    /* The old generation's connection ends, then the generation. */
    fake_conn_end(a, NULL);
    fake_inst_free(i);
    a = admitted(next, "192.0.2.1");
    refused(next, PST_STAGE_ADMIT, "192.0.2.1", "limit-conns",
            "192.0.2.1/32: max_conns_per_client");
    fake_conn_end(a, NULL);
    fake_conn_end(b, NULL);
    ck_assert_int_eq(metric("clients"), 1);
    ck_assert(!fake_host_saw(host, "from zero"));
    fake_inst_free(next);
    ck_assert_int_eq(metric("clients"), 0);
    ck_assert_int_eq(metric("conns"), 0);
}
END_TEST

/* Whoever was refused by a rate that a reload raises waits for the new one, not for the old one. */
START_TEST(reload_raises_rates)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "conn_rate_per_client = \"1/1d\";");
    struct fake_inst *next = make(PST_SCOPE_EDGE, "conn_rate_per_client = \"10/10s\";");
    struct fake_inst *all = make(PST_SCOPE_EDGE, "conn_rate = \"1/1d\";");
    struct fake_inst *all_next = make(PST_SCOPE_EDGE, "conn_rate = \"10/10s\";");

    passes(i, "192.0.2.1");
    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    passes(all, "192.0.2.1");
    ck_assert_int_eq(fake_inst_adopt(next, i), PST_OK);
    ck_assert_int_eq(fake_inst_adopt(all_next, all), PST_OK);
    refused(next, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    refused(all_next, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "conn_rate");
    fake_host_advance(host, 1000);
    passes(next, "192.0.2.1");
    passes(all_next, "192.0.2.1");
    refused(next, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    refused(all_next, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "conn_rate");
    fake_inst_free(i);
    fake_inst_free(next);
    fake_inst_free(all);
    fake_inst_free(all_next);
}
END_TEST

/* The totals stay when the clients cannot. A candidate that is given up gives back what it took. */
START_TEST(reload_with_another_table)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "max_conns_per_client = 1; max_conns = 2;");
    struct fake_inst *next =
        make(PST_SCOPE_EDGE, "max_conns_per_client = 1; max_conns = 2; ipv6_prefix = 48;");
    pst_conn *a = admitted(i, "192.0.2.1"), *b;

    ck_assert_int_eq(fake_inst_adopt(next, i), PST_OK);
    ck_assert(fake_host_saw(host, "from zero"));
    fake_inst_free(next);
    next = make(PST_SCOPE_EDGE, "max_conns_per_client = 1; max_conns = 2; table_size = 1024;");
    ck_assert_int_eq(fake_inst_adopt(next, i), PST_OK);
    b = admitted(next, "192.0.2.1");
    refused(next, PST_STAGE_ADMIT, "192.0.2.2", "limit-conns", "max_conns");
    fake_conn_end(a, NULL);
    passes(next, "192.0.2.2");
    fake_conn_end(b, NULL);
    fake_inst_free(i);
    fake_inst_free(next);
    ck_assert_int_eq(metric("clients"), 0);
    ck_assert_int_eq(metric("conns"), 0);
}
END_TEST

START_TEST(wrong_configurations)
{
    static const struct {
        uint32_t scope;
        const char *config, *text;
    } cases[] = {
        { PST_SCOPE_EDGE, "", "nothing is limited" },
        { PST_SCOPE_EDGE, "max_conns = 0;", "max_conns" },
        { PST_SCOPE_EDGE, "max_con = 1;", "unknown key" },
        { PST_SCOPE_EDGE, "max_preread = 1;", "max_preread" },
        { PST_SCOPE_EDGE, "conn_rate = \"fast\";", "conn_rate: \"fast\" is not a rate" },
        { PST_SCOPE_EDGE, "conn_rate = \"10/\";", "conn_rate: \"10/\" is not a rate" },
        { PST_SCOPE_EDGE, "max_failures = \"0/1s\";", "max_failures: \"0/1s\" is not a rate" },
        { PST_SCOPE_EDGE, "conn_rate = \"1/1d\"; burst = 31;",
          "burst: a burst of 31 needs more than 30 days" },
        { PST_SCOPE_EDGE, "max_conns = 1; burst = 5;",
          "burst: \"burst\" means nothing without \"conn_rate\"" },
        { PST_SCOPE_EDGE, "max_conns = 1; burst_per_client = 5;",
          "\"burst_per_client\" means nothing without \"conn_rate_per_client\"" },
        { PST_SCOPE_EDGE, "max_conns = 1; penalty = \"1s\";",
          "penalty: \"penalty\" means nothing without \"max_failures\"" },
        { PST_SCOPE_EDGE, "max_conns_per_client = 1; ipv4_prefix = 33;", "ipv4_prefix" },
        { PST_SCOPE_EDGE, "max_conns_per_client = 1; table_size = 10;", "table_size" },
        { PST_SCOPE_EDGE, "max_conns_per_client = 1; exempt = [\"10.0.0.1/8\"];", "exempt[0]" },
    };

    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        fake_host_forget(host);
        ck_assert_ptr_null(fake_inst_new(module, cases[n].scope, "api", cases[n].config));
        ck_assert_msg(fake_host_saw(host, cases[n].text), "%s: %s", cases[n].config,
                      fake_host_transcript(host));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conn-limits");
    TCase *t = tcase_create("module");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, descriptor);
    tcase_add_test(t, conns_per_client);
    tcase_add_test(t, conns_in_all);
    tcase_add_test(t, rate_with_burst);
    tcase_add_test(t, rate_in_all);
    tcase_add_test(t, prefixes);
    tcase_add_test(t, mapped_is_ipv4);
    tcase_add_test(t, exempt);
    tcase_add_test(t, listener_judges_the_effective_client);
    tcase_add_test(t, preread_in_all);
    tcase_add_test(t, penalty_after_failures);
    tcase_add_test(t, full_table_refuses);
    tcase_add_test(t, forgetting_is_told);
    tcase_add_test(t, reload_keeps_counts);
    tcase_add_test(t, reload_raises_rates);
    tcase_add_test(t, reload_with_another_table);
    tcase_add_test(t, wrong_configurations);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
