/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built module on a listener: whose header is taken, and what becomes known by it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_rig.h"

#define LINE "PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n"

START_TEST(descriptor)
{
    const struct pst_module *d = fake_module_desc(rig_module);

    ck_assert_str_eq(d->name, "proxy-protocol");
    ck_assert_uint_eq(d->scopes, PST_SCOPE_LISTENER | PST_SCOPE_EDGE);
    /* `enforce = false` would let in whoever should have said who the client is. */
    ck_assert_uint_eq(d->flags, 0);
}
END_TEST

START_TEST(takes_the_header_of_a_named_peer)
{
    static const char bytes[] = LINE "\x16\x03\x01";
    size_t n = strlen(LINE);
    pst_conn *c = rig_conn();

    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"192.0.2.0/24\", \"10.0.0.0/31\" ];");
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(rig_preface(c, bytes, i, 0), PST_MORE);
        ck_assert_uint_eq(rig_shown.consumed, 0);
    }
    ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "10.0.0.1");
    ck_assert_int_eq(rig_preface(c, bytes, sizeof(bytes) - 1, 0), PST_NEXT);
    ck_assert_uint_eq(rig_shown.consumed, n);
    ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "198.51.100.7");
    ck_assert(fake_host_saw(rig_host, "client_addr 198.51.100.7 port 4711"));
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.version"), "1");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.command"), "PROXY");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.dst_ip"), "203.0.113.1");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.dst_port"), "443");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.tlvs"), "");
    ck_assert_int_eq(fake_host_metric(rig_host, "proxy-protocol", "accepted"), 1);
    fake_conn_end(c, NULL);
}
END_TEST

/* Who is not named cannot even make us look. */
START_TEST(ignores_everybody_else)
{
    static const char *const others[] = { "10.0.0.2", "2001:db8::1", "11.0.0.0", "unix" };

    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.0/31\", \"2001:db8:1::/48\" ];");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        pst_conn *c = rig_conn();

        fake_conn_set_ip(c, "conn.peer_ip", others[i]);
        ck_assert_int_eq(rig_preface(c, LINE, strlen(LINE), 0), PST_NEXT);
        ck_assert_uint_eq(rig_shown.consumed, 0);
        ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "10.0.0.1");
        ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.version"), "");
        fake_conn_end(c, NULL);
    }
}
END_TEST

START_TEST(knows_networks)
{
    static const struct {
        const char *net, *inside, *outside;
    } cases[] = {
        { "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
        { "0.0.0.0/0", "203.0.113.9", "::1" },
        { "::/0", "::1", "203.0.113.9" },
        { "::ffff:10.0.0.0/104", "10.9.9.9", "::1" },
        { "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
        { "192.0.2.9", "192.0.2.9", "192.0.2.8" },
        { "unix", "unix", "127.0.0.1" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char config[128];
        pst_conn *c = rig_conn();

        snprintf(config, sizeof(config), "accept = [ \"%s\" ];", cases[i].net);
        rig_in = rig_make(PST_SCOPE_LISTENER, config);
        fake_conn_set_ip(c, "conn.peer_ip", cases[i].inside);
        ck_assert_int_eq(rig_preface(c, LINE, 5, 0), PST_MORE);
        fake_conn_set_ip(c, "conn.peer_ip", cases[i].outside);
        ck_assert_int_eq(rig_preface(c, LINE, 5, 0), PST_NEXT);
        fake_conn_end(c, NULL);
        fake_inst_free(rig_in);
        rig_in = NULL;
    }
}
END_TEST

START_TEST(denies_with_a_reason)
{
    static const struct {
        const char *bytes;
        size_t n;
        uint32_t eof;
        const char *code;
    } cases[] = {
        { "\x16\x03\x01", 3, 0, "proxy-missing" },
        { "GET / HTTP/1.1\r\n", 16, 0, "proxy-missing" },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", 33, 0, "proxy-bad-header" },
        { SIG "\x31", 13, 0, "proxy-bad-header" },
        { SIG "\x21\x11\xff\xff", 16, 0, "proxy-bad-header" },
        { "PROXY", 5, 1, "proxy-truncated" },
        { SIG "\x21\x11\0\x0c", 16, 1, "proxy-truncated" },
    };

    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pst_conn *c = rig_conn();

        ck_assert_int_eq(rig_preface(c, cases[i].bytes, cases[i].n, cases[i].eof), PST_DENY);
        ck_assert_str_eq(fake_conn_deny_code(c), cases[i].code);
        ck_assert_str_ne(fake_conn_deny_text(c), "");
        ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "10.0.0.1");
        fake_conn_end(c, NULL);
    }
    ck_assert_int_eq(fake_host_metric(rig_host, "proxy-protocol", "refused"), 7);
}
END_TEST

START_TEST(says_nothing_about_a_peer_that_says_nothing)
{
    pst_conn *c = rig_conn();

    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    ck_assert_int_eq(rig_preface(c, "", 0, 0), PST_MORE);
    ck_assert_int_eq(rig_preface(c, "", 0, 1), PST_NEXT);
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(keeps_the_peer_without_an_address)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *command;
    } cases[] = {
        { "PROXY UNKNOWN\r\n", 15, "PROXY" },
        { SIG "\x20\x00\0\0", 16, "LOCAL" },
        { SIG "\x20\x11\0\x0c\1\2\3\4\5\6\7\x08\0\1\0\2", 28, "LOCAL" },
        { SIG "\x21\x00\0\0", 16, "PROXY" },
        { SIG "\x21\x12\0\x0c\1\2\3\4\5\6\7\x08\0\1\0\2", 28, "PROXY" },
    };

    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pst_conn *c = rig_conn();

        ck_assert_int_eq(rig_preface(c, cases[i].bytes, cases[i].n, 0), PST_NEXT);
        ck_assert_uint_eq(rig_shown.consumed, cases[i].n);
        ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "10.0.0.1");
        ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.command"), cases[i].command);
        ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.dst_ip"), "");
        fake_conn_end(c, NULL);
    }
    ck_assert_int_eq(fake_host_metric(rig_host, "proxy-protocol", "local"), 2);
}
END_TEST

/* A client of a unix socket has no address that a rule could allow. */
START_TEST(a_client_of_a_unix_socket)
{
    uint8_t header[16 + 216] = { 0 };
    pst_conn *c = rig_conn();

    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    memcpy(header, SIG "\x21\x31\0\xd8", 16);
    ck_assert_int_eq(rig_preface(c, header, sizeof(header), 0), PST_NEXT);
    ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "unix");
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(received_tlvs_are_variables)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        { "authority", "a.test" },    { "alpn", "h2" },
        { "unique_id", "id7" },       { "netns", "ns" },
        { "tlv.ea", "vpc" },          { "tlv.e0", "" },
        { "ssl.version", "TLSv1.3" }, { "ssl.cn", "cn" },
        { "ssl.cipher", "" },         { "ssl.client", "7" },
        { "ssl.verify", "2" },        { "sent_unique_id", "" },
    };
    pst_conn *c = rig_conn();

    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    rig_receive(c);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64];

        snprintf(name, sizeof(name), "proxy-protocol.%s", cases[i].name);
        ck_assert_str_eq(fake_conn_var(c, name), cases[i].value);
    }
    fake_conn_end(c, NULL);
    c = rig_conn();
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.authority"), "");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.ssl.client"), "");
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(wrong_configurations)
{
    rig_refuses(PST_SCOPE_LISTENER, "", "\"accept\" is missing");
    rig_refuses(PST_SCOPE_LISTENER, "accept = [];", "names no peer that sends a header");
    rig_refuses(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1/8\" ];", "host bits");
    rig_refuses(PST_SCOPE_LISTENER, "accept = [ \"::1\", \"balancer\" ];", "accept[1]");
    rig_refuses(PST_SCOPE_LISTENER, "accept = [ \"::1\" ]; send = 2;", "send");
}
END_TEST

START_TEST(warns_when_everybody_is_believed)
{
    fake_host_forget(rig_host);
    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"::/0\" ];");
    ck_assert(fake_host_saw(rig_host, "everybody may claim"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proxy_inbound");
    TCase *t = tcase_create("module");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_test(t, descriptor);
    tcase_add_test(t, takes_the_header_of_a_named_peer);
    tcase_add_test(t, ignores_everybody_else);
    tcase_add_test(t, knows_networks);
    tcase_add_test(t, denies_with_a_reason);
    tcase_add_test(t, says_nothing_about_a_peer_that_says_nothing);
    tcase_add_test(t, keeps_the_peer_without_an_address);
    tcase_add_test(t, a_client_of_a_unix_socket);
    tcase_add_test(t, received_tlvs_are_variables);
    tcase_add_test(t, wrong_configurations);
    tcase_add_test(t, warns_when_everybody_is_believed);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
