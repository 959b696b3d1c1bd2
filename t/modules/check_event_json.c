/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON and the text functions of event-logging, linked in. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event-logging/json.h"
#include "event-logging/text.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static const struct {
    const char *in;
    size_t n, most;
    const char *out;
} strings[] = {
    { "", 0, 10, "\"\"" },
    { "a.test", 6, 10, "\"a.test\"" },
    { "a\"b\\c/", 6, 20, "\"a\\\"b\\\\c/\"" },
    { "\b\f\n\r\t", 5, 20, "\"\\b\\f\\n\\r\\t\"" },
    { "\0\x1f\x7f", 3, 20, "\"\\u0000\\u001f\\u007f\"" },
    { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, 20, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
    /* C1 controls, line and paragraph separators */
    { "\xc2\x85\xe2\x80\xa8\xe2\x80\xa9", 8, 30, "\"\\u0085\\u2028\\u2029\"" },
    /* no UTF-8: stray, overlong, surrogate, too large, cut off */
    { "a\xff"
      "b",
      3, 20,
      "\"a\xef\xbf\xbd"
      "b\"" },
    { "\xc0\x80", 2, 20, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "\xed\xa0\x80", 3, 20, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "\xf4\x90\x80\x80", 4, 20, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "\xe2\x82", 2, 20, "\"\xef\xbf\xbd\"" },
    { "\xf0\x9f\x98x", 4, 20, "\"\xef\xbf\xbdx\"" },
    /* cut behind a whole character */
    { "0123456789", 10, 10, "\"0123456789\"" },
    { "0123456789a", 11, 10, "\"0123456...\"" },
    { "0123456\n", 8, 8, "\"01234...\"" },
    { "012345\n", 7, 8, "\"012345\\n\"" },
    { "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 9, 8, "\"\xe2\x82\xac...\"" },
    { "ab\x01"
      "cd",
      5, 10, "\"ab\\u0001cd\"" },
    { "ab\x01"
      "cde",
      6, 10, "\"ab...\"" },
    { "\x01\x02", 2, 3, "\"...\"" },
    { "\n\n\n\n", 4, 7, "\"\\n\\n...\"" },
    { "123456\n89012", 12, 10, "\"123456...\"" },
};

START_TEST(escapes)
{
    char buf[64];
    struct json j = { .p = buf, .size = sizeof(buf) };

    json_str(&j, strings[_i].in, strings[_i].n, strings[_i].most);
    ck_assert(!j.full);
    buf[j.n] = '\0';
    ck_assert_str_eq(buf, strings[_i].out);
}
END_TEST

/* Runs are looked at in words: any byte at any place of one must be told from those around it. */
START_TEST(every_byte_everywhere)
{
    const char byte = (char)_i;
    char alone[16], buf[64], expected[64];
    struct json one = { .p = alone, .size = sizeof(alone) };

    json_str(&one, &byte, 1, 6);
    for (size_t n = 1; n <= 24; n++) {
        for (size_t at = 0; at < n; at++) {
            struct json j = { .p = buf, .size = sizeof(buf) }, k = { .p = expected, .size = 64 };
            char in[24];

            memset(in, 'a', sizeof(in));
            json_lit(&k, "\"");
            json_raw(&k, in, at);
            json_raw(&k, alone + 1, one.n - 2);
            json_raw(&k, in, n - at - 1);
            json_lit(&k, "\"");
            in[at] = byte;
            json_str(&j, in, n, 50);
            ck_assert_uint_eq(j.n, k.n);
            ck_assert_mem_eq(buf, expected, k.n);
        }
    }
}
END_TEST

/* Whatever the room is, nothing is written behind it and what does not fit is noticed. */
START_TEST(bounded)
{
    char buf[40];

    for (size_t size = 0; size < sizeof(buf) - 1; size++) {
        struct json j = { .p = buf, .size = size };

        memset(buf, '#', sizeof(buf));
        json_lit(&j, "{");
        json_str(&j, "abc\n\xff\xe2\x82\xac", 8, 30);
        json_u64(&j, 1234567);
        json_hex(&j, "\x01\xab", 2);
        ck_assert_uint_le(j.n, size);
        ck_assert_int_eq(buf[size], '#');
        ck_assert(j.full == (size < 1 + 13 + 7 + 6));
    }
}
END_TEST

START_TEST(numbers)
{
    char buf[64];
    struct json j = { .p = buf, .size = sizeof(buf) };

    json_u64(&j, 0);
    json_lit(&j, ",");
    json_u64(&j, UINT64_MAX);
    json_lit(&j, ",");
    json_hex(&j, "", 0);
    ck_assert_int_eq(strncmp(buf, "0,18446744073709551615,\"\"", j.n), 0);
}
END_TEST

START_TEST(numbers_as_printf_has_them)
{
    uint64_t v = 1;

    for (int i = 0; i < 20; i++, v *= 10) {
        for (int d = -1; d <= 1; d++) {
            char text[TEXT_U64 + 1], expected[TEXT_U64 + 1];
            uint64_t x = v + (uint64_t)d;

            text[text_u64(text, x)] = '\0';
            snprintf(expected, sizeof(expected), "%" PRIu64, x);
            ck_assert_str_eq(text, expected);
        }
    }
}
END_TEST

START_TEST(fragments)
{
    char buf[JSON_FRAGMENT + 2], text[JSON_FRAGMENT] = "0123456789";

    for (size_t size = 0; size <= JSON_FRAGMENT + 1; size++) {
        struct json j = { .p = buf, .size = size };

        memset(buf, '#', sizeof(buf));
        json_fragment(&j, text, 10);
        ck_assert(j.full == (size < 10));
        ck_assert_uint_eq(j.n, size < 10 ? 0 : 10);
        ck_assert_int_eq(memcmp(buf, text, j.n), 0);
        ck_assert_int_eq(buf[size], '#');
    }
}
END_TEST

static const struct {
    uint64_t us;
    const char *text;
} stamps[] = {
    { 0, "1970-01-01T00:00:00.000000Z" },
    { 951827696000001, "2000-02-29T12:34:56.000001Z" },
    { 1709251199999999, "2024-02-29T23:59:59.999999Z" },
    { 1709251200000000, "2024-03-01T00:00:00.000000Z" },
    { 1767225599123456, "2025-12-31T23:59:59.123456Z" },
    { 4107542400000000, "2100-03-01T00:00:00.000000Z" },
};

START_TEST(timestamps)
{
    char text[TEXT_STAMP + 1] = "";

    text_stamp(text, stamps[_i].us);
    ck_assert_str_eq(text, stamps[_i].text);
}
END_TEST

START_TEST(base32_sorts)
{
    char a[12] = "", b[12] = "";

    text_base32(a, 11, 0);
    ck_assert_str_eq(a, "00000000000");
    text_base32(a, 11, 32 * 31 + 10);
    ck_assert_str_eq(a, "000000000va");
    for (uint64_t v = 1; v < UINT64_C(1) << 54; v = v * 3 + 7) {
        text_base32(a, 11, v);
        text_base32(b, 11, v + 1);
        ck_assert_int_lt(strcmp(a, b), 0);
    }
}
END_TEST

START_TEST(addresses)
{
    struct pst_addr a = { .family = PST_AF_INET, .port = 443, .ip = { 192, 0, 2, 10 } };
    char text[TEXT_IP_PORT + 1] = "";

    text[text_ip(text, &a)] = '\0';
    ck_assert_str_eq(text, "192.0.2.10");
    text[text_ip_port(text, &a)] = '\0';
    ck_assert_str_eq(text, "192.0.2.10:443");
    a = (struct pst_addr){ .family = PST_AF_INET6, .port = 65535, .ip = { 0x20, 1, 0xd, 0xb8 } };
    text[text_ip_port(text, &a)] = '\0';
    ck_assert_str_eq(text, "[2001:db8::]:65535");
    a.family = PST_AF_UNIX;
    ck_assert_uint_eq(text_ip(text, &a), 0);
    ck_assert_uint_eq(text_ip_port(text, &a), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event_json");
    TCase *tc = tcase_create("json");

    tcase_add_loop_test(tc, escapes, 0, COUNT(strings));
    tcase_add_loop_test(tc, every_byte_everywhere, 0, 256);
    tcase_add_test(tc, bounded);
    tcase_add_test(tc, fragments);
    tcase_add_test(tc, numbers_as_printf_has_them);
    tcase_add_test(tc, numbers);
    tcase_add_loop_test(tc, timestamps, 0, COUNT(stamps));
    tcase_add_test(tc, base32_sorts);
    tcase_add_test(tc, addresses);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
