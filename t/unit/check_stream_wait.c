/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a socket's stream knows without asking the kernel, and what it is told. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "t/unit/rig.h"

static struct loop *loop;
static struct stream *s;
static int far;
static unsigned seen, calls;

static void on_ready(void *arg, unsigned events)
{
    (void)arg;
    seen |= events;
    calls++;
}

static void turn(void)
{
    loop_step(loop, false);
}

/* Wait until `events` were told, or fail. */
static void until_seen(unsigned events)
{
    uint64_t deadline = clock_ns() + (uint64_t)RIG_DEADLINE_MS * 1000000;

    while ((seen & events) != events) {
        ck_assert(clock_ns() < deadline);
        turn();
    }
}

static void open_fd(int fd[2])
{
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    far = fd[0];
    s = stream_raw_new(loop, fd[1]);
    ck_assert_ptr_nonnull(s);
    stream_on_ready(s, on_ready, NULL);
    seen = calls = 0;
}

static void open_tcp(void)
{
    int fd[2];

    rig_tcp_pair(fd, 0);
    open_fd(fd);
}

static void shut(void)
{
    stream_free(s, PST_CLOSE_GRACEFUL);
    if (far >= 0) {
        close(far);
    }
    loop_free(loop);
}

static int64_t read_some(struct stream *from, char *p, size_t n)
{
    struct pst_iov v = { (uint8_t *)p, n };
    return stream_read(from, &v, 1);
}

static int64_t write_z(struct stream *to, const char *z)
{
    uint8_t b[256];
    const struct pst_iov v = { b, strlen(z) };

    memcpy(b, z, strlen(z));
    return stream_write(to, &v, 1);
}

/* Data and the end came together: the end is known without asking the kernel again. */
START_TEST(end_is_known_beforehand)
{
    char b[16];

    open_tcp();
    ck_assert_int_eq(send(far, "last", 4, 0), 4);
    ck_assert_int_eq(shutdown(far, SHUT_WR), 0);
    stream_interest(s, PST_STREAM_READ);
    until_seen(PST_STREAM_READ);
    ck_assert(!stream_at_end(s));
    ck_assert_int_eq(read_some(s, b, sizeof(b)), 4);
    ck_assert(stream_at_end(s));
    ck_assert_int_eq(read_some(s, b, sizeof(b)), 0);
    shut();
}
END_TEST

/* A read stops short at the mark, with more behind it (RFC 6093); so none says that it was all. */
START_TEST(urgent_data_hides_nothing)
{
    char b[16];

    open_tcp();
    ck_assert_int_eq(send(far, "before!", 7, MSG_OOB), 7);
    ck_assert_int_eq(send(far, "behind", 6, 0), 6);
    ck_assert_int_eq(shutdown(far, SHUT_WR), 0);
    stream_interest(s, PST_STREAM_READ);
    until_seen(PST_STREAM_READ);
    ck_assert_int_eq(read_some(s, b, sizeof(b)), 6);
    ck_assert_mem_eq(b, "before", 6);
    ck_assert(!stream_at_end(s));
    ck_assert_int_eq(read_some(s, b, sizeof(b)), 6);
    ck_assert_mem_eq(b, "behind", 6);
    ck_assert_int_eq(read_some(s, b, sizeof(b)), 0);
    shut();
}
END_TEST

/* A reset that came with the data is told of only once: it is found behind them. */
START_TEST(reset_behind_data)
{
    const struct linger now = { .l_onoff = 1 };
    char b[16];

    open_tcp();
    ck_assert_int_eq(send(far, "last", 4, 0), 4);
    ck_assert_int_eq(setsockopt(far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(far);
    far = -1;
    stream_interest(s, PST_STREAM_READ);
    until_seen(PST_STREAM_READ);
    ck_assert_int_eq(read_some(s, b, sizeof(b)), 4);
    ck_assert(!stream_at_end(s));
    ck_assert_int_eq(read_some(s, b, sizeof(b)), PST_ERR_RESET);
    shut();
}
END_TEST

/* The data are enough for now; that the peer is gone, which came with them, is no less true. */
START_TEST(failure_before_it_was_asked_for)
{
    const struct linger now = { .l_onoff = 1 };
    char b[16];

    open_tcp();
    stream_interest(s, PST_STREAM_READ);
    turn();
    ck_assert_int_eq(send(far, "last", 4, 0), 4);
    ck_assert_int_eq(setsockopt(far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(far);
    far = -1;
    until_seen(PST_STREAM_READ);
    ck_assert_int_eq(read_some(s, b, sizeof(b)), 4);
    stream_interest(s, STREAM_FAILED);
    until_seen(STREAM_FAILED);
    shut();
}
END_TEST

/* One that waits for nothing but a failure is told of no data, and of a reset. */
START_TEST(failure_is_told)
{
    const struct linger now = { .l_onoff = 1 };

    open_tcp();
    stream_interest(s, PST_STREAM_READ);
    turn();
    stream_interest(s, STREAM_FAILED);
    ck_assert_int_eq(send(far, "x", 1, 0), 1);
    turn();
    turn();
    ck_assert_uint_eq(calls, 0);
    ck_assert_int_eq(setsockopt(far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(far);
    far = -1;
    until_seen(STREAM_FAILED);
    ck_assert_uint_eq(seen, STREAM_FAILED);
    shut();
}
END_TEST

/* The last write and the end behind it leave together, and arrive as two things. */
START_TEST(last_write_leaves)
{
    char b[16];

    open_tcp();
    stream_last_write(s);
    ck_assert_int_eq(write_z(s, "bye"), 3);
    ck_assert_int_eq(stream_shutdown_write(s), PST_OK);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), 3);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), 0);
    shut();
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
