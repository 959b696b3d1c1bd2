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

#include "core/base/err.h"
#include "t/harness/mem_stream.h"
#include "t/unit/rig.h"
#include "t/unit/xor_stream.h"

static struct rig_stream one;

static void open_packet(void)
{
    int fd[2];

    rig_unix_pair(fd, SOCK_SEQPACKET);
    rig_stream_open(&one, fd);
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

    rig_stream_open_tcp(&one);
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), PST_WANT_READ);
    ck_assert_int_eq(send(one.far, "hello", 5, 0), 5);
    stream_interest(one.s, PST_STREAM_READ);
    rig_stream_until(&one, PST_STREAM_READ);
    ck_assert_int_eq(stream_read(one.s, v, 2), 5);
    ck_assert_mem_eq(c, "he", 2);
    ck_assert_mem_eq(b, "llo", 3);
    v[1].n = 3;
    ck_assert_int_eq(stream_write(one.s, v, 2), 5);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), 5);
    ck_assert_uint_eq(stream_bytes_in(one.s), 5);
    ck_assert_uint_eq(stream_bytes_out(one.s), 5);
    stream_count(one.s, 10, 20);
    ck_assert_uint_eq(stream_bytes_in(one.s), 15);
    ck_assert_uint_eq(stream_bytes_out(one.s), 25);
    ck_assert_int_eq(stream_shutdown_write(one.s), PST_OK);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), 0);
    ck_assert_int_eq(stream_handshake(one.s), PST_OK);
    ck_assert_int_eq(stream_direct_fd(one.s, PST_STREAM_READ), stream_fd(one.s));
    rig_stream_close(&one);
}
END_TEST

START_TEST(end_and_reset)
{
    char b[8];
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };

    rig_stream_open_tcp(&one);
    if (_i == 1) {
        ck_assert_int_eq(setsockopt(one.far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    }
    close(one.far);
    one.far = -1;
    stream_interest(one.s, PST_STREAM_READ);
    rig_stream_until(&one, PST_STREAM_READ);
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), _i == 1 ? PST_ERR_RESET : 0);
    ck_assert_int_eq(stream_errno(one.s), _i == 1 ? ECONNRESET : 0);
    rig_stream_close(&one);
}
END_TEST

/* SIGPIPE would kill this process: nobody ignores it here. */
START_TEST(writing_to_nobody)
{
    struct pst_iov v[2] = { { (uint8_t *)&one.far, 1 }, { (uint8_t *)&one.far, 1 } };
    int fd[2];

    rig_unix_pair(fd, SOCK_STREAM);
    rig_stream_open(&one, fd);
    close(one.far);
    one.far = -1;
    ck_assert_int_eq(rig_write(one.s, "x"), PST_ERR_RESET);
    ck_assert_int_eq(stream_write(one.s, v, 2), PST_ERR_RESET);
    ck_assert_int_eq(stream_errno(one.s), EPIPE);
    rig_stream_close(&one);
}
END_TEST

START_TEST(closing_as_told)
{
    char b[8];

    rig_stream_open_tcp(&one);
    stream_interest(one.s, PST_STREAM_READ | PST_STREAM_WRITE);
    stream_free(one.s, _i == 0 ? PST_CLOSE_GRACEFUL : PST_CLOSE_ABORT);
    one.s = NULL;
    evutil_make_socket_nonblocking(one.far);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), _i == 0 ? 0 : -1);
    ck_assert(_i == 0 || errno == ECONNRESET);
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 0);
    rig_stream_close(&one);
}
END_TEST

START_TEST(interest_is_followed)
{
    rig_stream_open_tcp(&one);
    stream_interest(one.s, PST_STREAM_WRITE);
    rig_stream_until(&one, PST_STREAM_WRITE);
    ck_assert_uint_eq(one.seen, PST_STREAM_WRITE);
    stream_interest(one.s, PST_STREAM_READ);
    one.seen = 0;
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.seen, 0);
    ck_assert_int_eq(send(one.far, "x", 1, 0), 1);
    rig_stream_until(&one, PST_STREAM_READ);
    one.seen = 0;
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.seen, 0);
    stream_interest(one.s, PST_STREAM_READ); /* nobody has read: it is told again, when asked for */
    rig_stream_until(&one, PST_STREAM_READ);
    stream_interest(one.s, PST_STREAM_READ | PST_STREAM_WRITE);
    one.seen = 0;
    rig_stream_until(&one, PST_STREAM_READ | PST_STREAM_WRITE);
    stream_interest(one.s, 0);
    one.seen = 0;
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.seen, 0);
    rig_stream_close(&one);
}
END_TEST

static void free_it(void *arg, unsigned events)
{
    (void)arg;
    one.seen |= events;
    one.calls++;
    stream_free(one.s, PST_CLOSE_GRACEFUL);
    one.s = NULL;
}

START_TEST(freed_by_its_callback)
{
    rig_stream_open_tcp(&one);
    stream_on_ready(one.s, free_it, NULL);
    ck_assert_int_eq(send(one.far, "x", 1, 0), 1);
    stream_interest(one.s, PST_STREAM_READ | PST_STREAM_WRITE);
    while (one.s != NULL) {
        loop_step(one.loop, false);
    }
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 1);
    rig_stream_close(&one);
}
END_TEST

/* The poller refuses files: the owner is woken up, unless it has gone before. */
START_TEST(freed_before_it_is_told_of_a_refusal)
{
    int fd[2] = { -1, memfd_create("file", MFD_CLOEXEC) };

    ck_assert_int_ge(fd[1], 0);
    rig_stream_open(&one, fd);
    stream_interest(one.s, PST_STREAM_READ | PST_STREAM_WRITE);
    stream_free(one.s, PST_CLOSE_GRACEFUL);
    one.s = NULL;
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 0);
    loop_free(one.loop);
}
END_TEST

START_TEST(prefix_is_read_first_and_counted_once)
{
    char b[8];

    rig_stream_open_tcp(&one);
    set_prefix(one.s, "");
    ck_assert_uint_eq(stream_prefix_left(one.s), 0);
    set_prefix(one.s, "prefix");
    ck_assert_uint_eq(stream_prefix_left(one.s), 6);
    ck_assert_int_eq(stream_direct_fd(one.s, PST_STREAM_READ), PST_FD_NOT_NOW);
    ck_assert_int_ge(stream_direct_fd(one.s, PST_STREAM_WRITE), 0);
    ck_assert_int_eq(send(one.far, "rest", 4, 0), 4);
    ck_assert_int_eq(rig_read(one.s, b, 4), 4);
    ck_assert_mem_eq(b, "pref", 4);
    ck_assert_int_eq(rig_read(one.s, b, 8), 2);
    ck_assert_int_ge(stream_direct_fd(one.s, PST_STREAM_READ), 0);
    stream_interest(one.s, PST_STREAM_READ);
    rig_stream_until(&one, PST_STREAM_READ);
    ck_assert_int_eq(rig_read(one.s, b, 8), 4);
    ck_assert_uint_eq(stream_bytes_in(one.s), 4);
    rig_stream_close(&one);
}
END_TEST

START_TEST(front_goes_with_the_first_write)
{
    char b[32];

    open_packet();
    ck_assert_int_eq(stream_push_front(one.s, "ab", 2), ERR_OK);
    ck_assert_int_eq(stream_push_front(one.s, "cd", 2), ERR_OK);
    ck_assert_int_eq(stream_direct_fd(one.s, PST_STREAM_WRITE), PST_FD_NOT_NOW);
    ck_assert_int_eq(rig_write(one.s, "ef"), 2);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), 6);
    ck_assert_mem_eq(b, "abcdef", 6);
    ck_assert_int_ge(stream_direct_fd(one.s, PST_STREAM_WRITE), 0);
    ck_assert_int_eq(stream_push_front(one.s, "gh", 2), ERR_OK);
    ck_assert_int_eq(stream_flush(one.s), PST_OK);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), 2);
    ck_assert_int_eq(stream_push_front(one.s, "ij", 2), ERR_OK);
    ck_assert_int_eq(stream_shutdown_write(one.s), PST_OK);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), 2);
    ck_assert_uint_eq(stream_bytes_out(one.s), 10);
    rig_stream_close(&one);
}
END_TEST

/* --- without a socket ------------------------------------------------------------------------- */

static struct mem_stream *m;

static void mem_ready(void *arg, uint32_t events)
{
    (void)arg;
    stream_module_ready(one.s, events);
}

static void open_mem(const struct pst_stream_ops *ops)
{
    one = (struct rig_stream){ .loop = loop_new(), .far = -1 };
    m = mem_new(mem_ready, NULL);
    one.s = stream_module_new(one.loop, ops, m);
    ck_assert_ptr_nonnull(one.s);
    stream_on_ready(one.s, rig_stream_ready, &one);
}

START_TEST(front_in_short_writes)
{
    char b[32];

    open_mem(&mem_ops);
    ck_assert_int_eq(stream_push_front(one.s, "abcd", 4), ERR_OK);
    mem_script(m, MEM_WRITE, 1);
    mem_script(m, MEM_WRITE, PST_WANT_WRITE);
    ck_assert_int_eq(rig_write(one.s, "ef"), PST_WANT_WRITE);
    mem_script(m, MEM_WRITE, 3);
    mem_script(m, MEM_WRITE, PST_WANT_WRITE);
    ck_assert_int_eq(rig_write(one.s, "ef"), PST_WANT_WRITE);
    mem_script(m, MEM_WRITE, 1);
    ck_assert_int_eq(rig_write(one.s, "ef"), 1);
    ck_assert_int_eq(rig_write(one.s, "f"), 1);
    ck_assert_uint_eq(mem_take(m, b, sizeof(b)), 6);
    ck_assert_mem_eq(b, "abcdef", 6);
    ck_assert_int_eq(stream_push_front(one.s, "gh", 2), ERR_OK);
    mem_script(m, MEM_WRITE, 1);
    mem_script(m, MEM_WRITE, PST_WANT_WRITE);
    ck_assert_int_eq(stream_flush(one.s), PST_WANT_WRITE);
    mem_script(m, MEM_WRITE, PST_ERR_RESET);
    ck_assert_int_eq(stream_shutdown_write(one.s), PST_ERR_RESET);
    ck_assert(!mem_was_shut(m));
    ck_assert_uint_eq(stream_bytes_out(one.s), 7);
    rig_stream_close(&one);
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
    struct stream *top = stream_stack(one.s, &ops, upper);
    ck_assert_ptr_nonnull(top);
    ck_assert_ptr_eq(stream_inner(top), one.s);
    ck_assert_ptr_eq(stream_base(top), one.s);
    ck_assert_ptr_null(stream_inner(one.s));
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
    loop_free(one.loop);
    mem_free(m);
    mem_free(upper);
}
END_TEST

START_TEST(a_layer_reads_the_prefix_below)
{
    char b[8];

    rig_stream_open_tcp(&one);
    set_prefix(one.s, "\x3b\x38");
    one.s = xor_stack(one.s, 100);
    ck_assert_ptr_nonnull(one.s);
    ck_assert_int_eq(stream_direct_fd(one.s, PST_STREAM_READ), PST_FD_NEVER);
    ck_assert_int_eq(rig_read(one.s, b, 8), 2);
    ck_assert_mem_eq(b, "ab", 2);
    ck_assert_int_eq(stream_push_front(one.s, "front", 5), ERR_OK);
    ck_assert_int_eq(rig_write(one.s, "ab"), 2);
    ck_assert_uint_eq(stream_bytes_out(one.s), 0);
    ck_assert_int_eq(stream_flush(one.s), PST_OK);
    ck_assert_int_eq(recv(one.far, b, sizeof(b), 0), 7);
    ck_assert_mem_eq(b, "front\x3b\x38", 7);
    ck_assert_uint_eq(stream_bytes_out(one.s), 7);
    rig_stream_close(&one);
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
