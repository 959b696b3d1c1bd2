/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/stream/pipe_pool.h"

START_TEST(reuses_what_was_given_back)
{
    struct pipe_pool *p = pipe_pool_new(2);
    struct pipe_pair *a = pipe_pool_get(p);

    ck_assert_ptr_nonnull(a);
    ck_assert_uint_ge(a->size, 65536);
    ck_assert_uint_eq(a->size, (size_t)fcntl(a->rd, F_GETPIPE_SZ));
    ck_assert_uint_eq(pipe_pool_used(p), 1);
    pipe_pool_put(p, a);
    ck_assert_uint_eq(pipe_pool_used(p), 0);
    ck_assert_ptr_eq(pipe_pool_get(p), a);
    pipe_pool_put(p, a);
    pipe_pool_free(p);
}
END_TEST

START_TEST(stops_at_its_limit)
{
    struct pipe_pool *p = pipe_pool_new(2);
    struct pipe_pair *a = pipe_pool_get(p);
    struct pipe_pair *b = pipe_pool_get(p);

    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_null(pipe_pool_get(p));
    ck_assert_uint_eq(pipe_pool_used(p), 2);
    pipe_pool_put(p, a);
    pipe_pool_put(p, b);
    pipe_pool_free(p);
    p = pipe_pool_new(0);
    ck_assert_ptr_null(pipe_pool_get(p));
    pipe_pool_free(p);
}
END_TEST

START_TEST(never_reuses_one_with_bytes)
{
    struct pipe_pool *p = pipe_pool_new(1);
    struct pipe_pair *a = pipe_pool_get(p);
    char c;

    ck_assert_int_eq(write(a->wr, "x", 1), 1);
    a->fill = 1;
    pipe_pool_put(p, a);
    a = pipe_pool_get(p);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq(a->fill, 0);
    ck_assert_int_eq(read(a->rd, &c, 1), -1);
    pipe_pool_put(p, a);
    pipe_pool_free(p);
}
END_TEST

START_TEST(says_no_without_descriptors)
{
    struct pipe_pool *p = pipe_pool_new(8);
    struct rlimit old, none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct pipe_pair *a = pipe_pool_get(p);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_ptr_null(a);
    ck_assert_uint_eq(pipe_pool_used(p), 0);
    a = pipe_pool_get(p);
    ck_assert_ptr_nonnull(a);
    pipe_pool_put(p, a);
    pipe_pool_free(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipe_pool");
    TCase *t = tcase_create("pool");

    tcase_add_test(t, reuses_what_was_given_back);
    tcase_add_test(t, stops_at_its_limit);
    tcase_add_test(t, never_reuses_one_with_bytes);
    tcase_add_test(t, says_no_without_descriptors);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
