/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One sink: what those who write lines, the main thread and the writer do with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/line_priv.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "plugin-api/pst_types.h"

/* How long a failing target is left alone before the next attempt. */
#define RETRY_NS NS_PER_S
/* A failure is told once in this time. */
#define TELL_NS (60 * NS_PER_S)
/* Longest wait for room of one who would rather wait than lose a line. */
#define BLOCK_NS (3 * NS_PER_S)
/* How long a closed sink tries to write what it has. */
#define CLOSE_NS (10 * NS_PER_S)
/* Room for the line that tells how many were lost. */
#define TELL_MAX 1024

/* --- those who write lines [any] -------------------------------------------------------------- */

/* Every thread that ever writes a line has a number. */
static unsigned thread_slot(void)
{
    static atomic_uint last;
    static _Thread_local unsigned slot;

    if (slot == 0) {
        slot = atomic_fetch_add(&last, 1) + 1;
    }
    return slot - 1;
}

static void count_dropped(struct line_sink *s, uint64_t n)
{
    if (n > 0) {
        atomic_fetch_add(&s->dropped, n);
        metric_add(s->cfg.dropped, (int64_t)n);
    }
}

bool line_sink_put(struct line_sink *s, int level, const char *p, size_t n, bool block)
{
    struct line_ring *r = &s->ring[s->rings == 1 ? 0 : thread_slot() % s->rings];
    bool may_wait = block && !atomic_load_explicit(&s->stuck, memory_order_relaxed);
    enum line_put put = LINE_PUT_FULL;

    if (n <= LINE_LONGEST) {
        put = line_ring_put(r, atomic_load_explicit(&s->ring_size, memory_order_relaxed), level, p,
                            n, may_wait ? clock_ns() + BLOCK_NS : 0);
    }
    switch (put) {
    case LINE_PUT_FIRST:
        line_writer_wake_lazily(s->w);
        break;
    case LINE_PUT_HALF:
        line_writer_wake(s->w);
        break;
    case LINE_PUT_FULL:
        if (may_wait) {
            atomic_store_explicit(&s->stuck, true, memory_order_relaxed);
        }
        count_dropped(s, 1);
        return false;
    case LINE_PUT_OK:
        break;
    }
    return true;
}

uint64_t line_sink_dropped(const struct line_sink *s)
{
    return atomic_load(&s->dropped);
}

/* --- one sink [writer] ------------------------------------------------------------------------ */

static void tell_failure(struct line_sink *s, int err, uint64_t now)
{
    metric_add(s->cfg.errors, 1);
    if (s->name != NULL && (s->told_at == 0 || now - s->told_at >= TELL_NS)) {
        s->told_at = now;
        LOG(PST_LOG_ERROR, "lines cannot be written; trying again", LOGF_Z("target", s->name),
            LOGF_Z("error", strerrorname_np(err)), LOGF_U64("dropped", atomic_load(&s->dropped)));
    }
}

static void on_failed(struct line_sink *s, int err, uint64_t now)
{
    s->failed = true;
    s->retry_at = now + RETRY_NS;
    atomic_store_explicit(&s->stuck, true, memory_order_relaxed);
    tell_failure(s, err, now);
}

static void on_progress(struct line_sink *s)
{
    if (s->failed && s->name != NULL) {
        LOG(PST_LOG_NOTICE, "lines are written again", LOGF_Z("target", s->name),
            LOGF_U64("dropped", atomic_load(&s->dropped)));
    }
    s->failed = false;
    atomic_store_explicit(&s->stuck, false, memory_order_relaxed);
}

/* All of `out` is written: the next comes from the rings in turn. False: nothing waits. */
static bool next_batch(struct line_sink *s)
{
    line_batch_clear(&s->out);
    s->at = (struct line_cursor){ 0 };
    (void)line_batch_fit(&s->out, atomic_load(&s->ring_size));
    for (unsigned i = 0; i < s->rings; i++) {
        if (line_ring_take(&s->ring[s->turn++ % s->rings], &s->out)) {
            return true;
        }
    }
    return false;
}

/* Lines were dropped since this was told last: the next line in the target says so. */
static bool next_telling(struct line_sink *s)
{
    size_t (*tell)(char *, size_t, uint64_t) = atomic_load(&s->tell_lost);
    uint64_t dropped = atomic_load(&s->dropped);
    char text[TELL_MAX];

    if (tell == NULL || dropped == s->announced) {
        return false;
    }
    line_batch_clear(&s->out);
    s->at = (struct line_cursor){ 0 };
    size_t n = tell(text, sizeof(text), dropped - s->announced);
    if (n == 0 || n > sizeof(text) || !line_batch_fit(&s->out, atomic_load(&s->ring_size)) ||
        !line_batch_add(&s->out, PST_LOG_WARNING, text, n)) {
        return false;
    }
    s->announced = dropped;
    return true;
}

/* Write what is in `out`. False: the target does not take it now. */
static bool write_out(struct line_sink *s, uint64_t now)
{
    size_t before = s->at.at;
    uint64_t lost = 0;
    enum line_sent sent;

    if (s->failed || line_target_deleted(&s->target)) {
        line_target_retry(&s->target, &s->out, &s->at);
        before = s->at.at;
    }
    if (line_target_deleted(&s->target)) {
        errno = ENOENT;
        sent = LINE_SENT_FAILED;
    } else {
        sent = line_target_write(&s->target, &s->out, &s->at, &lost);
    }
    count_dropped(s, lost);
    s->full = sent == LINE_SENT_FULL;
    if (sent == LINE_SENT_FAILED) {
        on_failed(s, errno, now);
    } else if (sent == LINE_SENT_ALL || s->at.at > before) {
        on_progress(s);
    }
    if (sent == LINE_SENT_ALL) {
        metric_add(s->cfg.written, (int64_t)s->out.lines - (int64_t)lost);
    }
    return sent == LINE_SENT_ALL;
}

/* What cannot be written any more is lost; give back what the sink holds. */
static void rest(struct line_sink *s)
{
    struct line_target none = { .fd = -1 };

    line_target_replace(&s->target, &none, &s->out, &s->at);
    do {
        count_dropped(s, s->out.lines - s->at.line);
    } while (next_batch(s));
    line_batch_free(&s->out);
    for (unsigned i = 0; i < s->rings; i++) {
        pthread_mutex_lock(&s->ring[i].lock);
        line_batch_free(&s->ring[i].in);
        pthread_mutex_unlock(&s->ring[i].lock);
    }
    s->failed = s->full = false;
}

/* Use the target that the main thread has given. True: the sink is in use. */
static bool take_orders(struct line_sink *s)
{
    pthread_mutex_lock(&s->w->lock);
    if (s->have_next) {
        line_target_replace(&s->target, &s->next, &s->out, &s->at);
        s->have_next = false;
        s->retry_at = 0;
    }
    bool in_use = !s->idle;
    pthread_mutex_unlock(&s->w->lock);
    return in_use;
}

/* Nothing is left, or nothing more can be done for it: a closed sink rests. */
static bool rests(struct line_sink *s, bool written, uint64_t now)
{
    pthread_mutex_lock(&s->w->lock);
    if (s->closing && !s->have_next && (written || now >= s->close_by)) {
        rest(s);
        s->idle = true;
    }
    bool idle = s->idle;
    pthread_mutex_unlock(&s->w->lock);
    return idle;
}

/* True: all is written. */
static bool write_all(struct line_sink *s, uint64_t now)
{
    if (s->failed && now < s->retry_at) {
        return false;
    }
    while (s->at.line < s->out.lines || next_telling(s) || next_batch(s)) {
        if (!write_out(s, now)) {
            return false;
        }
    }
    s->full = false;
    return true;
}

bool line_sink_run(struct line_sink *s)
{
    uint64_t now = clock_ns();

    if (!take_orders(s)) {
        return true;
    }
    bool written = write_all(s, now);
    return rests(s, written, now) || written;
}

/* --- life [main] ------------------------------------------------------------------------------ */

uint64_t line_sink_free(struct line_sink *s)
{
    rest(s);
    if (s->have_next) {
        line_target_close(&s->next);
    }
    for (unsigned i = 0; i < s->rings; i++) {
        line_ring_free(&s->ring[i]);
    }
    uint64_t dropped = atomic_load(&s->dropped);
    free(s->name);
    free(s);
    return dropped;
}

struct line_sink *line_sink_new(struct line_writer *w, struct line_target *t,
                                const struct line_sink_config *cfg)
{
    struct line_sink *s = calloc(1, sizeof(*s) + cfg->rings * sizeof(s->ring[0]));

    if (s == NULL || (cfg->name != NULL && (s->name = strdup(cfg->name)) == NULL)) {
        free(s);
        return NULL;
    }
    s->w = w;
    s->cfg = *cfg;
    s->cfg.name = NULL;
    s->rings = cfg->rings;
    atomic_init(&s->tell_lost, cfg->tell_lost);
    atomic_init(&s->ring_size, cfg->ring);
    atomic_init(&s->dropped, 0);
    atomic_init(&s->stuck, false);
    s->target = *t;
    *t = (struct line_target){ .fd = -1 };
    for (unsigned i = 0; i < s->rings; i++) {
        line_ring_init(&s->ring[i]);
    }
    pthread_mutex_lock(&w->lock);
    s->after = w->sinks;
    w->sinks = s;
    w->n_sinks++;
    pthread_mutex_unlock(&w->lock);
    return s;
}

void line_sink_target(struct line_sink *s, struct line_target *t)
{
    pthread_mutex_lock(&s->w->lock);
    if (s->have_next) {
        line_target_close(&s->next);
    }
    s->next = *t;
    s->have_next = true;
    s->closing = false;
    s->idle = false;
    pthread_mutex_unlock(&s->w->lock);
    *t = (struct line_target){ .fd = -1 };
    line_writer_wake(s->w);
}

void line_sink_grow(struct line_sink *s, size_t ring)
{
    if (ring > atomic_load(&s->ring_size)) {
        atomic_store(&s->ring_size, ring);
    }
}

void line_sink_tell(struct line_sink *s, size_t (*tell_lost)(char *buf, size_t n, uint64_t lost))
{
    atomic_store(&s->tell_lost, tell_lost);
}

void line_sink_close(struct line_sink *s)
{
    pthread_mutex_lock(&s->w->lock);
    s->closing = true;
    s->close_by = clock_ns() + CLOSE_NS;
    pthread_mutex_unlock(&s->w->lock);
    line_writer_wake(s->w);
}

bool line_sink_keep(struct line_sink *s)
{
    pthread_mutex_lock(&s->w->lock);
    bool open = !s->idle;
    if (open) {
        s->closing = false;
    }
    pthread_mutex_unlock(&s->w->lock);
    return open;
}
