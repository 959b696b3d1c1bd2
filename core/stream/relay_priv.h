/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of the relay: its two directions and what its files call of each other. All [worker]. */
#ifndef POSTERN_STREAM_RELAY_PRIV_H
#define POSTERN_STREAM_RELAY_PRIV_H

#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/stream/pipe_pool.h"
#include "core/stream/relay.h"
#include "core/stream/stream.h"

/* At least this much at once is bulk, and worth a pipe; small messages are cheaper copied. */
#define RELAY_BULK ((size_t)16 * 1024)
/* What a turn of one direction may move before others get theirs. */
#define RELAY_TURN_BYTES  ((size_t)1024 * 1024)
#define RELAY_TURN_ROUNDS 16
/* Copied at once while the destination is slow, so that little has to be kept for it. */
#define RELAY_SLOW_BYTES ((size_t)64 * 1024)
/*
 * Taken at once from a transport: what was decrypted is written while it is still in the
 * processor's cache.
 */
#define RELAY_STACKED_BYTES ((size_t)64 * 1024)
/* The most a direction keeps for its destination: a scratch buffer, multiplied by a filter. */
#define RELAY_LEFT_MAX ((size_t)4 * 1024 * 1024)

/* Bytes taken from the source that the destination has not taken yet. */
struct relay_left {
    size_t off;
    struct buf b;
};

enum relay_phase {
    PHASE_OPEN,  /* bytes flow                                            */
    PHASE_ENDED, /* the source has ended: write the rest, pass the end on */
    PHASE_DONE   /* the end has been passed on                            */
};

struct relay_dir {
    struct relay_left *left; /* NULL: nothing                               */
    struct pipe_pair *pipe;  /* NULL but while bulk flows                   */
    struct filter *filters;  /* in the order bytes meet them                */
    uint32_t turn_bytes;     /* read in this turn                           */
    uint8_t phase;           /* enum relay_phase                            */
    uint8_t src_want;        /* PST_STREAM_* this direction waits for at    */
    uint8_t dst_want;        /* the base of its source and destination      */
    bool unflushed : 1;      /* the destination may keep bytes back         */
    bool bulk : 1;           /* the last round was large                    */
    bool slow : 1;           /* the destination did not take all of the last round */
    bool no_splice : 1;      /* the kernel cannot splice these two          */
    bool again : 1;          /* to be continued from the run queue          */
    bool cut : 1;            /* the source is gone: relay_is_cut()          */
};

/* dir[0] is client to upstream, dir[1] the other; dir[i] reads from s[i]. */
struct relay {
    struct loop *loop;
    struct pipe_pool *pipes;
    void (*done)(void *arg, const struct relay_end *end);
    void *arg;
    struct stream *s[2];
    struct relay_dir dir[2];
    uint64_t last; /* loop_now() of the last byte */
    uint64_t first_byte;
    uint32_t idle_ms, half_close_ms;
    struct relay_end end; /* reason 0: still going on */
    bool started;
    bool half;     /* one direction is done                   */
    uint8_t first; /* 1 + the direction that ended first, or 0 */
    struct task task;
    struct loop_timer timer;
};

/* What a round of a direction says to its turn. */
enum relay_step {
    STEP_GO,   /* something moved: another round           */
    STEP_WAIT, /* nothing to do until what is wanted comes */
    STEP_OVER  /* the relay has ended                      */
};

static inline struct stream *relay_src(const struct relay *r, unsigned d)
{
    return r->s[d];
}

static inline struct stream *relay_dst(const struct relay *r, unsigned d)
{
    return r->s[1 - d];
}

/* --- relay.c ---------------------------------------------------------------------------------- */

/* End the relay because the stream `side` (0, 1) answered the error rc, or (side 2) we failed. */
enum relay_step relay_fail(struct relay *r, unsigned side, int64_t rc);
/*
 * The stream `side` has answered rc: has its peer just closed, without a proper end? A reset is
 * none of that.
 */
bool relay_is_cut(const struct relay *r, unsigned side, int64_t rc);
/* Bytes have moved in direction d; `got` of them were read from its source. */
void relay_moved(struct relay *r, unsigned d, size_t got);
/* The source of direction d has ended properly. */
void relay_ended(struct relay *r, unsigned d);
/* Wait at the source or the destination for what it answered (PST_WANT_*). STEP_WAIT. */
enum relay_step relay_wait_src(struct relay_dir *x, int64_t want);
enum relay_step relay_wait_dst(struct relay_dir *x, int64_t want);

/* --- relay_copy.c ----------------------------------------------------------------------------- */

/* Read what the source has, up to the scratch buffer's size, and write it. */
enum relay_step copy_round(struct relay *r, unsigned d);
/* Write what is left. STEP_GO: nothing is left. */
enum relay_step copy_flush(struct relay *r, unsigned d);
/* Keep bytes for the destination. ERR_NOMEM, ERR_LIMIT. */
int left_add(struct relay_dir *x, const void *p, size_t n);
/* The buffer that left_add() fills, made if need be; NULL: out of memory. */
struct buf *left_buf(struct relay_dir *x);
void left_free(struct relay_dir *x);

/* --- relay_splice.c --------------------------------------------------------------------------- */

/* May this round be spliced? */
bool splice_fits(const struct relay *r, unsigned d);
/* Move what the source has through a pipe; copies when there is no pipe to be had. */
enum relay_step splice_round(struct relay *r, unsigned d);
/* Write what is in the pipe. STEP_GO: it is empty. */
enum relay_step splice_flush(struct relay *r, unsigned d);
/* Give the pipe back; with bytes in it they are lost. */
void splice_release(struct relay *r, unsigned d);

/* --- filter.c --------------------------------------------------------------------------------- */

/*
 * Show n new bytes (fin: the last ones) to the filters of direction d in turn and append what
 * comes out to `out`. Detached filters give up what they held and are gone. ERR_MODULE,
 * ERR_LIMIT, ERR_NOMEM end the relay. out may be empty and unused when nothing comes out.
 */
int filters_run(struct relay *r, unsigned d, const uint8_t *p, size_t n, bool fin, struct buf *out);
/* Is any filter of direction d detached and waiting to be taken out? */
bool filters_stale(const struct relay *r, unsigned d);
/* Free all, telling those still attached. */
void filters_free(struct relay *r);

#endif
