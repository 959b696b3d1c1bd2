/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"

START_TEST(test_buf_grows_to_its_limit)
{
    struct buf b;
    uint8_t chunk[100];

    memset(chunk, 'x', sizeof(chunk));
    buf_init(&b, 1000);
    ck_assert_ptr_null(b.p);
    for (int i = 0; i < 10; i++) {
        chunk[0] = (uint8_t)i;
        ck_assert_int_eq(buf_add(&b, chunk, sizeof(chunk)), 0);
        ck_assert_uint_le(b.cap, 1000);
    }
    ck_assert_uint_eq(b.len, 1000);
    ck_assert_int_eq(buf_add(&b, chunk, 1), ERR_LIMIT);
    ck_assert_uint_eq(b.len, 1000);
    ck_assert_int_eq(buf_add(&b, NULL, 0), 0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(b.p[i * 100], i);
        ck_assert_int_eq(b.p[i * 100 + 1], 'x');
    }
    buf_free(&b);
    ck_assert_uint_eq(b.limit, 1000);
    ck_assert_ptr_null(b.p);
}
END_TEST

START_TEST(test_buf_is_no_larger_than_needed)
{
    struct buf b;

    buf_init(&b, 1u << 20);
    ck_assert_int_eq(buf_add(&b, "a", 1), 0);
    ck_assert_uint_le(b.cap, 1024);
    ck_assert_int_eq(buf_add(&b, "a", (size_t)1 << 40), ERR_LIMIT);
    ck_assert_int_eq(buf_add(&b, "a", SIZE_MAX), ERR_LIMIT);
    ck_assert_uint_eq(b.len, 1);
    buf_free(&b);
}
END_TEST

START_TEST(test_buf_drop)
{
    struct buf b;

    buf_init(&b, 100);
    ck_assert_int_eq(buf_add(&b, "hello world", 11), 0);
    buf_drop(&b, 0);
    ck_assert_uint_eq(b.len, 11);
    buf_drop(&b, 6);
    ck_assert_uint_eq(b.len, 5);
    ck_assert_mem_eq(b.p, "world", 5);
    buf_drop(&b, 5);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_int_eq(buf_add(&b, "x", 1), 0);
    buf_clear(&b);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_ptr_nonnull(b.p);
    buf_free(&b);
}
END_TEST

START_TEST(test_arena)
{
    struct arena a;
    static const size_t sizes[] = { 0, 1, 7, 16, 100, 1023, 1024, 1025, 70000, 3 };
    uint8_t *got[sizeof(sizes) / sizeof(sizes[0])];

    arena_init(&a);
    ck_assert_ptr_null(a.head);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        got[i] = arena_alloc(&a, sizes[i]);
        ck_assert_ptr_nonnull(got[i]);
        ck_assert_uint_eq((uintptr_t)got[i] % alignof(max_align_t), 0);
        for (size_t k = 0; k < sizes[i]; k++) {
            ck_assert_int_eq(got[i][k], 0);
        }
        memset(got[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizes[i]; k++) {
            ck_assert_int_eq(got[i][k], (int)i + 1);
        }
    }
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 64));
    ck_assert_ptr_null(arena_alloc(&a, UINT32_MAX));
    ck_assert_ptr_null(arena_strndup(&a, "", SIZE_MAX));
    char *copy = arena_strndup(&a, "abcdef", 3);
    ck_assert_str_eq(copy, "abc");
    arena_free(&a);
    ck_assert_ptr_null(a.head);
    ck_assert_ptr_nonnull(arena_alloc(&a, 1));
    arena_free(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("buf");
    TCase *tc = tcase_create("buf");

    tcase_add_test(tc, test_buf_grows_to_its_limit);
    tcase_add_test(tc, test_buf_is_no_larger_than_needed);
    tcase_add_test(tc, test_buf_drop);
    tcase_add_test(tc, test_arena);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
