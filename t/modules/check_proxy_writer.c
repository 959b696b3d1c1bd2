/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PROXY protocol on the wire: what is written, which is read back. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "modules/proxy-protocol/write.h"
#include "proxy_wire_rig.h"

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
        ck_assert_int_eq(rig_parse(out, n), PROXY_DONE);
        if (rig_header.src.family != PST_AF_NONE) {
            rig_is_addr(&rig_header.src, cases[i].src, 1000);
            rig_is_addr(&rig_header.dst, cases[i].dst, 443);
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
    ck_assert_mem_eq(w.p + 16, RIG_TCP4, 12);

    six = addr("2001:db8::1", 9);
    proxy_write_begin(&w, &src, &six, true);
    ck_assert(proxy_write_tlv(&w, PROXY_TLV_AUTHORITY, str("a.test")));
    ck_assert(proxy_write_ssl(&w, 7, 1));
    ck_assert(proxy_write_tlv(&w, PROXY_SSL_VERSION, str("TLSv1.3")));
    ck_assert(proxy_write_tlv(&w, PROXY_SSL_CN, str("")));
    proxy_write_ssl_end(&w);
    ck_assert(proxy_write_tlv(&w, 0xe0, str("x")));
    proxy_write_end(&w);
    ck_assert_int_eq(rig_parse(w.p, w.n), PROXY_DONE);
    ck_assert_uint_eq(rig_header.size, w.n);
    rig_is_addr(&rig_header.src, "10.1.2.3", 56324);
    rig_is_addr(&rig_header.dst, "2001:db8::1", 9);
    ck_assert(proxy_tlv_find(rig_header.tlvs, PROXY_TLV_AUTHORITY, &s));
    ck_assert_uint_eq(s.n, 6);
    ck_assert(proxy_tlv_find(rig_header.tlvs, 0xe0, &s));
    ck_assert(proxy_tlv_find(rig_header.tlvs, PROXY_TLV_SSL, &s));
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
    ck_assert_int_eq(rig_parse(w.p, w.n), PROXY_DONE);
    ck_assert(!proxy_tlv_find(rig_header.tlvs, 0xe0, &s));
    ck_assert(proxy_tlv_find(rig_header.tlvs, 0xe1, &s));
    ck_assert(proxy_tlv_find(rig_header.tlvs, PROXY_TLV_SSL, &s));
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
    Suite *s = suite_create("proxy_writer");
    TCase *t = tcase_create("writer");
    SRunner *r = srunner_create(s);
    int failed;

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
