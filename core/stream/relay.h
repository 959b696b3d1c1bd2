/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relay: two directions between two streams, each with its own end, its own mode (splice or
 * copy) and its own back-pressure. One timer serves idle and half-close.
 *
 * While relaying an idle connection holds no buffer and no pipe. The relay never blocks, allocates
 * nothing but a leftover chunk (taken from the worker's pool) when a destination is slow, and
 * gives way after its fairness budget.
 */
#ifndef POSTERN_STREAM_RELAY_H
#define POSTERN_STREAM_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "plugin-api/pst_hooks.h"
#include "plugin-api/pst_stream.h"

struct loop;
struct relay;
struct stream;
struct pipe_pool;

/* How a relay ended. */
struct relay_end {
    uint32_t reason; /* PST_END_CLIENT_FIN, _UPSTREAM_FIN: first; _IDLE, _RESET, _INTERNAL */
    int sys_errno;
    uint8_t side;    /* PST_SIDE_* that caused it, 0: we (timer)                              */
    bool truncated;  /* a direction ended without a proper end                                */
    bool half_close; /* the half-close timer, not the idle timer, ran out                     */
    bool last_words; /* what the client was written last shall arrive: an alert that says why,
                         or the bytes of an upstream that just closed                          */
};

struct relay_config {
    uint64_t idle_ms;       /* no byte in either direction; 0: never                           */
    uint64_t half_close_ms; /* no byte in the other direction after one has ended; 0: never    */
};

/*
 * Make a relay between two established streams, which it borrows. done runs from the event loop,
 * never inside relay_start() or another relay call; after it the relay does nothing more. NULL:
 * out of memory. Filters may be attached between new and start. [worker]
 */
struct relay *relay_new(struct loop *l, struct pipe_pool *pipes, struct stream *client,
                        struct stream *upstream, const struct relay_config *cfg,
                        void (*done)(void *arg, const struct relay_end *end), void *arg);
/*
 * Bytes to send upstream inside its transport before the client's own (PST_LAYER_APP). Copied;
 * several calls append. Before relay_start().
 */
int relay_push_app(struct relay *r, const void *p, size_t n);
/* Begin: replays the client's prefix, flushes the upstream's pushed front, waits. */
void relay_start(struct relay *r);
/*
 * Free, at any time but inside a filter. Does not touch the streams, which may be gone already;
 * one that lives on needs another stream_on_ready(). NULL is fine.
 */
void relay_free(struct relay *r);

/* Time of the first byte from the upstream, loop_now(); 0: none yet. */
uint64_t relay_first_byte(const struct relay *r);

/* --- byte filters (filter.c) ------------------------------------------------------------------ */

struct filter; /* pst_filter * is the same pointer */

/*
 * dir: PST_DIR_*. Runs after those attached before (before them for PST_DIR_TO_CLIENT). Before
 * relay_start(). NULL: too late, no such direction, out of memory; ctx is not detached then.
 */
struct filter *relay_filter_attach(struct relay *r, uint32_t dir, const struct pst_filter_ops *ops,
                                   void *ctx);
/* May be called inside the filter's own data(). What it held back is passed on. */
void relay_filter_detach(struct filter *f);
int filter_pass(struct pst_filter_out *o, size_t n);
int filter_drop(struct pst_filter_out *o, size_t n);
int filter_emit(struct pst_filter_out *o, const uint8_t *p, size_t n);

#endif
