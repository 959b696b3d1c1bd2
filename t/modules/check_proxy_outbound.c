/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built module on an edge: what an upstream gets first. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_rig.h"

/* What the upstream of this connection gets first. */
static struct pst_str sent(pst_conn *c)
{
    ck_assert_int_eq(fake_conn_run(c, rig_out, PST_STAGE_UPSTREAM_READY, NULL), PST_NEXT);
    ck_assert_uint_eq(fake_conn_prepended(c, PST_LAYER_APP).n, 0);
    return fake_conn_prepended(c, PST_LAYER_WIRE);
}

/* Its TLVs are these. */
static void sent_tlvs(pst_conn *c, const char *want, size_t n)
{
    struct pst_str s = sent(c);

    ck_assert_uint_eq(s.n, 28 + n);
    ck_assert_mem_eq(s.p, SIG "\x21\x11", 14);
    ck_assert_uint_eq((uint8_t)s.p[14] * 256u + (uint8_t)s.p[15], 12 + n);
    ck_assert_mem_eq(s.p + 28, want, n);
}

#define SENT(c, z) sent_tlvs(c, z, sizeof(z) - 1)

START_TEST(sends_version_1)
{
    static const char want[] = "PROXY TCP4 10.0.0.1 10.0.0.2 1000 443\r\n";
    pst_conn *c = rig_conn();
    struct pst_str s;

    rig_out = rig_make(PST_SCOPE_EDGE, "send = 1;");
    s = sent(c);
    ck_assert_uint_eq(s.n, strlen(want));
    ck_assert_mem_eq(s.p, want, s.n);
    fake_conn_end(c, NULL);
    c = rig_conn();
    fake_conn_set_ip(c, "conn.client_ip", "unix");
    s = sent(c);
    ck_assert_uint_eq(s.n, 15);
    ck_assert_mem_eq(s.p, "PROXY UNKNOWN\r\n", 15);
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(sends_version_2)
{
    pst_conn *c = rig_conn();

    rig_out = rig_make(PST_SCOPE_EDGE, "send = 2;");
    SENT(c, "");
    ck_assert_mem_eq(fake_conn_prepended(c, PST_LAYER_WIRE).p + 16,
                     "\x0a\0\0\1\x0a\0\0\2\x03\xe8\1\xbb", 12);
    ck_assert_int_eq(fake_host_metric(rig_host, "proxy-protocol", "sent"), 1);
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(sends_names)
{
    pst_conn *c = rig_conn();

    rig_out = rig_make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"alpn\", \"authority\", \"ssl\" ];");
    fake_conn_set_str(c, "conn.tls.sni", "a.test");
    /* Without termination nothing but the name is known. */
    SENT(c, "\2\0\6a.test");
    fake_conn_end(c, NULL);
}
END_TEST

static void set_bool(pst_conn *c, const char *name, uint64_t b)
{
    struct pst_value v = { .type = PST_VALUE_BOOL };

    v.u.u64 = b;
    fake_conn_set(c, name, &v);
}

static void set_bytes(pst_conn *c, const char *name, const char *p, size_t n)
{
    struct pst_value v = { .type = PST_VALUE_BYTES };

    v.u.str = (struct pst_str){ p, n };
    fake_conn_set(c, name, &v);
}

static pst_conn *terminated(void)
{
    pst_conn *c = rig_conn();

    fake_conn_set_str(c, "conn.tls.version", "TLSv1.3");
    fake_conn_set_str(c, "conn.tls.cipher", "C");
    fake_conn_set_str(c, "conn.tls.group", "x25519");
    fake_conn_set_str(c, "conn.tls.cert.sig", "SHA256");
    fake_conn_set_str(c, "conn.tls.cert.key", "EC256");
    set_bool(c, "conn.tls.resumed", 0);
    return c;
}

static void with_peer(pst_conn *c, uint64_t verified, uint64_t resumed)
{
    set_bool(c, "conn.tls.peer.verified", verified);
    set_bool(c, "conn.tls.resumed", resumed);
    fake_conn_set_str(c, "conn.tls.peer.cn", "me");
    set_bytes(c, "conn.tls.peer.cert_sha256", "0123456789abcdef0123456789abcdef", 32);
    set_bytes(c, "conn.tls.peer.der", "DER", 3);
}

/* The variables of a terminator must be known before an instance looks for them. */
static void knows_tls(void)
{
    pst_conn *c = terminated();

    with_peer(c, 1, 0);
    fake_conn_set_str(c, "conn.tls.sni", "a.test");
    fake_conn_set_str(c, "conn.tls.alpn", "h2");
    fake_conn_end(c, NULL);
    fake_host_forget(rig_host);
}

static void setup(void)
{
    rig_setup();
    knows_tls();
}

#define FACTS                                                                                      \
    "\x21\0\7TLSv1.3\x23\0\1C\x26\0\6x25519\x24\0\6SHA256\x25\0\5"                                 \
    "EC256"

START_TEST(sends_ssl)
{
    pst_conn *c = terminated();

    rig_out = rig_make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"ssl\", \"alpn\" ];");
    fake_conn_set_str(c, "conn.tls.alpn", "h2");
    SENT(c, "\1\0\2h2\x20\0\x2d\1\0\0\0\1" FACTS);
    fake_conn_end(c, NULL);
    c = terminated();
    with_peer(c, 1, 0);
    SENT(c, "\x20\0\x32\7\0\0\0\0" FACTS "\x22\0\2me");
    fake_conn_end(c, NULL);
    c = terminated();
    with_peer(c, 0, 0);
    SENT(c, "\x20\0\x32\7\0\0\0\1" FACTS "\x22\0\2me");
    fake_conn_end(c, NULL);
    c = terminated();
    with_peer(c, 1, 1);
    SENT(c, "\x20\0\x32\5\0\0\0\0" FACTS "\x22\0\2me");
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(sends_the_client_certificate)
{
    pst_conn *c = terminated();

    rig_out = rig_make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"ssl\", \"ssl-client-cert\" ];");
    with_peer(c, 1, 0);
    SENT(c, "\x20\0\x38\7\0\0\0\0" FACTS "\x22\0\2me\x28\0\3DER");
    fake_conn_end(c, NULL);
}
END_TEST

/* A certificate too large for the header is what is left out, and it is counted. */
START_TEST(leaves_out_a_large_certificate)
{
    static char der[5000];
    pst_conn *c = terminated();

    rig_out = rig_make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"ssl\", \"ssl-client-cert\" ];");
    with_peer(c, 1, 0);
    set_bytes(c, "conn.tls.peer.der", der, sizeof(der));
    SENT(c, "\x20\0\x32\7\0\0\0\0" FACTS "\x22\0\2me");
    ck_assert_int_eq(fake_host_metric(rig_host, "proxy-protocol", "left_out"), 1);
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(sends_a_unique_id)
{
    pst_conn *c = rig_conn();
    struct pst_str s;
    char id[64];

    rig_out = rig_make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"unique-id\" ];");
    s = sent(c);
    ck_assert_uint_eq(s.n, 28 + 3 + 16 + 5);
    ck_assert_mem_eq(s.p + 28, "\5\0\x15", 3);
    ck_assert_mem_eq(s.p + 28 + 3 + 16, "-1025", 5);
    snprintf(id, sizeof(id), "%.21s", s.p + 31);
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.sent_unique_id"), id);
    fake_conn_end(c, NULL);
}
END_TEST

/* The checksum's own test is in check_proxy_wire; here it is that it is asked for. */
START_TEST(sends_a_checksum)
{
    pst_conn *c = rig_conn();
    struct pst_str s;

    rig_out = rig_make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"crc32c\" ];");
    s = sent(c);
    ck_assert_uint_eq(s.n, 28 + 7);
    ck_assert_mem_eq(s.p + 28, "\3\0\4", 3);
    ck_assert_mem_ne(s.p + 31, "\0\0\0\0", 4);
    fake_conn_end(c, NULL);
}
END_TEST

/* A chain of proxies is seen through to its beginning. */
START_TEST(passes_on_addresses_and_allowed_tlvs)
{
    pst_conn *c = rig_conn();

    rig_in = rig_make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    rig_out = rig_make(PST_SCOPE_EDGE, "send = 2; forward = [ \"0xea\", \"unique-id\", \"netns\" ];"
                                       "tlvs = [ \"authority\", \"unique-id\" ];");
    fake_conn_set_str(c, "conn.tls.sni", "b.test");
    rig_receive(c);
    /* What is not in the list stays here; what is takes the place of ours. */
    SENT(c, "\2\0\6b.test\x05\0\3id7\x30\0\2ns\xea\0\3vpc");
    ck_assert_mem_eq(fake_conn_prepended(c, PST_LAYER_WIRE).p + 16,
                     "\xc6\x33\x64\7\xcb\0\x71\1\x12\x67\1\xbb", 12);
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.sent_unique_id"), "");
    fake_conn_end(c, NULL);
    /* Without a received header the list changes nothing. */
    c = rig_conn();
    fake_conn_set_str(c, "conn.tls.sni", "b.test");
    ck_assert_uint_eq(sent(c).n, 28 + 9 + 3 + 21);
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(wrong_configurations)
{
    rig_refuses(PST_SCOPE_EDGE, "", "\"send\" is missing");
    rig_refuses(PST_SCOPE_EDGE, "send = 3;", "send");
    rig_refuses(PST_SCOPE_EDGE, "send = 0;", "send");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; accept = [ \"::1\" ];", "accept");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"sni\" ];", "tlvs[0]");
    rig_refuses(PST_SCOPE_EDGE, "send = 1; tlvs = [ \"authority\" ];", "version 1 has no TLVs");
    rig_refuses(PST_SCOPE_EDGE, "send = 1; forward = [ \"alpn\" ];", "version 1 has no TLVs");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"ssl-client-cert\" ];", "a part of \"ssl\"");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"crc32c\" ];", "not a type");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x03\" ];", "cannot be passed on");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x4\" ];", "cannot be passed on");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x100\" ];", "not a type");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x-1\" ];", "not a type");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x\" ];", "not a type");
    rig_refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"224\" ];", "not a type");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proxy_outbound");
    TCase *t = tcase_create("module");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, rig_teardown);
    tcase_add_test(t, sends_version_1);
    tcase_add_test(t, sends_version_2);
    tcase_add_test(t, sends_names);
    tcase_add_test(t, sends_ssl);
    tcase_add_test(t, sends_the_client_certificate);
    tcase_add_test(t, leaves_out_a_large_certificate);
    tcase_add_test(t, sends_a_unique_id);
    tcase_add_test(t, sends_a_checksum);
    tcase_add_test(t, passes_on_addresses_and_allowed_tlvs);
    tcase_add_test(t, wrong_configurations);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
