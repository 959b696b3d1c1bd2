/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define BAD      UINT64_MAX

static const struct {
    const char *z;
    uint64_t ms, bytes; /* BAD: ERR_INVALID */
} numbers[] = {
    { "0", 0, 0 },
    { "500ms", 500, BAD },
    { "3s", 3000, BAD },
    { "5m", 300000, 5u << 20 },
    { "1h", 3600000, BAD },
    { "2d", 172800000, BAD },
    { "0s", 0, BAD },
    { "4096", BAD, 4096 },
    { "64k", BAD, 65536 },
    { "1m", 60000, 1u << 20 },
    { "2g", BAD, 2ull << 30 },
    { "", BAD, BAD },
    { "s", BAD, BAD },
    { "-1s", BAD, BAD },
    { "+1k", BAD, BAD },
    { "1.5s", BAD, BAD },
    { "1 s", BAD, BAD },
    { " 1s", BAD, BAD },
    { "1s ", BAD, BAD },
    { "1S", BAD, BAD },
    { "1K", BAD, BAD },
    { "1kb", BAD, BAD },
    { "18446744073709551616", BAD, BAD },
    { "18446744073709551615d", BAD, BAD },
    { "17179869184g", BAD, BAD },
    { "99999999999999999999s", BAD, BAD },
};

START_TEST(test_numbers)
{
    uint64_t v = 0;
    int rc = str_to_ms(numbers[_i].z, &v);

    ck_assert_int_eq(rc, numbers[_i].ms == BAD ? ERR_INVALID : 0);
    if (rc == 0) {
        ck_assert_uint_eq(v, numbers[_i].ms);
    }
    rc = str_to_size(numbers[_i].z, &v);
    ck_assert_int_eq(rc, numbers[_i].bytes == BAD ? ERR_INVALID : 0);
    if (rc == 0) {
        ck_assert_uint_eq(v, numbers[_i].bytes);
    }
}
END_TEST

START_TEST(test_u64)
{
    uint64_t v = 7;

    ck_assert_int_eq(str_to_u64("65535", 65535, &v), 0);
    ck_assert_uint_eq(v, 65535);
    ck_assert_int_eq(str_to_u64("18446744073709551615", UINT64_MAX, &v), 0);
    ck_assert_uint_eq(v, UINT64_MAX);
    v = 7;
    ck_assert_int_eq(str_to_u64("65536", 65535, &v), ERR_INVALID);
    ck_assert_int_eq(str_to_u64("", 10, &v), ERR_INVALID);
    ck_assert_int_eq(str_to_u64("1x", 10, &v), ERR_INVALID);
    ck_assert_int_eq(str_to_u64("0x1", 10, &v), ERR_INVALID);
    ck_assert_int_eq(str_to_u64("-1", 10, &v), ERR_INVALID);
    ck_assert_uint_eq(v, 7);
}
END_TEST

START_TEST(test_dup_and_eq)
{
    char *copy = str_dup("a\0b", 3);

    ck_assert_ptr_nonnull(copy);
    ck_assert_mem_eq(copy, "a\0b", 4);
    free(copy);
    copy = str_dup(NULL, 0);
    ck_assert_str_eq(copy, "");
    free(copy);
    ck_assert(str_eq((struct pst_str){ "abc", 2 }, "ab"));
    ck_assert(!str_eq((struct pst_str){ "abc", 3 }, "ab"));
    ck_assert(!str_eq((struct pst_str){ "a\0b", 3 }, "a"));
    ck_assert(str_eq((struct pst_str){ NULL, 0 }, ""));
}
END_TEST

static const struct {
    const char *a, *b;
    unsigned distance;
} pairs[] = {
    { "", "", 0 },
    { "listen", "listen", 0 },
    { "listen", "listne", 2 },
    { "kitten", "sitting", 3 },
    { "", "abc", 3 },
    { "upstream", "upsteam", 1 },
    { "0123456789012345678901234567890abc", "0123456789012345678901234567890xyz", 0 },
};

START_TEST(test_distance)
{
    ck_assert_uint_eq(str_distance(pairs[_i].a, pairs[_i].b), pairs[_i].distance);
    ck_assert_uint_eq(str_distance(pairs[_i].b, pairs[_i].a), pairs[_i].distance);
}
END_TEST

static const struct {
    const char *in;
    size_t n, cap;
    const char *out;
} escapes[] = {
    { "plain text", 10, 64, "plain text" },
    { "a\"b\\c", 5, 64, "a\\\"b\\\\c" },
    { "a\nb\0c\x7f\xff\x1b", 8, 64, "a\\x0ab\\x00c\\x7f\\xff\\x1b" },
    { "\xc3\xbc", 2, 64, "\\xc3\\xbc" },
    { "", 0, 8, "" },
    { "1234567", 7, 8, "1234567" },
    { "12345678", 8, 8, "1234..." },
    { "\n\n", 2, 9, "\\x0a\\x0a" },
    { "\n\n", 2, 8, "\\x0a..." },
    { "abc\n\n", 5, 8, "abc..." },
};

START_TEST(test_escape)
{
    char out[64];

    memset(out, '#', sizeof(out));
    size_t n = str_escape(out, escapes[_i].cap, escapes[_i].in, escapes[_i].n);
    ck_assert_str_eq(out, escapes[_i].out);
    ck_assert_uint_eq(n, strlen(escapes[_i].out));
    if (escapes[_i].cap < sizeof(out)) {
        ck_assert_int_eq(out[escapes[_i].cap], '#');
    }
}
END_TEST

START_TEST(test_err_text)
{
    for (int e = ERR_TIMEOUT; e <= ERR_NOMEM; e++) {
        ck_assert_str_ne(err_text(e), err_text(12345));
    }
    ck_assert_str_eq(err_text(ERR_OK), "success");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("str");
    TCase *tc = tcase_create("str");

    tcase_add_loop_test(tc, test_numbers, 0, COUNT(numbers));
    tcase_add_test(tc, test_u64);
    tcase_add_test(tc, test_dup_and_eq);
    tcase_add_loop_test(tc, test_distance, 0, COUNT(pairs));
    tcase_add_loop_test(tc, test_escape, 0, COUNT(escapes));
    tcase_add_test(tc, test_err_text);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
