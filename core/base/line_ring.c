/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/line_ring.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000u
/* Lines are expected to be this long or longer; shorter ones fill the table before the text. */
#define LINE_TYPICAL 64

bool line_batch_fit(struct line_batch *b, size_t size)
{
    struct line_batch fit = { .size = size, .max_lines = (uint32_t)(size / LINE_TYPICAL) };

    if (b->size == size) {
        return true;
    }
    fit.text = malloc(size);
    fit.line = malloc(fit.max_lines * sizeof(*fit.line));
    if (fit.text == NULL || fit.line == NULL) {
        line_batch_free(&fit);
        return false;
    }
    line_batch_free(b);
    *b = fit;
    return true;
}

bool line_batch_add(struct line_batch *b, int level, const char *p, size_t n)
{
    if (b->lines == b->max_lines || n + 1 > b->size - b->used) {
        return false;
    }
    memcpy(b->text + b->used, p, n);
    b->text[b->used + n] = '\n';
    b->line[b->lines++] =
        (struct line){ .at = (uint32_t)b->used, .n = (uint16_t)(n + 1), .level = (uint8_t)level };
    b->used += n + 1;
    return true;
}

void line_batch_clear(struct line_batch *b)
{
    b->used = 0;
    b->lines = 0;
}

void line_batch_free(struct line_batch *b)
{
    free(b->text);
    free(b->line);
    *b = (struct line_batch){ 0 };
}

void line_ring_init(struct line_ring *r)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->room, &attr);
    pthread_condattr_destroy(&attr);
    r->in = (struct line_batch){ 0 };
    r->waiting = 0;
    r->half = false;
}

void line_ring_free(struct line_ring *r)
{
    line_batch_free(&r->in);
    pthread_cond_destroy(&r->room);
    pthread_mutex_destroy(&r->lock);
}

/* Under the lock. False: the time is over. */
static bool wait_for_room(struct line_ring *r, uint64_t until)
{
    const struct timespec ts = { .tv_sec = (time_t)(until / NS_PER_S),
                                 .tv_nsec = (long)(until % NS_PER_S) };

    r->waiting++;
    int rc = pthread_cond_timedwait(&r->room, &r->lock, &ts);
    r->waiting--;
    return rc == 0;
}

/* Under the lock. */
static bool add(struct line_ring *r, size_t size, int level, const char *p, size_t n)
{
    return (r->in.size > 0 || line_batch_fit(&r->in, size)) && line_batch_add(&r->in, level, p, n);
}

enum line_put line_ring_put(struct line_ring *r, size_t size, int level, const char *p, size_t n,
                            uint64_t until)
{
    enum line_put result = LINE_PUT_OK;

    pthread_mutex_lock(&r->lock);
    bool added = add(r, size, level, p, n);
    while (!added && until != 0 && r->in.size > 0 && wait_for_room(r, until)) {
        added = add(r, size, level, p, n);
    }
    if (!added) {
        result = LINE_PUT_FULL;
    } else if (r->in.lines == 1) {
        result = LINE_PUT_FIRST;
    } else if (!r->half && (r->in.used >= r->in.size / 2 || r->in.lines >= r->in.max_lines / 2)) {
        r->half = true;
        result = LINE_PUT_HALF;
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

bool line_ring_take(struct line_ring *r, struct line_batch *out)
{
    bool some;

    pthread_mutex_lock(&r->lock);
    some = r->in.lines > 0;
    if (some) {
        struct line_batch taken = r->in;

        r->in = *out;
        *out = taken;
        r->half = false;
        if (r->waiting > 0) {
            pthread_cond_broadcast(&r->room);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return some;
}
