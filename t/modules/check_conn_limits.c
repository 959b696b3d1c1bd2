/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conn-limits: what each limit lets in. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "conn_limits_rig.h"

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

int main(void)
{
    Suite *s = suite_create("conn-limits");
    TCase *t = tcase_create("limits");
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
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
