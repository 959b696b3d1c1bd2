/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay's life: turns of its two directions, what is waited for, the timer and the end. */
#include "core/stream/relay.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/stream/relay_priv.h"

#define NS_PER_MS UINT64_C(1000000)

/* --- what rounds call ------------------------------------------------------------------------- */

static bool relay_undelivered(const struct relay *r)
{
    return r->dir[0].left != NULL || r->dir[0].pipe != NULL || r->dir[1].left != NULL ||
           r->dir[1].pipe != NULL;
}

/* Who ended first is why it ended. */
static void relay_end_by_first(struct relay *r)
{
    r->end.reason = r->first == 1 ? PST_END_CLIENT_FIN : PST_END_UPSTREAM_FIN;
    r->end.side = r->first == 1 ? PST_SIDE_CLIENT : PST_SIDE_UPSTREAM;
}

bool relay_is_cut(const struct relay *r, unsigned side, int64_t rc)
{
    return rc == PST_ERR_RESET && stream_errno(r->s[side]) == 0;
}

/*
 * Many a TLS peer that was told the end just closes, instead of saying that it ends too. That is
 * no proper end, for bytes of it may be missing; but neither is it a reset.
 */
static bool relay_just_closed(const struct relay *r, unsigned side, int64_t rc)
{
    return relay_is_cut(r, side, rc) && r->dir[1 - side].phase == PHASE_DONE &&
           r->first == 2 - side;
}

/*
 * The client should get what was written to it: an alert of its transport, or the bytes of an
 * upstream that just closed. These need a transport, whose missing end tells that they may not be
 * all; without one only a reset does.
 */
static bool relay_has_last_words(const struct relay *r, unsigned side, int64_t rc)
{
    return side == 0 ? rc == PST_ERR_PROTOCOL
                     : relay_is_cut(r, 1, rc) && stream_inner(r->s[0]) != NULL;
}

enum relay_step relay_fail(struct relay *r, unsigned side, int64_t rc)
{
    if (r->end.reason != 0) {
        return STEP_OVER;
    }
    r->end.truncated = true;
    r->end.last_words = side <= 1 && relay_has_last_words(r, side, rc);
    if (side <= 1 && relay_just_closed(r, side, rc)) {
        relay_end_by_first(r);
        return STEP_OVER;
    }
    if (side > 1 || rc == PST_ERR_NOMEM) {
        r->end.reason = PST_END_INTERNAL;
        return STEP_OVER;
    }
    r->end.reason = PST_END_RESET;
    r->end.side = side == 0 ? PST_SIDE_CLIENT : PST_SIDE_UPSTREAM;
    if (r->end.sys_errno == 0) {
        r->end.sys_errno = stream_errno(r->s[side]);
    }
    return STEP_OVER;
}

void relay_moved(struct relay *r, unsigned d, size_t got)
{
    r->last = loop_now(r->loop);
    r->dir[d].turn_bytes += (uint32_t)got;
    if (d == 1 && got > 0 && r->first_byte == 0) {
        r->first_byte = r->last;
    }
}

void relay_ended(struct relay *r, unsigned d)
{
    r->dir[d].phase = PHASE_ENDED;
    if (r->first == 0) {
        r->first = (uint8_t)(1 + d);
    }
}

enum relay_step relay_wait_src(struct relay_dir *x, int64_t want)
{
    x->src_want |= want == PST_WANT_READ ? PST_STREAM_READ : PST_STREAM_WRITE;
    return STEP_WAIT;
}

/* A destination that cannot take more silences its source. */
enum relay_step relay_wait_dst(struct relay_dir *x, int64_t want)
{
    x->dst_want |= want == PST_WANT_READ ? PST_STREAM_READ : PST_STREAM_WRITE;
    x->src_want = 0;
    x->again = false;
    return STEP_WAIT;
}

/* --- the timer -------------------------------------------------------------------------------- */

/* Arm for `ms` from now, or take the timer away (0). */
static void relay_arm(struct relay *r, uint64_t ms)
{
    if (ms == 0) {
        loop_timer_stop(r->loop, &r->timer);
    } else {
        loop_timer_set(r->loop, &r->timer, ms);
    }
}

static void relay_finish(struct relay *r)
{
    const struct relay_end end = r->end;

    loop_timer_stop(r->loop, &r->timer);
    loop_cancel(r->loop, &r->task);
    for (int i = 0; i < 2; i++) {
        stream_on_ready(r->s[i], NULL, NULL);
        stream_interest(r->s[i], 0);
    }
    r->done(r->arg, &end);
}

/* Bytes do not touch the timer; it looks for itself how long ago the last one was. */
static void relay_timeout(struct loop_timer *t)
{
    struct relay *r = list_entry(t, struct relay, timer);
    uint64_t limit = (uint64_t)(r->half ? r->half_close_ms : r->idle_ms) * NS_PER_MS;
    uint64_t quiet = loop_now(r->loop) - r->last;

    if (quiet < limit) {
        relay_arm(r, (limit - quiet + NS_PER_MS - 1) / NS_PER_MS);
        return;
    }
    r->end.reason = PST_END_IDLE;
    r->end.half_close = r->half;
    r->end.truncated = relay_undelivered(r);
    relay_finish(r);
}

/* --- one direction ---------------------------------------------------------------------------- */

static enum relay_step relay_flush(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];
    int32_t rc = stream_flush(relay_dst(r, d));

    x->unflushed = rc != PST_OK;
    if (rc == PST_OK) {
        return STEP_GO;
    }
    if (rc == PST_WANT_READ || rc == PST_WANT_WRITE) {
        return relay_wait_dst(x, rc);
    }
    return relay_fail(r, 1 - d, rc);
}

static void relay_dir_done(struct relay *r, unsigned d)
{
    r->dir[d].phase = PHASE_DONE;
    if (r->dir[1 - d].phase == PHASE_DONE) {
        relay_end_by_first(r);
        return;
    }
    r->half = true;
    r->last = loop_now(r->loop);
    relay_arm(r, r->half_close_ms);
}

/*
 * Everything is written: pass the end on. When that fails although the destination's own end has
 * been seen, both have said all they had to say. A socket is then closed by its owner at once,
 * which says so too.
 */
static enum relay_step relay_pass_end(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];

    if (r->end.reason != 0) {
        return STEP_OVER;
    }
    if (x->unflushed) {
        enum relay_step step = relay_flush(r, d);
        if (step != STEP_GO) {
            return step;
        }
    }
    bool last = r->dir[1 - d].phase == PHASE_DONE;

    if (last && stream_direct_fd(relay_dst(r, d), PST_STREAM_READ) >= 0) {
        relay_dir_done(r, d);
        return STEP_OVER;
    }
    int32_t rc = stream_shutdown_write(relay_dst(r, d));
    if (rc == PST_WANT_READ || rc == PST_WANT_WRITE) {
        return relay_wait_dst(x, rc);
    }
    if (rc != PST_OK && !last) {
        return relay_fail(r, 1 - d, rc);
    }
    relay_dir_done(r, d);
    return r->end.reason != 0 ? STEP_OVER : STEP_WAIT;
}

/* Everything of a source that just closed is written: now it can be told. */
static enum relay_step relay_pass_cut(struct relay *r, unsigned d)
{
    enum relay_step step = r->dir[d].unflushed ? relay_flush(r, d) : STEP_GO;

    return step == STEP_GO ? relay_fail(r, d, PST_ERR_RESET) : step;
}

/*
 * The budget is used up. A descriptor is reported again when more waits; bytes inside a stacked
 * stream are known to nobody but us.
 */
static enum relay_step relay_give_way(struct relay *r, unsigned d)
{
    r->dir[d].again = stream_direct_fd(relay_src(r, d), PST_STREAM_READ) < 0;
    return relay_wait_src(&r->dir[d], PST_WANT_READ);
}

/* Write what waits, older bytes first. STEP_GO: nothing waits any more. */
static enum relay_step relay_drain(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];

    if (filters_stale(r, d)) {
        struct buf *out = left_buf(x);
        int rc = out == NULL ? ERR_NOMEM : filters_run(r, d, NULL, 0, false, out);
        if (rc != ERR_OK) {
            return relay_fail(r, 2, rc);
        }
        if (out->len == 0) {
            left_free(x);
        }
    }
    enum relay_step step = copy_flush(r, d);
    return step == STEP_GO ? splice_flush(r, d) : step;
}

static enum relay_step relay_rounds(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];
    enum relay_step step = x->unflushed ? relay_flush(r, d) : STEP_GO;

    for (int rounds = 0; step == STEP_GO; rounds++) {
        step = relay_drain(r, d);
        if (step != STEP_GO) {
            break;
        }
        if (x->cut) {
            return relay_pass_cut(r, d);
        }
        if (x->phase != PHASE_OPEN) {
            return relay_pass_end(r, d);
        }
        if (rounds == RELAY_TURN_ROUNDS || x->turn_bytes >= RELAY_TURN_BYTES) {
            step = relay_give_way(r, d);
        } else {
            step = splice_fits(r, d) ? splice_round(r, d) : copy_round(r, d);
        }
    }
    return step;
}

/* Move what can be moved in direction d and note what to wait for. */
static void relay_turn(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];

    x->src_want = x->dst_want = 0;
    x->turn_bytes = 0;
    x->again = false;
    if (x->phase == PHASE_DONE) {
        return;
    }
    enum relay_step step = relay_rounds(r, d);
    if (x->pipe != NULL && x->pipe->fill == 0) {
        splice_release(r, d);
    }
    bool writable = !(x->dst_want & PST_STREAM_WRITE);
    if (step != STEP_OVER && x->unflushed && writable && x->phase != PHASE_DONE) {
        (void)relay_flush(r, d);
    }
}

/* --- both ------------------------------------------------------------------------------------- */

/*
 * A peer that resets may have said something before, which still waits in its socket: an answer
 * that explains why it hung up, say. One more turn hands it over.
 */
static void relay_last_words(struct relay *r)
{
    unsigned d = r->end.side == PST_SIDE_CLIENT ? 0 : 1;

    if (r->end.reason == PST_END_RESET && r->dir[d].phase == PHASE_OPEN &&
        stream_direct_fd(r->s[d], PST_STREAM_READ) != PST_FD_NEVER) {
        stream_ask_again(r->s[d]);
        relay_turn(r, d);
    }
}

/* Wait for what both directions want; the interest of a side is that of two directions. */
static void relay_wait(struct relay *r)
{
    for (unsigned i = 0; i < 2; i++) {
        stream_interest(r->s[i], r->dir[i].src_want | r->dir[1 - i].dst_want);
    }
    if (r->dir[0].again || r->dir[1].again) {
        loop_defer(r->loop, &r->task);
    }
}

/* After turns run by the loop; the relay may be gone when this returns. */
static void relay_settle(struct relay *r)
{
    if (r->end.reason == 0) {
        relay_wait(r);
        return;
    }
    relay_last_words(r);
    relay_finish(r);
}

/*
 * Writing to a side comes before reading from it: the write may take bytes off the wire into the
 * stream's own buffers, and the read after it finds them.
 */
static void relay_ready(struct relay *r, unsigned side, unsigned events)
{
    if (events & r->dir[1 - side].dst_want) {
        relay_turn(r, 1 - side);
    }
    if (r->end.reason == 0 && (events & r->dir[side].src_want)) {
        relay_turn(r, side);
    }
    relay_settle(r);
}

static void client_ready(void *arg, unsigned events)
{
    relay_ready(arg, 0, events);
}

static void upstream_ready(void *arg, unsigned events)
{
    relay_ready(arg, 1, events);
}

static void relay_task(struct task *t)
{
    struct relay *r = list_entry(t, struct relay, task);

    for (unsigned d = 0; d < 2; d++) {
        if (r->end.reason == 0 && (r->dir[d].again || filters_stale(r, d))) {
            relay_turn(r, d);
        }
    }
    relay_settle(r);
}

/* --- life ------------------------------------------------------------------------------------- */

static uint32_t relay_ms(uint64_t ms)
{
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

struct relay *relay_new(struct loop *l, struct pipe_pool *pipes, struct stream *client,
                        struct stream *upstream, const struct relay_config *cfg,
                        void (*done)(void *arg, const struct relay_end *end), void *arg)
{
    struct relay *r = mem_zero(sizeof(*r));
    if (r == NULL) {
        return NULL;
    }
    r->loop = l;
    r->pipes = pipes;
    r->done = done;
    r->arg = arg;
    r->s[0] = client;
    r->s[1] = upstream;
    r->idle_ms = relay_ms(cfg->idle_ms);
    r->half_close_ms = relay_ms(cfg->half_close_ms);
    r->task.fn = relay_task;
    r->timer.fn = relay_timeout;
    return r;
}

int relay_push_app(struct relay *r, const void *p, size_t n)
{
    assert(!r->started);
    return n == 0 ? ERR_OK : left_add(&r->dir[0], p, n);
}

void relay_start(struct relay *r)
{
    assert(!r->started);
    r->started = true;
    r->last = loop_now(r->loop);
    relay_arm(r, r->idle_ms);
    stream_on_ready(r->s[0], client_ready, r);
    stream_on_ready(r->s[1], upstream_ready, r);
    for (unsigned d = 0; d < 2 && r->end.reason == 0; d++) {
        /* What a plain socket has, the poller will tell. */
        if (r->dir[d].left != NULL || stream_direct_fd(r->s[d], PST_STREAM_READ) < 0) {
            relay_turn(r, d);
        } else {
            (void)relay_wait_src(&r->dir[d], PST_WANT_READ);
        }
        if (r->end.reason == 0 && r->dir[d].phase != PHASE_DONE) {
            (void)relay_flush(r, d);
        }
    }
    if (r->end.reason == 0) {
        relay_wait(r);
    } else {
        loop_defer(r->loop, &r->task);
    }
}

void relay_free(struct relay *r)
{
    if (r == NULL) {
        return;
    }
    loop_timer_stop(r->loop, &r->timer);
    loop_cancel(r->loop, &r->task);
    filters_free(r);
    for (unsigned d = 0; d < 2; d++) {
        left_free(&r->dir[d]);
        splice_release(r, d);
    }
    free(r);
}

uint64_t relay_first_byte(const struct relay *r)
{
    return r->first_byte;
}
