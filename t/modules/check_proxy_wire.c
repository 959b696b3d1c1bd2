/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PROXY protocol on the wire: what is read, what is refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "modules/proxy-protocol/parse.h"
#include "proxy_wire_rig.h"

static const char tcp4[12] = RIG_TCP4;

/* --- version 1 ------------------------------------------------------------------------------- */

#define LONGEST_IP6 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

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
        ck_assert_int_eq(rig_parse(all, n), PROXY_DONE);
        ck_assert_int_eq(rig_parse(all, n + 14), PROXY_DONE);
        ck_assert_uint_eq(rig_header.size, n);
        ck_assert_uint_eq(rig_header.version, 1);
        ck_assert(!rig_header.local);
        ck_assert_uint_eq(rig_header.tlvs.n, 0);
        rig_is_addr(&rig_header.src, cases[i].src, cases[i].src_port);
        rig_is_addr(&rig_header.dst, cases[i].dst, cases[i].dst_port);
    }
}
END_TEST

START_TEST(v1_unknown)
{
    static const char *const lines[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN anything at all \x01\xff\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN " LONGEST_IP6 " " LONGEST_IP6 " 65535 65535\r\n",
    };

    ck_assert_uint_eq(strlen(lines[3]), PROXY_V1_MAX);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_int_eq(rig_parse(lines[i], strlen(lines[i])), PROXY_DONE);
        ck_assert_uint_eq(rig_header.size, strlen(lines[i]));
        ck_assert_uint_eq(rig_header.src.family, PST_AF_NONE);
        ck_assert_uint_eq(rig_header.dst.family, PST_AF_NONE);
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
        "PROXY UNKNOWN f" LONGEST_IP6 " " LONGEST_IP6 " 65535 65535\r\n",
    };
    static const char nul[] = "PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n";
    char endless[PROXY_V1_MAX + 40] = "PROXY ";

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_msg(rig_parse(lines[i], strlen(lines[i])) == PROXY_BAD, "taken: %s", lines[i]);
    }
    ck_assert_int_eq(rig_parse(nul, sizeof(nul) - 1), PROXY_BAD);
    memset(endless + 6, 'x', sizeof(endless) - 6);
    ck_assert_int_eq(rig_parse(endless, PROXY_V1_MAX - 1), PROXY_MORE);
    ck_assert_int_eq(rig_parse(endless, PROXY_V1_MAX), PROXY_BAD);
    /* The line feed would be the 108th byte: no need to wait for it. */
    endless[PROXY_V1_MAX - 1] = '\r';
    ck_assert_int_eq(rig_parse(endless, PROXY_V1_MAX), PROXY_BAD);
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
        ck_assert_msg(rig_parse(cases[i].p, cases[i].n) == PROXY_MISSING, "case %zu", i);
    }
    ck_assert_int_eq(rig_parse("", 0), PROXY_MORE);
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

static enum proxy_result v2_of(uint8_t command, uint8_t family, const void *body, size_t n)
{
    static uint8_t all[16 + 65535 + 8];
    size_t size = v2(all, command, family, body, n);

    memcpy(all + size, "\x16\x03\x01", 3);
    return rig_parse(all, size + 3);
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
    ck_assert_uint_eq(rig_header.version, 2);
    ck_assert_uint_eq(rig_header.size, 28);
    rig_is_addr(&rig_header.src, "10.1.2.3", 56324);
    rig_is_addr(&rig_header.dst, "192.0.2.9", 443);
    body[0] = 0x20;
    body[15] = 1;
    body[31] = 1;
    body[33] = 7;
    body[34] = 1;
    ck_assert_int_eq(v2_of(0x21, 0x21, body, 36), PROXY_DONE);
    rig_is_addr(&rig_header.src, "2000::1", 7);
    rig_is_addr(&rig_header.dst, "::1", 256);
    memset(body, 0, 16);
    memcpy(body + 10, "\xff\xff\x0a\x01\x02\x03", 6);
    ck_assert_int_eq(v2_of(0x21, 0x21, body, 36), PROXY_DONE);
    rig_is_addr(&rig_header.src, "10.1.2.3", 7);
    ck_assert_int_eq(v2_of(0x21, 0x31, body, 216), PROXY_DONE);
    ck_assert_uint_eq(rig_header.src.family, PST_AF_UNIX);
    ck_assert_uint_eq(rig_header.src.port, 0);
    ck_assert_uint_eq(rig_header.dst.family, PST_AF_UNIX);
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
        ck_assert_uint_eq(rig_header.src.family, PST_AF_NONE);
        ck_assert_uint_eq(rig_header.dst.family, PST_AF_NONE);
        ck_assert(!rig_header.local);
    }
    /* LOCAL: whatever is in it. */
    memset(body, 0xff, sizeof(body));
    for (unsigned family = 0; family < 256; family++) {
        ck_assert_int_eq(v2_of(0x20, (uint8_t)family, body, family % 217), PROXY_DONE);
        ck_assert(rig_header.local);
        ck_assert_uint_eq(rig_header.src.family, PST_AF_NONE);
        ck_assert_uint_eq(rig_header.tlvs.n, 0);
        ck_assert_uint_eq(rig_header.size, 16 + family % 217);
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
    ck_assert_int_eq(rig_parse(all, n), PROXY_DONE);
    for (size_t i = 16; i < n; i++) {
        if (i == 32) {
            continue; /* the type: without it there is no checksum */
        }
        all[i] ^= 1;
        ck_assert_int_ne(rig_parse(all, n), PROXY_DONE);
        all[i] ^= 1;
    }
    ck_assert_int_eq(rig_parse(all, n), PROXY_DONE);
    /* Two of them, even if both were right. */
    ck_assert_int_eq(v2_tlvs("\x03\0\4\0\0\0\0\x03\0\4\0\0\0\0", 14), PROXY_BAD);
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
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
