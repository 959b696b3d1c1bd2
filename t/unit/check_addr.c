/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/base/addr.h"
#include "core/base/err.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Text, and what it is as an address with a port; NULL: ERR_INVALID. */
static const struct {
    const char *in, *out;
} endpoints[] = {
    { "127.0.0.1:80", "127.0.0.1:80" },
    { "0.0.0.0:0", "0.0.0.0:0" },
    { "255.255.255.255:65535", "255.255.255.255:65535" },
    { "[::1]:80", "[::1]:80" },
    { "[2001:DB8:0:0::1]:443", "[2001:db8::1]:443" },
    { "[::ffff:192.0.2.1]:443", "192.0.2.1:443" },
    { "[fe80::1%3]:22", "[fe80::1%3]:22" },
    { "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
      "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535" },
    { "127.0.0.1", NULL },
    { "127.0.0.1:", NULL },
    { "127.0.0.1:65536", NULL },
    { "127.0.0.1:-1", NULL },
    { "127.0.0.1:8o", NULL },
    { "127.0.0.1:000080", NULL },
    { "127.1:80", NULL },
    { "127.0.0.01:80", NULL },
    { "::1:80", NULL },
    { "::1", NULL },
    { "[::1]", NULL },
    { "[::1:80", NULL },
    { "::1]:80", NULL },
    { "[127.0.0.1]:80", NULL },
    { "[]:80", NULL },
    { "[:80", NULL },
    { ":80", NULL },
    { "", NULL },
    { "localhost:80", NULL },
    { "[fe80::1%eth0]:22", NULL },
    { "[fe80::1%4294967296]:22", NULL },
    { "[11111111111111111111111111111111111111111111111111111111111111111111::1]:1", NULL },
};

START_TEST(test_endpoint)
{
    struct pst_addr a, again;
    struct sockaddr_storage ss;
    char text[ADDR_TEXT_MAX];
    int rc = addr_parse(endpoints[_i].in, &a);

    ck_assert_int_eq(rc, endpoints[_i].out ? 0 : ERR_INVALID);
    if (rc == 0) {
        ck_assert_str_eq(addr_text(&a, text), endpoints[_i].out);
        socklen_t n = addr_to_sockaddr(&a, &ss);
        addr_from_sockaddr(&again, (const struct sockaddr *)&ss, n);
        ck_assert(addr_equal(&a, &again));
    }
}
END_TEST

static const struct {
    const char *in, *out;
} ips[] = {
    { "192.0.2.1", "192.0.2.1" },
    { "2001:db8::1", "2001:db8::1" },
    { "::ffff:10.0.0.1", "10.0.0.1" },
    { "::", "::" },
    { "192.0.2.1:80", NULL },
    { "[::1]", NULL },
    { "", NULL },
    { "a.test", NULL },
    { "1.2.3", NULL },
    { " 1.2.3.4", NULL },
};

START_TEST(test_ip)
{
    struct pst_addr a;
    char text[ADDR_TEXT_MAX];
    int rc = addr_parse_ip(ips[_i].in, &a);

    ck_assert_int_eq(rc, ips[_i].out ? 0 : ERR_INVALID);
    if (rc == 0) {
        ck_assert_str_eq(addr_ip_text(&a, text), ips[_i].out);
        ck_assert_uint_eq(a.port, 0);
    }
}
END_TEST

static const struct {
    const char *in, *out;
    int status;
} nets[] = {
    { "10.0.0.0/8", "10.0.0.0/8", 0 },
    { "10.1.2.3", "10.1.2.3/32", 0 },
    { "10.1.2.3/32", "10.1.2.3/32", 0 },
    { "0.0.0.0/0", "0.0.0.0/0", 0 },
    { "10.1.2.128/25", "10.1.2.128/25", 0 },
    { "10.1.2.3/8", "10.0.0.0/8", ERR_EXISTS },
    { "10.1.2.129/25", "10.1.2.128/25", ERR_EXISTS },
    { "1.2.3.4/0", "0.0.0.0/0", ERR_EXISTS },
    { "2001:db8::/32", "2001:db8::/32", 0 },
    { "::1", "::1/128", 0 },
    { "::/0", "::/0", 0 },
    { "2001:db8::1/33", "2001:db8::/33", ERR_EXISTS },
    { "::ffff:10.0.0.0/104", "10.0.0.0/8", 0 },
    { "::ffff:10.1.0.0/104", "10.0.0.0/8", ERR_EXISTS },
    { "::ffff:10.0.0.1", "10.0.0.1/32", 0 },
    { "::ffff:0:0/96", "0.0.0.0/0", 0 },
    { "::ffff:0:0/95", "::fffe:0:0/95", ERR_EXISTS },
    { "10.0.0.0/33", NULL, ERR_INVALID },
    { "::/129", NULL, ERR_INVALID },
    { "10.0.0.0/", NULL, ERR_INVALID },
    { "10.0.0.0/-1", NULL, ERR_INVALID },
    { "10.0.0.0/0008", NULL, ERR_INVALID },
    { "10.0.0.0/8/8", NULL, ERR_INVALID },
    { "10.0.0/8", NULL, ERR_INVALID },
    { "/8", NULL, ERR_INVALID },
    { "", NULL, ERR_INVALID },
    { "fe80::1%1/128", NULL, ERR_INVALID },
    { "10.0.0.0/255.0.0.0", NULL, ERR_INVALID },
};

START_TEST(test_net)
{
    struct pst_net net;
    char text[ADDR_TEXT_MAX];

    ck_assert_int_eq(addr_parse_net(nets[_i].in, &net), nets[_i].status);
    if (nets[_i].out) {
        ck_assert_str_eq(addr_net_text(&net, text), nets[_i].out);
    }
}
END_TEST

START_TEST(test_sockaddr)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = 1 };
    struct sockaddr_storage ss;
    struct pst_addr a;
    char text[ADDR_TEXT_MAX];

    addr_from_sockaddr(&a, (const struct sockaddr *)&un, sizeof(sa_family_t));
    ck_assert_int_eq(a.family, PST_AF_UNIX);
    ck_assert_str_eq(addr_text(&a, text), "unix");
    ck_assert_str_eq(addr_ip_text(&a, text), "unix");
    ck_assert_int_eq((int)addr_to_sockaddr(&a, &ss), 0);
    addr_from_sockaddr(&a, (const struct sockaddr *)&un, 0);
    ck_assert_int_eq(a.family, PST_AF_NONE);
    ck_assert_str_eq(addr_text(&a, text), "-");
    ck_assert_int_eq((int)addr_to_sockaddr(&a, &ss), 0);
    /* Shorter than its family says. */
    addr_from_sockaddr(&a, (const struct sockaddr *)&in, 4);
    ck_assert_int_eq(a.family, PST_AF_NONE);
}
END_TEST

START_TEST(test_equal)
{
    struct pst_addr a, b;

    ck_assert_int_eq(addr_parse("192.0.2.1:80", &a), 0);
    ck_assert_int_eq(addr_parse("192.0.2.1:81", &b), 0);
    ck_assert(!addr_equal(&a, &b));
    b.port = 80;
    ck_assert(addr_equal(&a, &b));
    ck_assert_int_eq(addr_parse("[::1]:80", &b), 0);
    ck_assert(!addr_equal(&a, &b));
}
END_TEST

START_TEST(test_from_module)
{
    struct pst_addr a = { .family = PST_AF_INET6, .port = 5, .reserved = 9, .scope = 7 }, b;

    memcpy(a.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\300\0\2\1", 16);
    ck_assert_int_eq(addr_from_module(&b, &a), ERR_OK);
    ck_assert_int_eq(addr_parse("192.0.2.1:5", &a), ERR_OK);
    ck_assert_mem_eq(&a, &b, sizeof(a));
    /* Bytes behind an IPv4 address are nobody's. */
    b.ip[7] = 1;
    b.scope = 3;
    ck_assert_int_eq(addr_from_module(&b, &b), ERR_OK);
    ck_assert_mem_eq(&a, &b, sizeof(a));
    b.family = 10;
    ck_assert_int_eq(addr_from_module(&b, &b), ERR_INVALID);
    ck_assert_int_eq(b.family, PST_AF_NONE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("addr");
    TCase *tc = tcase_create("addr");

    tcase_add_loop_test(tc, test_endpoint, 0, COUNT(endpoints));
    tcase_add_loop_test(tc, test_ip, 0, COUNT(ips));
    tcase_add_loop_test(tc, test_net, 0, COUNT(nets));
    tcase_add_test(tc, test_sockaddr);
    tcase_add_test(tc, test_equal);
    tcase_add_test(tc, test_from_module);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
