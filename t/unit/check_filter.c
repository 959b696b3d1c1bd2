/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte filters on a relay between two streams in memory. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/harness/mem_stream.h"
#include "t/unit/rig.h"

static struct rig g;
static struct mem_stream *mem[2];
static char out[8 * 1024 * 1024];

/* What a filter of these tests does, and what happened to it. */
struct probe {
    int32_t (*data)(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n, uint32_t fin);
    struct filter *self;
    char mark;
    unsigned calls, fins, detached;
};

static int32_t probe_data(void *ctx, pst_filter_out *o, const uint8_t *d, size_t n, uint32_t fin)
{
    struct probe *p = ctx;

    p->calls++;
    p->fins += fin;
    return p->data(p, o, d, n, fin);
}

static void probe_detach(void *ctx)
{
    ((struct probe *)ctx)->detached++;
}

static const struct pst_filter_ops probe_ops = { sizeof(probe_ops), 0, probe_data, probe_detach };

static void setup(void)
{
    rig_open_mem(&g, mem);
}

static void teardown(void)
{
    rig_close_mem(&g, mem);
}

static void attach(struct probe *p, uint32_t dir)
{
    p->self = relay_filter_attach(g.relay, dir, &probe_ops, p);
    ck_assert_ptr_nonnull(p->self);
}

static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        rig_step(&g);
    }
}

/* What has come out at the upstream (1) or the client (0) since the last call. */
static const char *taken(int side)
{
    size_t n = mem_take(mem[side], out, sizeof(out) - 1);

    out[n] = '\0';
    return out;
}

static void put(int side, const char *z)
{
    mem_put(mem[side], z, strlen(z));
    settle();
}

static int32_t mark_each(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n,
                         uint32_t fin)
{
    (void)d;
    (void)fin;
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(filter_pass(o, 1), PST_OK);
        ck_assert_int_eq(filter_emit(o, (const uint8_t *)&p->mark, 1), PST_OK);
    }
    return PST_OK;
}

START_TEST(order_is_mirrored)
{
    struct probe a[2] = { { .data = mark_each, .mark = 'a' }, { .data = mark_each, .mark = 'a' } };
    struct probe b[2] = { { .data = mark_each, .mark = 'b' }, { .data = mark_each, .mark = 'b' } };

    setup();
    for (unsigned d = 0; d < 2; d++) {
        attach(&a[d], d == 0 ? PST_DIR_TO_UPSTREAM : PST_DIR_TO_CLIENT);
        attach(&b[d], d == 0 ? PST_DIR_TO_UPSTREAM : PST_DIR_TO_CLIENT);
    }
    ck_assert_ptr_null(relay_filter_attach(g.relay, 3, &probe_ops, NULL));
    relay_start(g.relay);
    ck_assert_ptr_null(relay_filter_attach(g.relay, PST_DIR_TO_CLIENT, &probe_ops, NULL));
    put(0, "1");
    ck_assert_str_eq(taken(1), "1bab");
    put(1, "2");
    ck_assert_str_eq(taken(0), "2aba");
    teardown();
    ck_assert_uint_eq(a[0].detached + a[1].detached + b[0].detached + b[1].detached, 4);
}
END_TEST

/* Lines are passed whole; those that begin with '#' are dropped. */
static int32_t whole_lines(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n,
                           uint32_t fin)
{
    size_t at = 0;

    (void)p;
    (void)fin;
    for (size_t i = 0; i < n; i++) {
        if (d[i] != '\n') {
            continue;
        }
        int rc = d[at] == '#' ? filter_drop(o, i + 1 - at) : filter_pass(o, i + 1 - at);
        ck_assert_int_eq(rc, PST_OK);
        at = i + 1;
    }
    ck_assert_int_eq(filter_pass(o, n - at + 1), PST_ERR_INVALID);
    return PST_OK;
}

START_TEST(held_back_and_shown_again)
{
    struct probe p = { .data = whole_lines };

    setup();
    attach(&p, PST_DIR_TO_UPSTREAM);
    relay_start(g.relay);
    put(0, "on");
    ck_assert_str_eq(taken(1), "");
    put(0, "e\n#no");
    ck_assert_str_eq(taken(1), "one\n");
    put(0, "\ntwo\nthr");
    ck_assert_str_eq(taken(1), "two\n");
    put(1, "other way");
    ck_assert_str_eq(taken(0), "other way");
    mem_end(mem[0]);
    settle();
    ck_assert_uint_eq(p.fins, 1);
    ck_assert_str_eq(taken(1), "");
    ck_assert(mem_was_shut(mem[1]));
    ck_assert_int_eq(g.ended, 0);
    teardown();
    ck_assert_uint_eq(p.detached, 1);
}
END_TEST

static int32_t last_word(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n,
                         uint32_t fin)
{
    (void)d;
    (void)p;
    ck_assert_int_eq(filter_pass(o, n), PST_OK);
    return fin ? filter_emit(o, (const uint8_t *)"bye", 3) : PST_OK;
}

START_TEST(may_speak_at_the_end)
{
    struct probe p = { .data = last_word }, q = { .data = mark_each, .mark = '.' };

    setup();
    attach(&p, PST_DIR_TO_UPSTREAM);
    attach(&q, PST_DIR_TO_UPSTREAM);
    relay_start(g.relay);
    mem_end(mem[0]);
    settle();
    ck_assert_str_eq(taken(1), "b.y.e.");
    ck_assert(mem_was_shut(mem[1]));
    teardown();
}
END_TEST

static int32_t leave_at_x(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n,
                          uint32_t fin)
{
    (void)o;
    (void)fin;
    if (memchr(d, 'x', n) != NULL) {
        relay_filter_detach(p->self);
    }
    return PST_OK;
}

START_TEST(detached_inside_its_own_call)
{
    struct probe p = { .data = leave_at_x }, q = { .data = mark_each, .mark = '.' };

    setup();
    attach(&p, PST_DIR_TO_UPSTREAM);
    attach(&q, PST_DIR_TO_UPSTREAM);
    relay_start(g.relay);
    put(0, "ab");
    ck_assert_str_eq(taken(1), "");
    put(0, "x");
    ck_assert_str_eq(taken(1), "a.b.x.");
    ck_assert_uint_eq(p.detached, 1);
    put(0, "c");
    ck_assert_str_eq(taken(1), "c.");
    ck_assert_uint_eq(p.calls, 2);
    teardown();
    ck_assert_uint_eq(p.detached, 1);
}
END_TEST

static int32_t hold_all(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n,
                        uint32_t fin)
{
    (void)p;
    (void)o;
    (void)d;
    (void)n;
    (void)fin;
    return PST_OK;
}

START_TEST(detached_from_outside)
{
    struct probe p = { .data = hold_all }, q = { .data = mark_each, .mark = '.' };

    setup();
    attach(&p, PST_DIR_TO_CLIENT);
    attach(&q, PST_DIR_TO_CLIENT);
    relay_filter_detach(q.self);
    ck_assert_uint_eq(q.detached, 1);
    relay_start(g.relay);
    put(1, "held");
    ck_assert_str_eq(taken(0), "");
    relay_filter_detach(p.self);
    ck_assert_uint_eq(p.detached, 1);
    ck_assert_str_eq(taken(0), "");
    settle();
    ck_assert_str_eq(taken(0), "held");
    put(1, "free");
    ck_assert_str_eq(taken(0), "free");
    teardown();
    ck_assert_uint_eq(p.detached + q.detached, 2);
}
END_TEST

static int32_t refuse(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n, uint32_t fin)
{
    (void)p;
    (void)o;
    (void)d;
    (void)n;
    (void)fin;
    return PST_ERR;
}

START_TEST(a_refusal_ends_the_relay)
{
    struct probe p = { .data = refuse };

    setup();
    attach(&p, PST_DIR_TO_UPSTREAM);
    relay_start(g.relay);
    put(0, "x");
    ck_assert_int_eq(g.ended, 1);
    ck_assert_uint_eq(g.end.reason, PST_END_INTERNAL);
    ck_assert(g.end.truncated);
    teardown();
    ck_assert_uint_eq(p.detached, 1);
}
END_TEST

START_TEST(holding_back_has_a_limit)
{
    struct probe p = { .data = hold_all };
    char *big = calloc(1, 100000);

    setup();
    attach(&p, PST_DIR_TO_UPSTREAM);
    relay_start(g.relay);
    for (int i = 0; i < 10; i++) {
        mem_put(mem[0], big, 100000);
    }
    settle();
    ck_assert_int_eq(g.ended, 0);
    mem_put(mem[0], big, 100000);
    settle();
    ck_assert_int_eq(g.ended, 1);
    ck_assert_uint_eq(g.end.reason, PST_END_INTERNAL);
    free(big);
    teardown();
}
END_TEST

static int32_t flood(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n, uint32_t fin)
{
    static const uint8_t block[65536];
    int rc = PST_OK;

    (void)p;
    (void)d;
    (void)fin;
    for (int i = 0; i < 100; i++) {
        rc = filter_emit(o, block, sizeof(block));
    }
    ck_assert_int_eq(rc, PST_ERR_LIMIT);
    return filter_drop(o, n) == PST_OK ? PST_OK : PST_ERR;
}

START_TEST(emitting_has_a_limit)
{
    struct probe p = { .data = flood };

    setup();
    attach(&p, PST_DIR_TO_UPSTREAM);
    relay_start(g.relay);
    put(0, "x");
    ck_assert_uint_eq(g.end.reason, PST_END_INTERNAL);
    teardown();
}
END_TEST

static int32_t pass_all(struct probe *p, pst_filter_out *o, const uint8_t *d, size_t n,
                        uint32_t fin)
{
    (void)p;
    (void)d;
    (void)fin;
    return filter_pass(o, n);
}

/* A filter turns splice off for its own direction only, and bulk passes it unharmed. */
START_TEST(bulk_over_sockets)
{
    struct probe p = { .data = pass_all };

    rig_open(&g, 8);
    rig_tcp(&g, _i == 0 ? 0 : 8192);
    rig_relay(&g, 10000, 10000);
    attach(&p, PST_DIR_TO_UPSTREAM);
    g.peer[0].plan = 3000000;
    relay_start(g.relay);
    rig_until(&g, rig_all_there);
    ck_assert_uint_eq(pipe_pool_bytes(g.pipes), 0);
    ck_assert(!g.peer[1].bad);
    g.peer[1].plan = _i == 0 ? 20000000 : 100000;
    rig_until(&g, rig_all_there);
    ck_assert(_i == 1 || pipe_pool_bytes(g.pipes) > 0);
    ck_assert(!g.peer[0].bad);
    rig_close(&g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("filter");
    TCase *t = tcase_create("filters");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, order_is_mirrored);
    tcase_add_test(t, held_back_and_shown_again);
    tcase_add_test(t, may_speak_at_the_end);
    tcase_add_test(t, detached_inside_its_own_call);
    tcase_add_test(t, detached_from_outside);
    tcase_add_test(t, a_refusal_ends_the_relay);
    tcase_add_test(t, holding_back_has_a_limit);
    tcase_add_test(t, emitting_has_a_limit);
    tcase_add_loop_test(t, bulk_over_sockets, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
