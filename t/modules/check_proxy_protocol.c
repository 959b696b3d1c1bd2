/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built module through the fake host. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"

#define SIG  "\r\n\r\n\0\r\nQUIT\n"
#define LINE "PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n"

static struct fake_host *host;
static struct fake_module *module;
static struct fake_inst *in, *out;

static void knows_tls(void);

static void setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR");

    snprintf(so, sizeof(so), "%s/proxy-protocol.so", modules != NULL ? modules : ".");
    host = fake_host_new();
    module = fake_module_load(host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(host));
    in = out = NULL;
    knows_tls();
}

static void teardown(void)
{
    fake_inst_free(in);
    fake_inst_free(out);
    fake_host_free(host);
}

static struct fake_inst *make(uint32_t scope, const char *config)
{
    struct fake_inst *i = fake_inst_new(module, scope, "chain", config);

    ck_assert_msg(i != NULL, "%s", fake_host_transcript(host));
    ck_assert_int_eq(fake_inst_link(i), PST_OK);
    return i;
}

static void refuses(uint32_t scope, const char *config, const char *text)
{
    fake_host_forget(host);
    ck_assert_ptr_null(fake_inst_new(module, scope, "chain", config));
    ck_assert_msg(fake_host_saw(host, text), "no \"%s\" in: %s", text, fake_host_transcript(host));
}

static void set_addr(pst_conn *c, const char *name, uint8_t a, uint16_t port)
{
    struct pst_value v = { .type = PST_VALUE_ADDR };

    v.u.addr = (struct pst_addr){ .family = PST_AF_INET, .port = port, .ip = { 10, 0, 0, a } };
    fake_conn_set(c, name, &v);
}

/* A connection of 10.0.0.1 to 10.0.0.2:443. */
static pst_conn *conn(void)
{
    pst_conn *c = fake_conn_new(host);
    struct pst_value id = { .type = PST_VALUE_U64 };

    id.u.u64 = 1025;
    fake_conn_set(c, "conn.id", &id);
    set_addr(c, "conn.peer_ip", 1, 1000);
    set_addr(c, "conn.client_ip", 1, 1000);
    set_addr(c, "conn.local_ip", 2, 443);
    return c;
}

static struct pst_preface shown;

static int32_t preface(pst_conn *c, const void *bytes, size_t n, uint32_t eof)
{
    shown = (struct pst_preface){ .size = sizeof(shown), .eof = eof, .data = bytes, .len = n };
    return fake_conn_run(c, in, PST_STAGE_PREFACE, &shown);
}

/* --- the listener ------------------------------------------------------------------------------ */

START_TEST(descriptor)
{
    const struct pst_module *d = fake_module_desc(module);

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
    pst_conn *c = conn();

    in = make(PST_SCOPE_LISTENER, "accept = [ \"192.0.2.0/24\", \"10.0.0.0/31\" ];");
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(preface(c, bytes, i, 0), PST_MORE);
        ck_assert_uint_eq(shown.consumed, 0);
    }
    ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "10.0.0.1");
    ck_assert_int_eq(preface(c, bytes, sizeof(bytes) - 1, 0), PST_NEXT);
    ck_assert_uint_eq(shown.consumed, n);
    ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "198.51.100.7");
    ck_assert(fake_host_saw(host, "client_addr 198.51.100.7 port 4711"));
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.version"), "1");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.command"), "PROXY");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.dst_ip"), "203.0.113.1");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.dst_port"), "443");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.tlvs"), "");
    ck_assert_int_eq(fake_host_metric(host, "proxy-protocol", "accepted"), 1);
    fake_conn_end(c, NULL);
}
END_TEST

/* Who is not named cannot even make us look. */
START_TEST(ignores_everybody_else)
{
    static const char *const others[] = { "10.0.0.2", "2001:db8::1", "11.0.0.0", "unix" };

    in = make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.0/31\", \"2001:db8:1::/48\" ];");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        pst_conn *c = conn();

        fake_conn_set_ip(c, "conn.peer_ip", others[i]);
        ck_assert_int_eq(preface(c, LINE, strlen(LINE), 0), PST_NEXT);
        ck_assert_uint_eq(shown.consumed, 0);
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
        pst_conn *c = conn();

        snprintf(config, sizeof(config), "accept = [ \"%s\" ];", cases[i].net);
        in = make(PST_SCOPE_LISTENER, config);
        fake_conn_set_ip(c, "conn.peer_ip", cases[i].inside);
        ck_assert_int_eq(preface(c, LINE, 5, 0), PST_MORE);
        fake_conn_set_ip(c, "conn.peer_ip", cases[i].outside);
        ck_assert_int_eq(preface(c, LINE, 5, 0), PST_NEXT);
        fake_conn_end(c, NULL);
        fake_inst_free(in);
        in = NULL;
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

    in = make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pst_conn *c = conn();

        ck_assert_int_eq(preface(c, cases[i].bytes, cases[i].n, cases[i].eof), PST_DENY);
        ck_assert_str_eq(fake_conn_deny_code(c), cases[i].code);
        ck_assert_str_ne(fake_conn_deny_text(c), "");
        ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "10.0.0.1");
        fake_conn_end(c, NULL);
    }
    ck_assert_int_eq(fake_host_metric(host, "proxy-protocol", "refused"), 7);
}
END_TEST

START_TEST(says_nothing_about_a_peer_that_says_nothing)
{
    pst_conn *c = conn();

    in = make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    ck_assert_int_eq(preface(c, "", 0, 0), PST_MORE);
    ck_assert_int_eq(preface(c, "", 0, 1), PST_NEXT);
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

    in = make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pst_conn *c = conn();

        ck_assert_int_eq(preface(c, cases[i].bytes, cases[i].n, 0), PST_NEXT);
        ck_assert_uint_eq(shown.consumed, cases[i].n);
        ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "10.0.0.1");
        ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.command"), cases[i].command);
        ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.dst_ip"), "");
        fake_conn_end(c, NULL);
    }
    ck_assert_int_eq(fake_host_metric(host, "proxy-protocol", "local"), 2);
}
END_TEST

/* A client of a unix socket has no address that a rule could allow. */
START_TEST(a_client_of_a_unix_socket)
{
    uint8_t header[16 + 216] = { 0 };
    pst_conn *c = conn();

    in = make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    memcpy(header, SIG "\x21\x31\0\xd8", 16);
    ck_assert_int_eq(preface(c, header, sizeof(header), 0), PST_NEXT);
    ck_assert_str_eq(fake_conn_var(c, "conn.client_ip"), "unix");
    fake_conn_end(c, NULL);
}
END_TEST

static const char tlvs[] =
    "\x02\0\6a.test\x01\0\2h2\x05\0\3id7\x30\0\2ns\xea\0\3vpc\x20\0\x17\7\0\0\0\2"
    "\x21\0\7TLSv1.3\x22\0\x02"
    "cn\x28\0\0";

/* Take a header of version 2 with these TLVs. */
static void receive(pst_conn *c, const char *area, size_t n)
{
    uint8_t header[4200];

    memcpy(header, SIG "\x21\x11", 14);
    header[14] = (uint8_t)((12 + n) >> 8);
    header[15] = (uint8_t)(12 + n);
    memcpy(header + 16, "\xc6\x33\x64\7\xcb\0\x71\1\x12\x67\1\xbb", 12);
    memcpy(header + 28, area, n);
    ck_assert_msg(preface(c, header, 28 + n, 0) == PST_NEXT, "%s", fake_conn_deny_text(c));
}

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
    pst_conn *c = conn();

    in = make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    receive(c, tlvs, sizeof(tlvs) - 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64];

        snprintf(name, sizeof(name), "proxy-protocol.%s", cases[i].name);
        ck_assert_str_eq(fake_conn_var(c, name), cases[i].value);
    }
    fake_conn_end(c, NULL);
    c = conn();
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.authority"), "");
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.ssl.client"), "");
    fake_conn_end(c, NULL);
}
END_TEST

/* --- the edge ---------------------------------------------------------------------------------- */

/* What the upstream of this connection gets first. */
static struct pst_str sent(pst_conn *c)
{
    ck_assert_int_eq(fake_conn_run(c, out, PST_STAGE_UPSTREAM_READY, NULL), PST_NEXT);
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
    pst_conn *c = conn();
    struct pst_str s;

    out = make(PST_SCOPE_EDGE, "send = 1;");
    s = sent(c);
    ck_assert_uint_eq(s.n, strlen(want));
    ck_assert_mem_eq(s.p, want, s.n);
    fake_conn_end(c, NULL);
    c = conn();
    fake_conn_set_ip(c, "conn.client_ip", "unix");
    s = sent(c);
    ck_assert_uint_eq(s.n, 15);
    ck_assert_mem_eq(s.p, "PROXY UNKNOWN\r\n", 15);
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(sends_version_2)
{
    pst_conn *c = conn();

    out = make(PST_SCOPE_EDGE, "send = 2;");
    SENT(c, "");
    ck_assert_mem_eq(fake_conn_prepended(c, PST_LAYER_WIRE).p + 16,
                     "\x0a\0\0\1\x0a\0\0\2\x03\xe8\1\xbb", 12);
    ck_assert_int_eq(fake_host_metric(host, "proxy-protocol", "sent"), 1);
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(sends_names)
{
    pst_conn *c = conn();

    out = make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"alpn\", \"authority\", \"ssl\" ];");
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
    pst_conn *c = conn();

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
    fake_host_forget(host);
}

#define FACTS                                                                                      \
    "\x21\0\7TLSv1.3\x23\0\1C\x26\0\6x25519\x24\0\6SHA256\x25\0\5"                                 \
    "EC256"

START_TEST(sends_ssl)
{
    pst_conn *c = terminated();

    out = make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"ssl\", \"alpn\" ];");
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

    out = make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"ssl\", \"ssl-client-cert\" ];");
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

    out = make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"ssl\", \"ssl-client-cert\" ];");
    with_peer(c, 1, 0);
    set_bytes(c, "conn.tls.peer.der", der, sizeof(der));
    SENT(c, "\x20\0\x32\7\0\0\0\0" FACTS "\x22\0\2me");
    ck_assert_int_eq(fake_host_metric(host, "proxy-protocol", "left_out"), 1);
    fake_conn_end(c, NULL);
}
END_TEST

START_TEST(sends_a_unique_id)
{
    pst_conn *c = conn();
    struct pst_str s;
    char id[64];

    out = make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"unique-id\" ];");
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
    pst_conn *c = conn();
    struct pst_str s;

    out = make(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"crc32c\" ];");
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
    pst_conn *c = conn();

    in = make(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1\" ];");
    out = make(PST_SCOPE_EDGE, "send = 2; forward = [ \"0xea\", \"unique-id\", \"netns\" ];"
                               "tlvs = [ \"authority\", \"unique-id\" ];");
    fake_conn_set_str(c, "conn.tls.sni", "b.test");
    receive(c, tlvs, sizeof(tlvs) - 1);
    /* What is not in the list stays here; what is takes the place of ours. */
    SENT(c, "\2\0\6b.test\x05\0\3id7\x30\0\2ns\xea\0\3vpc");
    ck_assert_mem_eq(fake_conn_prepended(c, PST_LAYER_WIRE).p + 16,
                     "\xc6\x33\x64\7\xcb\0\x71\1\x12\x67\1\xbb", 12);
    ck_assert_str_eq(fake_conn_var(c, "proxy-protocol.sent_unique_id"), "");
    fake_conn_end(c, NULL);
    /* Without a received header the list changes nothing. */
    c = conn();
    fake_conn_set_str(c, "conn.tls.sni", "b.test");
    ck_assert_uint_eq(sent(c).n, 28 + 9 + 3 + 21);
    fake_conn_end(c, NULL);
}
END_TEST

/* --- configuration ----------------------------------------------------------------------------- */

START_TEST(wrong_configurations)
{
    refuses(PST_SCOPE_LISTENER, "", "\"accept\" is missing");
    refuses(PST_SCOPE_LISTENER, "accept = [];", "names no peer that sends a header");
    refuses(PST_SCOPE_LISTENER, "accept = [ \"10.0.0.1/8\" ];", "host bits");
    refuses(PST_SCOPE_LISTENER, "accept = [ \"::1\", \"balancer\" ];", "accept[1]");
    refuses(PST_SCOPE_LISTENER, "accept = [ \"::1\" ]; send = 2;", "send");
    refuses(PST_SCOPE_EDGE, "", "\"send\" is missing");
    refuses(PST_SCOPE_EDGE, "send = 3;", "send");
    refuses(PST_SCOPE_EDGE, "send = 0;", "send");
    refuses(PST_SCOPE_EDGE, "send = 2; accept = [ \"::1\" ];", "accept");
    refuses(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"sni\" ];", "tlvs[0]");
    refuses(PST_SCOPE_EDGE, "send = 1; tlvs = [ \"authority\" ];", "version 1 has no TLVs");
    refuses(PST_SCOPE_EDGE, "send = 1; forward = [ \"alpn\" ];", "version 1 has no TLVs");
    refuses(PST_SCOPE_EDGE, "send = 2; tlvs = [ \"ssl-client-cert\" ];", "a part of \"ssl\"");
    refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"crc32c\" ];", "not a type");
    refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x03\" ];", "cannot be passed on");
    refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x4\" ];", "cannot be passed on");
    refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x100\" ];", "not a type");
    refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x-1\" ];", "not a type");
    refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"0x\" ];", "not a type");
    refuses(PST_SCOPE_EDGE, "send = 2; forward = [ \"224\" ];", "not a type");
}
END_TEST

START_TEST(warns_when_everybody_is_believed)
{
    fake_host_forget(host);
    in = make(PST_SCOPE_LISTENER, "accept = [ \"::/0\" ];");
    ck_assert(fake_host_saw(host, "everybody may claim"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proxy_protocol");
    TCase *t = tcase_create("module");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, descriptor);
    tcase_add_test(t, takes_the_header_of_a_named_peer);
    tcase_add_test(t, ignores_everybody_else);
    tcase_add_test(t, knows_networks);
    tcase_add_test(t, denies_with_a_reason);
    tcase_add_test(t, says_nothing_about_a_peer_that_says_nothing);
    tcase_add_test(t, keeps_the_peer_without_an_address);
    tcase_add_test(t, a_client_of_a_unix_socket);
    tcase_add_test(t, received_tlvs_are_variables);
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
    tcase_add_test(t, warns_when_everybody_is_believed);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
