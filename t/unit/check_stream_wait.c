/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a socket's stream knows without asking the kernel, and what it is told. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "t/unit/rig.h"

static struct rig_stream one;

/* Data and the end came together: the end is known without asking the kernel again. */
START_TEST(end_is_known_beforehand)
{
    char b[16];

    rig_stream_open_tcp(&one);
    ck_assert_int_eq(send(one.far, "last", 4, 0), 4);
    ck_assert_int_eq(shutdown(one.far, SHUT_WR), 0);
    stream_interest(one.s, PST_STREAM_READ);
    rig_stream_until(&one, PST_STREAM_READ);
    ck_assert(!stream_at_end(one.s));
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), 4);
    ck_assert(stream_at_end(one.s));
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), 0);
    rig_stream_close(&one);
}
END_TEST

/* A read stops short at the mark, with more behind it (RFC 6093); so none says that it was all. */
START_TEST(urgent_data_hides_nothing)
{
    char b[16];

    rig_stream_open_tcp(&one);
    ck_assert_int_eq(send(one.far, "before!", 7, MSG_OOB), 7);
    ck_assert_int_eq(send(one.far, "behind", 6, 0), 6);
    ck_assert_int_eq(shutdown(one.far, SHUT_WR), 0);
    stream_interest(one.s, PST_STREAM_READ);
    rig_stream_until(&one, PST_STREAM_READ);
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), 6);
    ck_assert_mem_eq(b, "before", 6);
    ck_assert(!stream_at_end(one.s));
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), 6);
    ck_assert_mem_eq(b, "behind", 6);
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), 0);
    rig_stream_close(&one);
}
END_TEST

/* A reset that came with the data is told of only once: it is found behind them. */
START_TEST(reset_behind_data)
{
    const struct linger now = { .l_onoff = 1 };
    char b[16];

    rig_stream_open_tcp(&one);
    ck_assert_int_eq(send(one.far, "last", 4, 0), 4);
    ck_assert_int_eq(setsockopt(one.far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(one.far);
    one.far = -1;
    stream_interest(one.s, PST_STREAM_READ);
    rig_stream_until(&one, PST_STREAM_READ);
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), 4);
    ck_assert(!stream_at_end(one.s));
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), PST_ERR_RESET);
    rig_stream_close(&one);
}
END_TEST

/* The data are enough for now; that the peer is gone, which came with them, is no less true. */
START_TEST(failure_before_it_was_asked_for)
{
    const struct linger now = { .l_onoff = 1 };
    char b[16];

    rig_stream_open_tcp(&one);
    stream_interest(one.s, PST_STREAM_READ);
    loop_step(one.loop, false);
    ck_assert_int_eq(send(one.far, "last", 4, 0), 4);
    ck_assert_int_eq(setsockopt(one.far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(one.far);
    one.far = -1;
    rig_stream_until(&one, PST_STREAM_READ);
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), 4);
    stream_interest(one.s, STREAM_FAILED);
    rig_stream_until(&one, STREAM_FAILED);
    rig_stream_close(&one);
}
END_TEST

/* One that waits for nothing but a failure is told of no data, and of a reset. */
START_TEST(failure_is_told)
{
    const struct linger now = { .l_onoff = 1 };

    rig_stream_open_tcp(&one);
    stream_interest(one.s, PST_STREAM_READ);
    loop_step(one.loop, false);
    stream_interest(one.s, STREAM_FAILED);
    ck_assert_int_eq(send(one.far, "x", 1, 0), 1);
    loop_step(one.loop, false);
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 0);
    ck_assert_int_eq(setsockopt(one.far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(one.far);
    one.far = -1;
    rig_stream_until(&one, STREAM_FAILED);
    ck_assert_uint_eq(one.seen, STREAM_FAILED);
    rig_stream_close(&one);
}
END_TEST

/* The last write and the end behind it leave together, and arrive as two things. */
START_TEST(last_write_leaves)
{
    char b[16];

    rig_stream_open_tcp(&one);
    stream_last_write(one.s);
    ck_assert_int_eq(rig_write(one.s, "bye"), 3);
    ck_assert_int_eq(stream_shutdown_write(one.s), PST_OK);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), 3);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), 0);
    rig_stream_close(&one);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_wait");
    TCase *t = tcase_create("stream_wait");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, end_is_known_beforehand);
    tcase_add_test(t, urgent_data_hides_nothing);
    tcase_add_test(t, reset_behind_data);
    tcase_add_test(t, failure_before_it_was_asked_for);
    tcase_add_test(t, failure_is_told);
    tcase_add_test(t, last_write_leaves);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
