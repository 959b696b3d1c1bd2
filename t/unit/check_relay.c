/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes through the relay: sizes, modes, back-pressure, what goes in front. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "t/harness/mem_stream.h"
#include "t/unit/rig.h"
#include "t/unit/xor_stream.h"

static struct rig g;

static bool got_end(const struct rig *r)
{
    return r->ended > 0 && r->peer[0].eof && r->peer[1].eof;
}

/* Send both plans, then FIN from both; everything must arrive and the end must be clean. */
static void exchange(size_t up, size_t down)
{
    g.peer[0].plan = up;
    g.peer[1].plan = down;
    relay_start(g.relay);
    rig_until(&g, rig_all_there);
    ck_assert_int_eq(g.ended, 0);
    ck_assert_uint_eq(pipe_pool_used(g.pipes), 0);
    g.peer[0].fin_after_plan = true;
    g.peer[1].fin_after_plan = true;
    rig_until(&g, got_end);
    ck_assert_int_eq(g.ended, 1);
    ck_assert_uint_eq(g.peer[1].got, up);
    ck_assert_uint_eq(g.peer[0].got, down);
    ck_assert(!g.peer[0].bad && !g.peer[1].bad);
    ck_assert(!g.end.truncated);
    ck_assert_uint_eq(stream_bytes_in(g.s[0]), up);
    ck_assert_uint_eq(stream_bytes_out(g.s[1]), up);
    ck_assert_uint_eq(stream_bytes_in(g.s[1]), down);
    ck_assert_uint_eq(stream_bytes_out(g.s[0]), down);
}

START_TEST(equal_in_both_directions)
{
    static const size_t sizes[][2] = { { 1, 1 },       { 0, 1000 },         { 5000, 0 },
                                       { 16384, 7 },   { 70000, 300001 },   { 1, 3000000 },
                                       { 4000000, 3 }, { 2500000, 2700000 } };
    size_t i = (size_t)_i % 8;

    rig_open(&g, _i < 8 ? 8 : 0);
    rig_tcp(&g, 0);
    rig_relay(&g, 10000, 10000);
    exchange(sizes[i][0], sizes[i][1]);
    if (_i >= 8) {
        ck_assert_uint_eq(pipe_pool_bytes(g.pipes), 0);
    }
    rig_close(&g);
}
END_TEST

START_TEST(random_sizes_slow_and_fast)
{
    srand((unsigned)_i + 1);
    rig_open(&g, (size_t)_i & 1 ? 8 : 0);
    rig_tcp(&g, _i & 2 ? 4096 : 0);
    rig_relay(&g, 10000, 10000);
    g.peer[0].piece = (size_t)rand() % 3000 + 1;
    g.peer[1].piece = (size_t)rand() % 60000 + 1;
    exchange((size_t)rand() % 200000, (size_t)rand() % 2000000);
    rig_close(&g);
}
END_TEST

START_TEST(bulk_is_spliced)
{
    rig_open(&g, 8);
    rig_tcp(&g, 0);
    rig_relay(&g, 10000, 10000);
    exchange(0, 20000000);
    ck_assert_uint_gt(pipe_pool_bytes(g.pipes), 10000000);
    rig_close(&g);
}
END_TEST

static bool stuck(const struct rig *r)
{
    static size_t last;
    static int same;

    same = r->peer[1].sent == last ? same + 1 : 0;
    last = r->peer[1].sent;
    return same > 200;
}

START_TEST(a_slow_reader_stops_the_source)
{
    rig_open(&g, (size_t)_i);
    rig_tcp(&g, 8192);
    rig_relay(&g, 10000, 10000);
    g.peer[0].silent = true;
    g.peer[1].plan = 20000000;
    relay_start(g.relay);
    rig_until(&g, stuck);
    ck_assert_uint_lt(g.peer[1].sent, 4000000);
    ck_assert_uint_gt(g.peer[1].sent, 0);
    g.peer[0].silent = false;
    g.peer[1].plan = g.peer[1].sent + 100000;
    rig_until(&g, rig_all_there);
    ck_assert(!g.peer[0].bad);
    ck_assert_uint_eq(pipe_pool_used(g.pipes), 0);
    rig_close(&g);
}
END_TEST

START_TEST(small_messages_hold_no_pipe)
{
    rig_open(&g, 8);
    rig_tcp(&g, 0);
    rig_relay(&g, 10000, 10000);
    relay_start(g.relay);
    for (size_t i = 1; i <= 50; i++) {
        g.peer[0].plan = i * 64;
        rig_until(&g, rig_all_there);
        g.peer[1].plan = i * 64;
        rig_until(&g, rig_all_there);
        ck_assert_uint_eq(pipe_pool_used(g.pipes), 0);
    }
    ck_assert_uint_eq(pipe_pool_bytes(g.pipes), 0);
    ck_assert_uint_gt(relay_first_byte(g.relay), g.started);
    rig_close(&g);
}
END_TEST

/* A packet socket shows what went out in one system call. */
static void packet_upstream(void)
{
    int fd[2];

    rig_tcp_pair(fd, 0);
    g.peer[0].fd = fd[0];
    g.s[0] = stream_raw_new(g.loop, fd[1]);
    rig_unix_pair(fd, SOCK_SEQPACKET);
    g.peer[1].fd = fd[0];
    g.s[1] = stream_raw_new(g.loop, fd[1]);
}

START_TEST(header_and_hello_leave_together)
{
    struct buf hello;
    char out[64];

    rig_open(&g, 8);
    packet_upstream();
    buf_init(&hello, 100);
    ck_assert_int_eq(buf_add(&hello, "hello", 5), ERR_OK);
    stream_set_prefix(g.s[0], &hello);
    ck_assert_int_eq(stream_push_front(g.s[1], "PROXY ", 6), ERR_OK);
    ck_assert_int_eq(stream_push_front(g.s[1], "line\r\n", 6), ERR_OK);
    rig_relay(&g, 10000, 10000);
    relay_start(g.relay);
    ck_assert_int_eq(recv(g.peer[1].fd, out, sizeof(out), 0), 17);
    ck_assert_mem_eq(out, "PROXY line\r\nhello", 17);
    ck_assert_uint_eq(stream_bytes_in(g.s[0]), 0);
    ck_assert_uint_eq(stream_bytes_out(g.s[1]), 17);
    rig_close(&g);
}
END_TEST

START_TEST(header_leaves_without_a_hello)
{
    char out[64];

    rig_open(&g, 8);
    packet_upstream();
    ck_assert_int_eq(stream_push_front(g.s[1], "PROXY", 5), ERR_OK);
    rig_relay(&g, 10000, 10000);
    relay_start(g.relay);
    ck_assert_int_eq(recv(g.peer[1].fd, out, sizeof(out), 0), 5);
    rig_close(&g);
}
END_TEST

START_TEST(app_bytes_come_before_the_clients)
{
    struct buf hello;
    char out[64];
    size_t n = 0;

    rig_open(&g, 8);
    rig_tcp(&g, 0);
    buf_init(&hello, 100);
    ck_assert_int_eq(buf_add(&hello, "hello", 5), ERR_OK);
    stream_set_prefix(g.s[0], &hello);
    rig_relay(&g, 10000, 10000);
    ck_assert_int_eq(relay_push_app(g.relay, "a", 1), ERR_OK);
    ck_assert_int_eq(relay_push_app(g.relay, "pp", 2), ERR_OK);
    g.peer[1].silent = true;
    relay_start(g.relay);
    while (n < 8) {
        ssize_t k = recv(g.peer[1].fd, out + n, sizeof(out) - n, 0);
        n += k > 0 ? (size_t)k : 0;
        rig_step(&g);
    }
    ck_assert_uint_eq(n, 8);
    ck_assert_mem_eq(out, "apphello", 8);
    rig_close(&g);
}
END_TEST

static struct mem_stream *mem[2];

static bool mem_all_out(const struct rig *r)
{
    (void)r;
    return mem_unread(mem[0]) == 0 && mem_waiting(mem[1]) == 5000;
}

static bool mem_upstream_shut(const struct rig *r)
{
    (void)r;
    return mem_was_shut(mem[1]);
}

/* Every call may stop short or ask for readiness of either kind, and nothing is lost or doubled. */
START_TEST(scripted_short_and_waiting_calls)
{
    uint8_t sent[5000], got[5001];

    rig_open_mem(&g, mem);
    srand((unsigned)_i + 1);
    for (int i = 0; i < 100; i++) {
        static const int64_t what[] = { 1, 7, 300, PST_WANT_READ, PST_WANT_WRITE };
        mem_script(mem[0], MEM_READ, what[rand() % 5]);
        mem_script(mem[1], MEM_WRITE, what[rand() % 5]);
        mem_script(mem[1], MEM_FLUSH, rand() % 2 ? PST_WANT_WRITE : PST_OK);
    }
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = rig_byte(9, i);
    }
    relay_start(g.relay);
    mem_put(mem[0], sent, sizeof(sent));
    rig_until(&g, mem_all_out);
    ck_assert_uint_eq(mem_take(mem[1], got, sizeof(got)), sizeof(sent));
    ck_assert_mem_eq(got, sent, sizeof(sent));
    mem_script(mem[1], MEM_SHUTDOWN, PST_WANT_WRITE);
    mem_script(mem[1], MEM_SHUTDOWN, PST_WANT_WRITE);
    mem_end(mem[0]);
    rig_until(&g, mem_upstream_shut);
    mem_end(mem[1]);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_CLIENT_FIN);
    ck_assert(mem_was_shut(mem[0]));
    rig_close_mem(&g, mem);
}
END_TEST

/* One event below, many records above it: all must come out, and through small windows too. */
START_TEST(hidden_bytes_are_never_forgotten)
{
    rig_open(&g, 8);
    rig_tcp(&g, 0);
    for (int i = 0; i < 2; i++) {
        g.s[i] = xor_stack(g.s[i], _i == 0 ? 1000 : 1);
        ck_assert_ptr_nonnull(g.s[i]);
    }
    rig_relay(&g, 10000, 10000);
    size_t n = _i == 0 ? 3000000 : 30000;
    exchange(n, n + 1);
    ck_assert_uint_eq(pipe_pool_bytes(g.pipes), 0);
    rig_close(&g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("relay");
    TCase *t = tcase_create("bytes");

    signal(SIGPIPE, SIG_IGN);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, equal_in_both_directions, 0, 16);
    tcase_add_loop_test(t, random_sizes_slow_and_fast, 0, 8);
    tcase_add_test(t, bulk_is_spliced);
    tcase_add_loop_test(t, a_slow_reader_stops_the_source, 0, 2);
    tcase_add_test(t, small_messages_hold_no_pipe);
    tcase_add_test(t, header_and_hello_leave_together);
    tcase_add_test(t, header_leaves_without_a_hello);
    tcase_add_test(t, app_bytes_come_before_the_clients);
    tcase_add_loop_test(t, scripted_short_and_waiting_calls, 0, 20);
    tcase_add_loop_test(t, hidden_bytes_are_never_forgotten, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
