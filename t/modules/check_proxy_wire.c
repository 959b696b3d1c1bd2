/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PROXY protocol on the wire: what is read, what is refused, what is written. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "modules/proxy-protocol/parse.h"
#include "modules/proxy-protocol/write.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"

/* Beginnings that are tried one by one; of longer input, some. */
#define EACH_UNTIL 300

static struct proxy_header h;

/*
 * Parse n bytes, and all beginnings of them: each of those must be right so far, or already what
 * the whole is. Nothing behind a header may change what it says.
 */
static enum proxy_result parse(const void *bytes, size_t n)
{
    enum proxy_result rc = proxy_parse(bytes, n, &h), part = PROXY_MORE;
    struct proxy_header again;

    for (size_t i = 0; i <= n; i += i < EACH_UNTIL ? 1 : 97) {
        /* A copy of its own, so that a byte too many is found. */
        uint8_t *p = malloc(i + 1);

        ck_assert_ptr_nonnull(p);
        memcpy(p + 1, bytes, i);
        part = proxy_parse(p + 1, i, &again);
        ck_assert_msg(part == PROXY_MORE || part == rc, "after %zu bytes: %d, not %d", i, part, rc);
        ck_assert(rc != PROXY_DONE || part == PROXY_MORE || again.size == h.size);
        free(p);
    }
    ck_assert((rc == PROXY_MISSING || rc == PROXY_BAD) == (h.why != NULL));
    return rc;
}

static void is_addr(const struct pst_addr *a, const char *ip, unsigned port)
{
    uint8_t want[16] = { 0 };
    bool six = strchr(ip, ':') != NULL;

    ck_assert_int_eq(inet_pton(six ? AF_INET6 : AF_INET, ip, want), 1);
    ck_assert_uint_eq(a->family, six ? PST_AF_INET6 : PST_AF_INET);
    ck_assert_mem_eq(a->ip, want, sizeof(want));
    ck_assert_uint_eq(a->port, port);
    ck_assert_uint_eq(a->scope, 0);
}

/* --- version 1 ------------------------------------------------------------------------------- */

START_TEST(v1_good)
{
    static const struct {
        const char *line, *src, *dst;
        unsigned src_port, dst_port;
    } cases[] = {
        { "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1", "192.168.0.11", 56324,
          443 },
        { "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255",
          "255.255.255.255", 65535, 65535 },
        { "PROXY TCP4 0.0.0.0 1.2.3.4 0 1\r\n", "0.0.0.0", "1.2.3.4", 0, 1 },
        { "PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "2001:db8::1", "::1", 1, 2 },
        { "PROXY TCP6 2001:DB8:0:0:0:0:0:aB :: 1 2\r\n", "2001:db8::ab", "::", 1, 2 },
        { "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          65535, 65535 },
        { "PROXY TCP6 ::ffff:10.1.2.3 ::ffff:a01:204 7 8\r\n", "10.1.2.3", "10.1.2.4", 7, 8 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char all[256];
        size_t n = strlen(cases[i].line);

        memcpy(all, cases[i].line, n);
        memcpy(all + n, "\x16\x03\x01 and more\r\n", 14);
        ck_assert_int_eq(parse(all, n), PROXY_DONE);
        ck_assert_int_eq(parse(all, n + 14), PROXY_DONE);
        ck_assert_uint_eq(h.size, n);
        ck_assert_uint_eq(h.version, 1);
        ck_assert(!h.local);
        ck_assert_uint_eq(h.tlvs.n, 0);
        is_addr(&h.src, cases[i].src, cases[i].src_port);
        is_addr(&h.dst, cases[i].dst, cases[i].dst_port);
    }
}
END_TEST

START_TEST(v1_unknown)
{
    static const char *const lines[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN anything at all \x01\xff\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
    };

    ck_assert_uint_eq(strlen(lines[3]), PROXY_V1_MAX);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_int_eq(parse(lines[i], strlen(lines[i])), PROXY_DONE);
        ck_assert_uint_eq(h.size, strlen(lines[i]));
        ck_assert_uint_eq(h.src.family, PST_AF_NONE);
        ck_assert_uint_eq(h.dst.family, PST_AF_NONE);
    }
}
END_TEST

START_TEST(v1_bad)
{
    static const char *const lines[] = {
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1  2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4\r\n",
        "PROXY TCP4\r\n",
        "PROXY \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 0x1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 655350\r\n",
        "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n",
        "PROXY TCP4 0x1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 ::1%lo ::1 1 2\r\n",
        "PROXY TCP6 1::2::3 ::1 1 2\r\n",
        "PROXY TCP6 12345::1 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UNKNOWN\n",
        "PROXY UNKNOWN a\nb\r\n",
        "PROXY UNKNOWN a\rb\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOW\r\n",
        /* 108 bytes */
        "PROXY UNKNOWN fffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
    };
    static const char nul[] = "PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n";
    char endless[PROXY_V1_MAX + 40] = "PROXY ";

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_msg(parse(lines[i], strlen(lines[i])) == PROXY_BAD, "taken: %s", lines[i]);
    }
    ck_assert_int_eq(parse(nul, sizeof(nul) - 1), PROXY_BAD);
    memset(endless + 6, 'x', sizeof(endless) - 6);
    ck_assert_int_eq(parse(endless, PROXY_V1_MAX - 1), PROXY_MORE);
    ck_assert_int_eq(parse(endless, PROXY_V1_MAX), PROXY_BAD);
    /* The line feed would be the 108th byte: no need to wait for it. */
    endless[PROXY_V1_MAX - 1] = '\r';
    ck_assert_int_eq(parse(endless, PROXY_V1_MAX), PROXY_BAD);
}
END_TEST

START_TEST(no_header)
{
    static const struct {
        const char *p;
        size_t n;
    } cases[] = {
        { "\x16\x03\x01\x02\x00", 5 },
        { "GET / HTTP/1.1\r\n", 16 },
        { "PROXX", 5 },
        { "PROXYTCP4", 9 },
        { "POST / HTTP/1.1\r\n", 17 },
        { "proxy ", 6 },
        { "\r\n\r\n\r", 5 },
        { "\0", 1 },
        { "\n", 1 },
        { " PROXY", 6 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(parse(cases[i].p, cases[i].n) == PROXY_MISSING, "case %zu", i);
    }
    ck_assert_int_eq(parse("", 0), PROXY_MORE);
}
END_TEST

/* --- version 2 ------------------------------------------------------------------------------- */

/* A header in `out` with this body; its length. */
static size_t v2(uint8_t *out, uint8_t command, uint8_t family, const void *body, size_t n)
{
    memcpy(out, SIG, 12);
    out[12] = command;
    out[13] = family;
    proxy_put16(out + 14, (uint16_t)n);
    if (n > 0) {
        memcpy(out + 16, body, n);
    }
    return 16 + n;
}

static const char tcp4[12] = "\x0a\x01\x02\x03\xc0\x00\x02\x09\xdc\x04\x01\xbb";

static enum proxy_result v2_of(uint8_t command, uint8_t family, const void *body, size_t n)
{
    static uint8_t all[16 + 65535 + 8];
    size_t size = v2(all, command, family, body, n);

    memcpy(all + size, "\x16\x03\x01", 3);
    return parse(all, size + 3);
}

/* TCP over IPv4 with these TLVs behind the addresses. */
static enum proxy_result v2_tlvs(const void *tlvs, size_t n)
{
    char body[8192];

    memcpy(body, tcp4, sizeof(tcp4));
    memcpy(body + sizeof(tcp4), tlvs, n);
    return v2_of(0x21, 0x11, body, sizeof(tcp4) + n);
}

START_TEST(v2_addresses)
{
    char body[216] = { 0 };

    ck_assert_int_eq(v2_of(0x21, 0x11, tcp4, 12), PROXY_DONE);
    ck_assert_uint_eq(h.version, 2);
    ck_assert_uint_eq(h.size, 28);
    is_addr(&h.src, "10.1.2.3", 56324);
    is_addr(&h.dst, "192.0.2.9", 443);
    body[0] = 0x20;
    body[15] = 1;
    body[31] = 1;
    body[33] = 7;
    body[34] = 1;
    ck_assert_int_eq(v2_of(0x21, 0x21, body, 36), PROXY_DONE);
    is_addr(&h.src, "2000::1", 7);
    is_addr(&h.dst, "::1", 256);
    memset(body, 0, 16);
    memcpy(body + 10, "\xff\xff\x0a\x01\x02\x03", 6);
    ck_assert_int_eq(v2_of(0x21, 0x21, body, 36), PROXY_DONE);
    is_addr(&h.src, "10.1.2.3", 7);
    ck_assert_int_eq(v2_of(0x21, 0x31, body, 216), PROXY_DONE);
    ck_assert_uint_eq(h.src.family, PST_AF_UNIX);
    ck_assert_uint_eq(h.src.port, 0);
    ck_assert_uint_eq(h.dst.family, PST_AF_UNIX);
    ck_assert_int_eq(v2_of(0x21, 0x11, tcp4, 11), PROXY_BAD);
    ck_assert_int_eq(v2_of(0x21, 0x21, body, 35), PROXY_BAD);
    ck_assert_int_eq(v2_of(0x21, 0x31, body, 215), PROXY_BAD);
}
END_TEST

START_TEST(v2_without_addresses)
{
    static const uint8_t unspecified[] = { 0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x32 };
    static const size_t sizes[] = { 0, 12, 36, 216 };
    char body[216] = { 0 };

    for (size_t i = 0; i < sizeof(unspecified); i++) {
        ck_assert_int_eq(v2_of(0x21, unspecified[i], body, sizes[unspecified[i] >> 4]), PROXY_DONE);
        ck_assert_uint_eq(h.src.family, PST_AF_NONE);
        ck_assert_uint_eq(h.dst.family, PST_AF_NONE);
        ck_assert(!h.local);
    }
    /* LOCAL: whatever is in it. */
    memset(body, 0xff, sizeof(body));
    for (unsigned family = 0; family < 256; family++) {
        ck_assert_int_eq(v2_of(0x20, (uint8_t)family, body, family % 217), PROXY_DONE);
        ck_assert(h.local);
        ck_assert_uint_eq(h.src.family, PST_AF_NONE);
        ck_assert_uint_eq(h.tlvs.n, 0);
        ck_assert_uint_eq(h.size, 16 + family % 217);
    }
}
END_TEST

START_TEST(v2_bad_head)
{
    char body[PROXY_V2_BODY_MAX + 1];

    for (unsigned v = 0; v < 256; v++) {
        ck_assert_int_eq(v2_of((uint8_t)v, 0x11, tcp4, 12),
                         v == 0x20 || v == 0x21 ? PROXY_DONE : PROXY_BAD);
    }
    memset(body, 0, sizeof(body));
    for (unsigned f = 0; f < 256; f++) {
        ck_assert_int_eq(v2_of(0x21, (uint8_t)f, body, 216) == PROXY_DONE,
                         f >> 4 <= 3 && (f & 15) <= 2);
    }
    /* NOOP TLVs up to the limit, and one byte more. */
    memcpy(body, tcp4, 12);
    body[12] = PROXY_TLV_NOOP;
    proxy_put16(body + 13, PROXY_V2_BODY_MAX - 15);
    ck_assert_int_eq(v2_of(0x21, 0x11, body, PROXY_V2_BODY_MAX), PROXY_DONE);
    proxy_put16(body + 13, PROXY_V2_BODY_MAX - 14);
    ck_assert_int_eq(v2_of(0x21, 0x11, body, PROXY_V2_BODY_MAX + 1), PROXY_BAD);
}
END_TEST

START_TEST(v2_wrong_tlvs)
{
    char big[1024];

#define GOOD(t) ck_assert_int_eq(v2_tlvs(t, sizeof(t) - 1), PROXY_DONE)
#define BAD(t)  ck_assert_int_eq(v2_tlvs(t, sizeof(t) - 1), PROXY_BAD)
    GOOD("\x04\0\0");
    GOOD("\xe0\0\1x\xee\0\0\x02\0\1a");
    GOOD("\x77\0\1?");
    BAD("\x04");
    BAD("\x04\0");
    BAD("\x04\0\1");
    BAD("\x04\xff\xff");
    BAD("\x04\0\0\x04");
    BAD("\x03\0\3abc");
    BAD("\x03\0\5abcde");
    BAD("\x20\0\0");
    BAD("\x20\0\4\1\0\0\0");
    GOOD("\x20\0\5\1\0\0\0\0");
    GOOD("\x20\0\x08\1\0\0\0\0\x21\0\0");
    BAD("\x20\0\x07\1\0\0\0\0\x21\0");
    BAD("\x20\0\x08\1\0\0\0\0\x21\0\1");
    /* What is inside may not reach for what is behind. */
    BAD("\x20\0\x08\1\0\0\0\0\x21\0\1\x04\0\0");
    memset(big, 'x', sizeof(big));
    big[0] = PROXY_TLV_UNIQUE_ID;
    proxy_put16(big + 1, 128);
    ck_assert_int_eq(v2_tlvs(big, 3 + 128), PROXY_DONE);
    proxy_put16(big + 1, 129);
    ck_assert_int_eq(v2_tlvs(big, 3 + 129), PROXY_BAD);
    big[0] = PROXY_TLV_AUTHORITY;
    proxy_put16(big + 1, 255);
    ck_assert_int_eq(v2_tlvs(big, 3 + 255), PROXY_DONE);
    proxy_put16(big + 1, 256);
    ck_assert_int_eq(v2_tlvs(big, 3 + 256), PROXY_BAD);
#undef GOOD
#undef BAD
}
END_TEST

START_TEST(checksum)
{
    uint8_t all[64];
    size_t n;

    ck_assert_uint_eq(proxy_crc32c(0, "123456789", 9), 0xe3069283);
    ck_assert_uint_eq(proxy_crc32c(proxy_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    memcpy(all, tcp4, 12);
    memcpy(all + 12, "\xe0\0\1x\x03\0\4\0\0\0\0\x04\0\0", 14);
    n = v2(all, 0x21, 0x11, memcpy((char[26]){ 0 }, all, 26), 26);
    proxy_put32(all + 35, proxy_crc32c(0, all, n));
    ck_assert_int_eq(parse(all, n), PROXY_DONE);
    for (size_t i = 16; i < n; i++) {
        if (i == 32) {
            continue; /* the type: without it there is no checksum */
        }
        all[i] ^= 1;
        ck_assert_int_ne(parse(all, n), PROXY_DONE);
        all[i] ^= 1;
    }
    ck_assert_int_eq(parse(all, n), PROXY_DONE);
    /* Two of them, even if both were right. */
    ck_assert_int_eq(v2_tlvs("\x03\0\4\0\0\0\0\x03\0\4\0\0\0\0", 14), PROXY_BAD);
}
END_TEST

/* --- the writer -------------------------------------------------------------------------------- */

static struct pst_addr addr(const char *ip, uint16_t port)
{
    struct pst_addr a = { .port = port };

    if (strcmp(ip, "unix") == 0) {
        a.family = PST_AF_UNIX;
    } else if (ip[0] != '\0') {
        bool six = strchr(ip, ':') != NULL;

        a.family = six ? PST_AF_INET6 : PST_AF_INET;
        ck_assert_int_eq(inet_pton(six ? AF_INET6 : AF_INET, ip, a.ip), 1);
    }
    return a;
}

START_TEST(writes_v1)
{
    static const struct {
        const char *src, *dst, *want;
    } cases[] = {
        { "192.0.2.1", "192.0.2.2", "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n" },
        { "2001:db8::1", "::1", "PROXY TCP6 2001:db8::1 ::1 1000 443\r\n" },
        { "192.0.2.1", "::1", "PROXY TCP6 ::ffff:c000:201 ::1 1000 443\r\n" },
        { "2001:db8::1", "192.0.2.1", "PROXY TCP6 2001:db8::1 ::ffff:c000:201 1000 443\r\n" },
        { "unix", "192.0.2.1", "PROXY UNKNOWN\r\n" },
        { "192.0.2.1", "unix", "PROXY UNKNOWN\r\n" },
        { "", "", "PROXY UNKNOWN\r\n" },
    };
    struct pst_addr a = addr("255.255.255.255", 65535), b;
    uint8_t out[PROXY_V1_MAX];
    size_t n;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pst_addr src = addr(cases[i].src, 1000), dst = addr(cases[i].dst, 443);

        n = proxy_write_v1(out, &src, &dst);
        ck_assert_uint_eq(n, strlen(cases[i].want));
        ck_assert_mem_eq(out, cases[i].want, n);
        ck_assert_int_eq(parse(out, n), PROXY_DONE);
        if (h.src.family != PST_AF_NONE) {
            is_addr(&h.src, cases[i].src, 1000);
            is_addr(&h.dst, cases[i].dst, 443);
        }
    }
    ck_assert_uint_eq(proxy_write_v1(out, &a, &a), 56);
    b = addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
    ck_assert_uint_eq(proxy_write_v1(out, &b, &b), 104);
}
END_TEST

static struct pst_str str(const char *z)
{
    return pst_str_of(z);
}

START_TEST(writes_v2)
{
    struct pst_addr src = addr("10.1.2.3", 56324), dst = addr("192.0.2.9", 443), six;
    struct proxy_writer w;
    struct pst_str s;

    proxy_write_begin(&w, &src, &dst, false);
    proxy_write_end(&w);
    ck_assert_uint_eq(w.n, 28);
    ck_assert_mem_eq(w.p, SIG "\x21\x11\0\x0c", 16);
    ck_assert_mem_eq(w.p + 16, tcp4, 12);

    six = addr("2001:db8::1", 9);
    proxy_write_begin(&w, &src, &six, true);
    ck_assert(proxy_write_tlv(&w, PROXY_TLV_AUTHORITY, str("a.test")));
    ck_assert(proxy_write_ssl(&w, 7, 1));
    ck_assert(proxy_write_tlv(&w, PROXY_SSL_VERSION, str("TLSv1.3")));
    ck_assert(proxy_write_tlv(&w, PROXY_SSL_CN, str("")));
    proxy_write_ssl_end(&w);
    ck_assert(proxy_write_tlv(&w, 0xe0, str("x")));
    proxy_write_end(&w);
    ck_assert_int_eq(parse(w.p, w.n), PROXY_DONE);
    ck_assert_uint_eq(h.size, w.n);
    is_addr(&h.src, "10.1.2.3", 56324);
    is_addr(&h.dst, "2001:db8::1", 9);
    ck_assert(proxy_tlv_find(h.tlvs, PROXY_TLV_AUTHORITY, &s));
    ck_assert_uint_eq(s.n, 6);
    ck_assert(proxy_tlv_find(h.tlvs, 0xe0, &s));
    ck_assert(proxy_tlv_find(h.tlvs, PROXY_TLV_SSL, &s));
    ck_assert_uint_eq(s.n, 5 + 3 + 7 + 3);
    ck_assert_uint_eq((uint8_t)s.p[0], 7);
    ck_assert_uint_eq(proxy_get32(s.p + 1), 1);
    s = proxy_ssl_area(s);
    ck_assert(proxy_tlv_find(s, PROXY_SSL_VERSION, &s));
    ck_assert_mem_eq(s.p, "TLSv1.3", 7);

    src = addr("unix", 0);
    proxy_write_begin(&w, &src, &dst, false);
    proxy_write_end(&w);
    ck_assert_mem_eq(w.p, SIG "\x21\0\0\0", 16);
    ck_assert_uint_eq(w.n, 16);
}
END_TEST

/* A TLV is there as a whole or not at all, and what follows may still fit. */
START_TEST(leaves_out_what_does_not_fit)
{
    static const char big[8192];
    struct pst_addr a = addr("10.1.2.3", 1);
    struct proxy_writer w;
    struct pst_str s;
    size_t room;

    proxy_write_begin(&w, &a, &a, true);
    room = PROXY_SEND_MAX - w.n;
    ck_assert(!proxy_write_tlv(&w, 0xe0, (struct pst_str){ big, sizeof(big) }));
    ck_assert(!proxy_write_tlv(&w, 0xe0, (struct pst_str){ big, room - 2 }));
    ck_assert(!proxy_write_tlv(&w, 0xe0, (struct pst_str){ big, SIZE_MAX }));
    ck_assert(proxy_write_tlv(&w, 0xe1, (struct pst_str){ big, room - 3 - 8 - 3 }));
    ck_assert(proxy_write_ssl(&w, 1, 1));
    ck_assert(!proxy_write_tlv(&w, PROXY_SSL_VERSION, str("TLSv1.3")));
    ck_assert(proxy_write_tlv(&w, PROXY_SSL_CN, str("")));
    proxy_write_ssl_end(&w);
    ck_assert(!proxy_write_ssl(&w, 1, 1));
    ck_assert(!proxy_write_tlv(&w, 0xe2, str("")));
    proxy_write_end(&w);
    ck_assert_uint_eq(w.n, PROXY_SEND_MAX);
    ck_assert_uint_eq(w.left_out, 6);
    ck_assert_int_eq(parse(w.p, w.n), PROXY_DONE);
    ck_assert(!proxy_tlv_find(h.tlvs, 0xe0, &s));
    ck_assert(proxy_tlv_find(h.tlvs, 0xe1, &s));
    ck_assert(proxy_tlv_find(h.tlvs, PROXY_TLV_SSL, &s));
    ck_assert_uint_eq(s.n, 8);
}
END_TEST

START_TEST(names_of_ciphers)
{
    static const struct {
        const char *iana, *want;
    } cases[] = {
        { "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256" },
        { "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256" },
        { "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256" },
        { "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384" },
        { "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305" },
        { "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256" },
        { "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA" },
        { "", "" },
        { "TLS_", "TLS_" },
        { "TLS_WITH_", "TLS_WITH_" },
        { "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA" },
        { "TLS_A_WITH_0123456789012345678901234567890123456789012345678901234567890123456789",
          "TLS_A_WITH_0123456789012345678901234567890123456789012345678901234567890123456789" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[PROXY_CIPHER_MAX];
        struct pst_str s = proxy_cipher_name(str(cases[i].iana), out);

        ck_assert_uint_eq(s.n, strlen(cases[i].want));
        ck_assert_mem_eq(s.p, cases[i].want, s.n);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proxy_wire");
    TCase *t = tcase_create("parser");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_test(t, v1_good);
    tcase_add_test(t, v1_unknown);
    tcase_add_test(t, v1_bad);
    tcase_add_test(t, no_header);
    tcase_add_test(t, v2_addresses);
    tcase_add_test(t, v2_without_addresses);
    tcase_add_test(t, v2_bad_head);
    tcase_add_test(t, v2_wrong_tlvs);
    tcase_add_test(t, checksum);
    suite_add_tcase(s, t);
    t = tcase_create("writer");
    tcase_add_test(t, writes_v1);
    tcase_add_test(t, writes_v2);
    tcase_add_test(t, leaves_out_what_does_not_fit);
    tcase_add_test(t, names_of_ciphers);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
