/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a relay ends: half-close, resets, timers. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "t/harness/mem_stream.h"
#include "t/unit/rig.h"

static struct rig g;

static void peers(uint64_t idle_ms, uint64_t half_close_ms, int buffer)
{
    rig_open(&g, 8);
    rig_tcp(&g, buffer);
    rig_relay(&g, idle_ms, half_close_ms);
}

static void peer_reset(struct rig_peer *p)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };

    ck_assert_int_eq(setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(p->fd);
    p->fd = -1;
}

static bool upstream_eof(const struct rig *r)
{
    return r->peer[1].eof;
}

static bool client_eof(const struct rig *r)
{
    return r->peer[0].eof;
}

START_TEST(half_close_then_a_reply)
{
    unsigned first = (unsigned)_i, second = 1 - first;

    peers(10000, 10000, 0);
    g.peer[first].plan = 100000;
    g.peer[first].fin_after_plan = true;
    relay_start(g.relay);
    rig_until(&g, first == 0 ? upstream_eof : client_eof);
    ck_assert_int_eq(g.ended, 0);
    g.peer[second].plan = 2000000;
    g.peer[second].fin_after_plan = true;
    rig_until(&g, rig_all_there);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, first == 0 ? PST_END_CLIENT_FIN : PST_END_UPSTREAM_FIN);
    ck_assert_uint_eq(g.end.side, first == 0 ? PST_SIDE_CLIENT : PST_SIDE_UPSTREAM);
    ck_assert(!g.end.truncated && !g.peer[0].bad && !g.peer[1].bad);
    rig_until(&g, first == 0 ? client_eof : upstream_eof);
    rig_close(&g);
}
END_TEST

START_TEST(both_close_at_once)
{
    peers(10000, 10000, 0);
    g.peer[0].fin_after_plan = g.peer[1].fin_after_plan = true;
    relay_start(g.relay);
    rig_until(&g, rig_is_over);
    ck_assert(g.end.reason == PST_END_CLIENT_FIN || g.end.reason == PST_END_UPSTREAM_FIN);
    ck_assert(!g.end.truncated);
    ck_assert_int_eq(g.ended, 1);
    rig_close(&g);
}
END_TEST

/* The end follows the bytes, also when the reader is slow and the bytes wait in a pipe. */
START_TEST(the_end_waits_for_the_bytes)
{
    peers(10000, 10000, 4096);
    g.peer[1].plan = 500000;
    g.peer[1].fin_after_plan = true;
    g.peer[0].piece = 700;
    relay_start(g.relay);
    rig_until(&g, client_eof);
    ck_assert_uint_eq(g.peer[0].got, 500000);
    ck_assert(!g.peer[0].bad);
    ck_assert_int_eq(g.ended, 0);
    rig_close(&g);
}
END_TEST

static bool both_talked(const struct rig *r)
{
    return r->peer[0].got > 0 && r->peer[1].got > 0;
}

START_TEST(a_reset_is_seen)
{
    peers(10000, 10000, 0);
    g.peer[0].plan = g.peer[1].plan = 100;
    relay_start(g.relay);
    rig_until(&g, both_talked);
    peer_reset(&g.peer[_i]);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_RESET);
    ck_assert_uint_eq(g.end.side, _i == 0 ? PST_SIDE_CLIENT : PST_SIDE_UPSTREAM);
    ck_assert_int_eq(g.end.sys_errno, ECONNRESET);
    ck_assert(g.end.truncated);
    rig_close(&g);
}
END_TEST

/* The upstream closes while the client goes on sending: its kernel answers with RST. */
START_TEST(writing_to_one_that_has_closed)
{
    peers(10000, 10000, 0);
    relay_start(g.relay);
    close(g.peer[1].fd);
    g.peer[1].fd = -1;
    rig_until(&g, client_eof);
    ck_assert_int_eq(g.ended, 0);
    g.peer[0].plan = 5000000;
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_RESET);
    ck_assert_uint_eq(g.end.side, PST_SIDE_UPSTREAM);
    ck_assert(g.end.truncated);
    rig_close(&g);
}
END_TEST

static bool client_has_three(const struct rig *r)
{
    return r->peer[0].got == 3;
}

/* What a peer said before it hung up on us is still handed over. */
START_TEST(last_words_arrive)
{
    const uint8_t say[3] = { rig_byte(2, 0), rig_byte(2, 1), rig_byte(2, 2) };
    struct buf hello;

    peers(10000, 10000, 0);
    buf_init(&hello, 16);
    ck_assert_int_eq(buf_add(&hello, "hello", 5), 0);
    stream_set_prefix(g.s[0], &hello);
    ck_assert_int_eq(send(g.peer[1].fd, say, 3, 0), 3);
    peer_reset(&g.peer[1]);
    relay_start(g.relay);
    ck_assert_int_eq(g.ended, 0);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_RESET);
    ck_assert_uint_eq(g.end.side, PST_SIDE_UPSTREAM);
    rig_until(&g, client_has_three);
    ck_assert(!g.peer[0].bad && !g.peer[0].eof);
    rig_close(&g);
}
END_TEST

static uint64_t elapsed_ms(void)
{
    return (clock_ns() - g.started) / 1000000;
}

START_TEST(idle)
{
    peers(60, 10000, 0);
    relay_start(g.relay);
    rig_until(&g, rig_is_over);
    ck_assert_uint_ge(elapsed_ms(), 60);
    ck_assert_uint_eq(g.end.reason, PST_END_IDLE);
    ck_assert_uint_eq(g.end.side, 0);
    ck_assert(!g.end.half_close && !g.end.truncated);
    rig_close(&g);
}
END_TEST

static bool after_120_ms(const struct rig *r)
{
    (void)r;
    return elapsed_ms() >= 120;
}

static bool after_900_ms(const struct rig *r)
{
    (void)r;
    return elapsed_ms() >= 900;
}

/* The limit is one that a busy machine does not reach between two pieces. */
START_TEST(bytes_put_idle_off)
{
    peers(600, 10000, 0);
    g.peer[0].plan = SIZE_MAX;
    g.peer[0].piece = 10;
    relay_start(g.relay);
    rig_until(&g, after_900_ms);
    ck_assert_int_eq(g.ended, 0);
    g.peer[0].plan = g.peer[0].sent;
    uint64_t quiet = clock_ns();
    rig_until(&g, rig_is_over);
    ck_assert_uint_ge((clock_ns() - quiet) / 1000000, 590);
    ck_assert_uint_eq(g.end.reason, PST_END_IDLE);
    rig_close(&g);
}
END_TEST

START_TEST(half_closed_and_quiet)
{
    peers(10000, 60, 0);
    g.peer[_i].fin_after_plan = true;
    relay_start(g.relay);
    rig_until(&g, rig_is_over);
    ck_assert_uint_ge(elapsed_ms(), 60);
    ck_assert_uint_lt(elapsed_ms(), 5000);
    ck_assert_uint_eq(g.end.reason, PST_END_IDLE);
    ck_assert(g.end.half_close);
    rig_close(&g);
}
END_TEST

START_TEST(half_closed_without_a_limit)
{
    peers(30, 0, 0);
    g.peer[0].fin_after_plan = true;
    relay_start(g.relay);
    rig_until(&g, after_120_ms);
    ck_assert_int_eq(g.ended, 0);
    g.peer[1].fin_after_plan = true;
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_CLIENT_FIN);
    rig_close(&g);
}
END_TEST

/* --- with scripted streams -------------------------------------------------------------------- */

static struct mem_stream *mem[2];

START_TEST(an_error_at_the_start_is_told_later)
{
    rig_open_mem(&g, mem);
    mem_script(mem[1], MEM_READ, PST_ERR_PROTOCOL);
    relay_start(g.relay);
    ck_assert_int_eq(g.ended, 0);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_RESET);
    ck_assert_uint_eq(g.end.side, PST_SIDE_UPSTREAM);
    ck_assert_uint_eq(mem_interest(mem[0]), 0);
    rig_close_mem(&g, mem);
}
END_TEST

START_TEST(bytes_before_an_error_are_passed_on)
{
    rig_open_mem(&g, mem);
    mem_put(mem[1], "last", 4);
    mem_script(mem[1], MEM_READ, 4);
    mem_script(mem[1], MEM_READ, PST_ERR_RESET);
    relay_start(g.relay);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(mem_waiting(mem[0]), 4);
    ck_assert_uint_eq(g.end.reason, PST_END_RESET);
    ck_assert(!mem_was_shut(mem[0]));
    rig_close_mem(&g, mem);
}
END_TEST

static bool client_has_ten(const struct rig *r)
{
    (void)r;
    return mem_waiting(mem[0]) == 10;
}

static bool client_has_the_rest(const struct rig *r)
{
    (void)r;
    return mem_waiting(mem[0]) == 16;
}

/* A slow reader gets them, too, before it is told. */
START_TEST(bytes_before_a_cut_wait_for_the_reader)
{
    char got[10];

    rig_open_mem(&g, mem);
    mem_window(mem[0], 10);
    mem_put(mem[1], "more than the window takes", 26);
    mem_script(mem[1], MEM_READ, 26);
    mem_script(mem[1], MEM_READ, PST_ERR_RESET);
    relay_start(g.relay);
    rig_until(&g, client_has_ten);
    rig_step(&g);
    ck_assert_int_eq(g.ended, 0);
    mem_window(mem[0], 100);
    ck_assert_uint_eq(mem_take(mem[0], got, sizeof(got)), 10);
    rig_until(&g, client_has_the_rest);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_RESET);
    ck_assert_uint_eq(g.end.side, PST_SIDE_UPSTREAM);
    ck_assert(g.end.truncated && !mem_was_shut(mem[0]));
    rig_close_mem(&g, mem);
}
END_TEST

static bool upstream_told(const struct rig *r)
{
    (void)r;
    return mem_was_shut(mem[1]);
}

static bool client_told(const struct rig *r)
{
    (void)r;
    return mem_was_shut(mem[0]);
}

/* Both have said all they had: that the last goodbye finds nobody is no error. */
START_TEST(a_failed_goodbye_after_both_ends_is_no_error)
{
    rig_open_mem(&g, mem);
    relay_start(g.relay);
    mem_end(mem[0]);
    rig_until(&g, upstream_told);
    mem_script(mem[0], MEM_SHUTDOWN, PST_ERR_RESET);
    mem_end(mem[1]);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_CLIENT_FIN);
    ck_assert(!g.end.truncated);
    rig_close_mem(&g, mem);
}
END_TEST

/* An answer cut off by one that was told the end: no clean end, but the other one's doing. */
START_TEST(just_closed_after_the_other_end)
{
    unsigned side = (unsigned)_i;

    rig_open_mem(&g, mem);
    relay_start(g.relay);
    mem_end(mem[1 - side]);
    rig_until(&g, side == 1 ? upstream_told : client_told);
    mem_script(mem[side], MEM_READ, PST_ERR_RESET);
    mem_put(mem[side], "x", 1);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, side == 1 ? PST_END_CLIENT_FIN : PST_END_UPSTREAM_FIN);
    ck_assert_uint_eq(g.end.side, side == 1 ? PST_SIDE_CLIENT : PST_SIDE_UPSTREAM);
    ck_assert(g.end.truncated);
    ck_assert(!mem_was_shut(mem[1 - side]));
    rig_close_mem(&g, mem);
}
END_TEST

START_TEST(no_memory_is_our_fault)
{
    rig_open_mem(&g, mem);
    mem_script(mem[0], MEM_READ, PST_ERR_NOMEM);
    relay_start(g.relay);
    rig_until(&g, rig_is_over);
    ck_assert_uint_eq(g.end.reason, PST_END_INTERNAL);
    ck_assert_uint_eq(g.end.side, 0);
    rig_close_mem(&g, mem);
}
END_TEST

START_TEST(freed_in_the_middle)
{
    rig_open_mem(&g, mem);
    mem_window(mem[0], 10);
    mem_put(mem[1], "more than the window", 20);
    relay_start(g.relay);
    ck_assert_uint_eq(mem_interest(mem[0]), PST_STREAM_READ | PST_STREAM_WRITE);
    ck_assert_uint_eq(mem_interest(mem[1]), 0);
    mem_put(mem[0], "x", 1);
    relay_free(g.relay);
    g.relay = NULL;
    stream_on_ready(g.s[0], NULL, NULL);
    stream_on_ready(g.s[1], NULL, NULL);
    rig_step(&g);
    ck_assert_int_eq(g.ended, 0);
    rig_close_mem(&g, mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("relay_end");
    TCase *t = tcase_create("ends");

    signal(SIGPIPE, SIG_IGN);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, half_close_then_a_reply, 0, 2);
    tcase_add_test(t, both_close_at_once);
    tcase_add_test(t, the_end_waits_for_the_bytes);
    tcase_add_loop_test(t, a_reset_is_seen, 0, 2);
    tcase_add_test(t, writing_to_one_that_has_closed);
    tcase_add_test(t, last_words_arrive);
    tcase_add_test(t, idle);
    tcase_add_test(t, bytes_put_idle_off);
    tcase_add_loop_test(t, half_closed_and_quiet, 0, 2);
    tcase_add_test(t, half_closed_without_a_limit);
    tcase_add_test(t, an_error_at_the_start_is_told_later);
    tcase_add_test(t, bytes_before_an_error_are_passed_on);
    tcase_add_test(t, bytes_before_a_cut_wait_for_the_reader);
    tcase_add_test(t, a_failed_goodbye_after_both_ends_is_no_error);
    tcase_add_loop_test(t, just_closed_after_the_other_end, 0, 2);
    tcase_add_test(t, no_memory_is_our_fault);
    tcase_add_test(t, freed_in_the_middle);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
