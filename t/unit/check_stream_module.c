/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams that a module implements: readiness, older tables, closing; and taking layers off. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "core/base/err.h"
#include "t/harness/mem_stream.h"
#include "t/unit/rig.h"

static struct rig_stream one;
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

START_TEST(readiness_is_remembered)
{
    open_mem(&mem_ops);
    mem_put(m, "x", 1);
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 0);
    stream_interest(one.s, PST_STREAM_READ);
    ck_assert_uint_eq(mem_interest(m), PST_STREAM_READ);
    ck_assert_uint_eq(one.calls, 0);
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 1);
    ck_assert_uint_eq(one.seen, PST_STREAM_READ);
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 1);
    stream_module_ready(one.s, PST_STREAM_WRITE);
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 1);
    stream_interest(one.s, PST_STREAM_WRITE);
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.seen, PST_STREAM_READ | PST_STREAM_WRITE);
    stream_module_ready(one.s, PST_STREAM_WRITE);
    stream_free(one.s, PST_CLOSE_ABORT);
    one.s = NULL;
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 2);
    ck_assert_int_eq(mem_was_closed(m), 1);
    ck_assert_uint_eq(mem_closed_how(m), PST_CLOSE_ABORT);
    rig_stream_close(&one);
    mem_free(m);
}
END_TEST

START_TEST(an_older_table_ends_early)
{
    struct pst_stream_ops old = mem_ops;
    char b[4];

    old.size = offsetof(struct pst_stream_ops, flush);
    open_mem(&old);
    mem_script(m, MEM_FLUSH, PST_ERR);
    ck_assert_int_eq(stream_flush(one.s), PST_OK);
    ck_assert_int_eq(stream_shutdown_write(one.s), PST_OK);
    ck_assert(!mem_was_shut(m));
    ck_assert_int_eq(stream_direct_fd(one.s, PST_STREAM_READ), PST_FD_NEVER);
    ck_assert_int_eq(stream_fd(one.s), -1);
    ck_assert_int_eq(rig_read(one.s, b, 4), PST_WANT_READ);
    rig_stream_close(&one);
    mem_free(m);
}
END_TEST

static void ready_close(void *ctx, uint32_t how)
{
    stream_module_ready(one.s, PST_STREAM_READ);
    mem_ops.close(ctx, how);
}

START_TEST(ready_said_while_it_closes)
{
    struct pst_stream_ops ops = mem_ops;

    ops.close = ready_close;
    open_mem(&ops);
    one.calls = 0;
    stream_interest(one.s, PST_STREAM_READ);
    stream_free(one.s, PST_CLOSE_GRACEFUL);
    loop_step(one.loop, false);
    loop_step(one.loop, false);
    ck_assert_uint_eq(one.calls, 0);
    loop_free(one.loop);
    mem_free(m);
}
END_TEST

START_TEST(layers_come_off_and_the_base_stays)
{
    struct mem_stream *upper;
    struct stream *top;
    char b[4];

    open_mem(&mem_ops);
    upper = mem_new(NULL, NULL);
    top = stream_stack(one.s, &mem_ops, upper);
    ck_assert_ptr_eq(stream_strip(top, PST_CLOSE_ABORT), one.s);
    ck_assert_int_eq(mem_was_closed(upper), 1);
    ck_assert_uint_eq(mem_closed_how(upper), PST_CLOSE_ABORT);
    ck_assert_int_eq(mem_was_closed(m), 0);
    ck_assert_ptr_eq(stream_strip(one.s, PST_CLOSE_ABORT), one.s);
    mem_put(m, "ab", 2);
    ck_assert_int_eq(rig_read(one.s, b, sizeof(b)), 2);
    rig_stream_close(&one);
    ck_assert_int_eq(mem_was_closed(m), 1);
    mem_free(m);
    mem_free(upper);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream-module");
    TCase *t = tcase_create("stream-module");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, readiness_is_remembered);
    tcase_add_test(t, an_older_table_ends_early);
    tcase_add_test(t, ready_said_while_it_closes);
    tcase_add_test(t, layers_come_off_and_the_base_stays);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
