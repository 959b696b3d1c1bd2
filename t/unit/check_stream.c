/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layers and bases: bytes, what waits in front, readiness, closing. */
#include <check.h>
#include <event2/util.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "t/harness/mem_stream.h"
#include "t/unit/rig.h"
#include "t/unit/xor_stream.h"

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

static void open_packet(void)
{
    int fd[2];

    rig_unix_pair(fd, SOCK_SEQPACKET);
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

static void set_prefix(struct stream *to, const char *z)
{
    struct buf b;

    buf_init(&b, 1000);
    ck_assert_int_eq(buf_add(&b, z, strlen(z)), ERR_OK);
    stream_set_prefix(to, &b);
    ck_assert_ptr_null(b.p);
}

START_TEST(reads_writes_and_counts)
{
    char b[64], c[2];
    struct pst_iov v[2] = { { (uint8_t *)c, 2 }, { (uint8_t *)b, sizeof(b) } };

    open_tcp();
    ck_assert_int_eq(read_some(s, b, sizeof(b)), PST_WANT_READ);
    ck_assert_int_eq(send(far, "hello", 5, 0), 5);
    stream_interest(s, PST_STREAM_READ);
    until_seen(PST_STREAM_READ);
    ck_assert_int_eq(stream_read(s, v, 2), 5);
    ck_assert_mem_eq(c, "he", 2);
    ck_assert_mem_eq(b, "llo", 3);
    v[1].n = 3;
    ck_assert_int_eq(stream_write(s, v, 2), 5);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), 5);
    ck_assert_uint_eq(stream_bytes_in(s), 5);
    ck_assert_uint_eq(stream_bytes_out(s), 5);
    stream_count(s, 10, 20);
    ck_assert_uint_eq(stream_bytes_in(s), 15);
    ck_assert_uint_eq(stream_bytes_out(s), 25);
    ck_assert_int_eq(stream_shutdown_write(s), PST_OK);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), 0);
    ck_assert_int_eq(stream_handshake(s), PST_OK);
    ck_assert_int_eq(stream_direct_fd(s, PST_STREAM_READ), stream_fd(s));
    shut();
}
END_TEST

START_TEST(end_and_reset)
{
    char b[8];
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };

    open_tcp();
    if (_i == 1) {
        ck_assert_int_eq(setsockopt(far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    }
    close(far);
    far = -1;
    stream_interest(s, PST_STREAM_READ);
    until_seen(PST_STREAM_READ);
    ck_assert_int_eq(read_some(s, b, sizeof(b)), _i == 1 ? PST_ERR_RESET : 0);
    ck_assert_int_eq(stream_errno(s), _i == 1 ? ECONNRESET : 0);
    shut();
}
END_TEST

/* SIGPIPE would kill this process: nobody ignores it here. */
START_TEST(writing_to_nobody)
{
    struct pst_iov v[2] = { { (uint8_t *)&far, 1 }, { (uint8_t *)&far, 1 } };
    int fd[2];

    rig_unix_pair(fd, SOCK_STREAM);
    open_fd(fd);
    close(far);
    far = -1;
    ck_assert_int_eq(write_z(s, "x"), PST_ERR_RESET);
    ck_assert_int_eq(stream_write(s, v, 2), PST_ERR_RESET);
    ck_assert_int_eq(stream_errno(s), EPIPE);
    shut();
}
END_TEST

START_TEST(closing_as_told)
{
    char b[8];

    open_tcp();
    stream_interest(s, PST_STREAM_READ | PST_STREAM_WRITE);
    stream_free(s, _i == 0 ? PST_CLOSE_GRACEFUL : PST_CLOSE_ABORT);
    s = NULL;
    evutil_make_socket_nonblocking(far);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), _i == 0 ? 0 : -1);
    ck_assert(_i == 0 || errno == ECONNRESET);
    turn();
    ck_assert_uint_eq(calls, 0);
    shut();
}
END_TEST

START_TEST(interest_is_followed)
{
    open_tcp();
    stream_interest(s, PST_STREAM_WRITE);
    until_seen(PST_STREAM_WRITE);
    ck_assert_uint_eq(seen, PST_STREAM_WRITE);
    stream_interest(s, PST_STREAM_READ);
    seen = 0;
    turn();
    ck_assert_uint_eq(seen, 0);
    ck_assert_int_eq(send(far, "x", 1, 0), 1);
    until_seen(PST_STREAM_READ);
    seen = 0;
    turn();
    ck_assert_uint_eq(seen, 0);
    stream_interest(s, PST_STREAM_READ); /* nobody has read: it is told again, when asked for */
    until_seen(PST_STREAM_READ);
    stream_interest(s, PST_STREAM_READ | PST_STREAM_WRITE);
    seen = 0;
    until_seen(PST_STREAM_READ | PST_STREAM_WRITE);
    stream_interest(s, 0);
    seen = 0;
    turn();
    ck_assert_uint_eq(seen, 0);
    shut();
}
END_TEST

static void free_it(void *arg, unsigned events)
{
    (void)arg;
    seen |= events;
    calls++;
    stream_free(s, PST_CLOSE_GRACEFUL);
    s = NULL;
}

START_TEST(freed_by_its_callback)
{
    open_tcp();
    stream_on_ready(s, free_it, NULL);
    ck_assert_int_eq(send(far, "x", 1, 0), 1);
    stream_interest(s, PST_STREAM_READ | PST_STREAM_WRITE);
    while (s != NULL) {
        turn();
    }
    turn();
    ck_assert_uint_eq(calls, 1);
    shut();
}
END_TEST

/* The poller refuses files: the owner is woken up, unless it has gone before. */
START_TEST(freed_before_it_is_told_of_a_refusal)
{
    int fd[2] = { -1, memfd_create("file", MFD_CLOEXEC) };

    ck_assert_int_ge(fd[1], 0);
    open_fd(fd);
    stream_interest(s, PST_STREAM_READ | PST_STREAM_WRITE);
    stream_free(s, PST_CLOSE_GRACEFUL);
    s = NULL;
    turn();
    ck_assert_uint_eq(calls, 0);
    loop_free(loop);
}
END_TEST

START_TEST(prefix_is_read_first_and_counted_once)
{
    char b[8];

    open_tcp();
    set_prefix(s, "");
    ck_assert_uint_eq(stream_prefix_left(s), 0);
    set_prefix(s, "prefix");
    ck_assert_uint_eq(stream_prefix_left(s), 6);
    ck_assert_int_eq(stream_direct_fd(s, PST_STREAM_READ), PST_FD_NOT_NOW);
    ck_assert_int_ge(stream_direct_fd(s, PST_STREAM_WRITE), 0);
    ck_assert_int_eq(send(far, "rest", 4, 0), 4);
    ck_assert_int_eq(read_some(s, b, 4), 4);
    ck_assert_mem_eq(b, "pref", 4);
    ck_assert_int_eq(read_some(s, b, 8), 2);
    ck_assert_int_ge(stream_direct_fd(s, PST_STREAM_READ), 0);
    stream_interest(s, PST_STREAM_READ);
    until_seen(PST_STREAM_READ);
    ck_assert_int_eq(read_some(s, b, 8), 4);
    ck_assert_uint_eq(stream_bytes_in(s), 4);
    shut();
}
END_TEST

START_TEST(front_goes_with_the_first_write)
{
    char b[32];

    open_packet();
    ck_assert_int_eq(stream_push_front(s, "ab", 2), ERR_OK);
    ck_assert_int_eq(stream_push_front(s, "cd", 2), ERR_OK);
    ck_assert_int_eq(stream_direct_fd(s, PST_STREAM_WRITE), PST_FD_NOT_NOW);
    ck_assert_int_eq(write_z(s, "ef"), 2);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), 6);
    ck_assert_mem_eq(b, "abcdef", 6);
    ck_assert_int_ge(stream_direct_fd(s, PST_STREAM_WRITE), 0);
    ck_assert_int_eq(stream_push_front(s, "gh", 2), ERR_OK);
    ck_assert_int_eq(stream_flush(s), PST_OK);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), 2);
    ck_assert_int_eq(stream_push_front(s, "ij", 2), ERR_OK);
    ck_assert_int_eq(stream_shutdown_write(s), PST_OK);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), 2);
    ck_assert_uint_eq(stream_bytes_out(s), 10);
    shut();
}
END_TEST

/* --- without a socket ------------------------------------------------------------------------- */

static struct mem_stream *m;

static void mem_ready(void *arg, uint32_t events)
{
    (void)arg;
    stream_module_ready(s, events);
}

static void open_mem(const struct pst_stream_ops *ops)
{
    loop = loop_new();
    m = mem_new(mem_ready, NULL);
    s = stream_module_new(loop, ops, m);
    ck_assert_ptr_nonnull(s);
    stream_on_ready(s, on_ready, NULL);
    far = -1;
    seen = calls = 0;
}

START_TEST(front_in_short_writes)
{
    char b[32];

    open_mem(&mem_ops);
    ck_assert_int_eq(stream_push_front(s, "abcd", 4), ERR_OK);
    mem_script(m, MEM_WRITE, 1);
    mem_script(m, MEM_WRITE, PST_WANT_WRITE);
    ck_assert_int_eq(write_z(s, "ef"), PST_WANT_WRITE);
    mem_script(m, MEM_WRITE, 3);
    mem_script(m, MEM_WRITE, PST_WANT_WRITE);
    ck_assert_int_eq(write_z(s, "ef"), PST_WANT_WRITE);
    mem_script(m, MEM_WRITE, 1);
    ck_assert_int_eq(write_z(s, "ef"), 1);
    ck_assert_int_eq(write_z(s, "f"), 1);
    ck_assert_uint_eq(mem_take(m, b, sizeof(b)), 6);
    ck_assert_mem_eq(b, "abcdef", 6);
    ck_assert_int_eq(stream_push_front(s, "gh", 2), ERR_OK);
    mem_script(m, MEM_WRITE, 1);
    mem_script(m, MEM_WRITE, PST_WANT_WRITE);
    ck_assert_int_eq(stream_flush(s), PST_WANT_WRITE);
    mem_script(m, MEM_WRITE, PST_ERR_RESET);
    ck_assert_int_eq(stream_shutdown_write(s), PST_ERR_RESET);
    ck_assert(!mem_was_shut(m));
    ck_assert_uint_eq(stream_bytes_out(s), 7);
    shut();
    mem_free(m);
}
END_TEST

/* --- layers ----------------------------------------------------------------------------------- */

static struct mem_stream *upper, *order[4];
static unsigned n_order;

static void note_close(void *ctx, uint32_t how)
{
    order[n_order++] = ctx;
    mem_ops.close(ctx, how);
}

START_TEST(closed_from_the_top_once)
{
    struct pst_stream_ops ops = mem_ops;

    n_order = 0;
    ops.close = note_close;
    open_mem(&ops);
    upper = mem_new(NULL, NULL);
    struct stream *top = stream_stack(s, &ops, upper);
    ck_assert_ptr_nonnull(top);
    ck_assert_ptr_eq(stream_inner(top), s);
    ck_assert_ptr_eq(stream_base(top), s);
    ck_assert_ptr_null(stream_inner(s));
    mem_script(upper, MEM_HANDSHAKE, PST_WANT_READ);
    mem_script(upper, MEM_HANDSHAKE, PST_WANT_WRITE);
    ck_assert_int_eq(stream_handshake(top), PST_WANT_READ);
    ck_assert_int_eq(stream_handshake(top), PST_WANT_WRITE);
    ck_assert_int_eq(stream_handshake(top), PST_OK);
    ck_assert_int_eq(stream_handshake(top), PST_OK);
    ck_assert_uint_eq(mem_calls(m, MEM_HANDSHAKE), 1);
    ck_assert_uint_eq(mem_calls(upper, MEM_HANDSHAKE), 3);
    ck_assert_int_eq(stream_flush(top), PST_OK);
    ck_assert_uint_eq(mem_calls(m, MEM_FLUSH), 1);
    ck_assert_uint_eq(mem_calls(upper, MEM_FLUSH), 1);
    ck_assert_int_eq(stream_shutdown_write(top), PST_OK);
    ck_assert(mem_was_shut(upper) && !mem_was_shut(m));
    stream_free(top, PST_CLOSE_ABORT);
    ck_assert_uint_eq(n_order, 2);
    ck_assert_ptr_eq(order[0], upper);
    ck_assert_ptr_eq(order[1], m);
    loop_free(loop);
    mem_free(m);
    mem_free(upper);
}
END_TEST

START_TEST(a_layer_reads_the_prefix_below)
{
    char b[8];

    open_tcp();
    set_prefix(s, "\x3b\x38");
    s = xor_stack(s, 100);
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(stream_direct_fd(s, PST_STREAM_READ), PST_FD_NEVER);
    ck_assert_int_eq(read_some(s, b, 8), 2);
    ck_assert_mem_eq(b, "ab", 2);
    ck_assert_int_eq(stream_push_front(s, "front", 5), ERR_OK);
    ck_assert_int_eq(write_z(s, "ab"), 2);
    ck_assert_uint_eq(stream_bytes_out(s), 0);
    ck_assert_int_eq(stream_flush(s), PST_OK);
    ck_assert_int_eq(recv(far, b, sizeof(b), 0), 7);
    ck_assert_mem_eq(b, "front\x3b\x38", 7);
    ck_assert_uint_eq(stream_bytes_out(s), 7);
    shut();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *t = tcase_create("stream");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, reads_writes_and_counts);
    tcase_add_loop_test(t, end_and_reset, 0, 2);
    tcase_add_test(t, writing_to_nobody);
    tcase_add_loop_test(t, closing_as_told, 0, 2);
    tcase_add_test(t, interest_is_followed);
    tcase_add_test(t, freed_by_its_callback);
    tcase_add_test(t, freed_before_it_is_told_of_a_refusal);
    tcase_add_test(t, prefix_is_read_first_and_counted_once);
    tcase_add_test(t, front_goes_with_the_first_write);
    tcase_add_test(t, front_in_short_writes);
    tcase_add_test(t, closed_from_the_top_once);
    tcase_add_test(t, a_layer_reads_the_prefix_below);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
