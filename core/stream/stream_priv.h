/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of core/stream: layers, bases and what the files of a stream call of each other. */
#ifndef POSTERN_STREAM_STREAM_PRIV_H
#define POSTERN_STREAM_STREAM_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/loop.h"
#include "core/stream/stream.h"

/* One layer. Every idle connection has two: keep it small. */
struct stream {
    const struct pst_stream_ops *ops;
    void *ctx;
    struct stream *inner; /* NULL: this is the base */
    bool ready;           /* the handshake of this layer is done */
    /* What follows is the base's, for which there is room here. */
    bool raw;         /* a struct stream_raw, else a struct stream_module */
    bool broken;      /* out of memory at a place that cannot say so: reads and writes fail */
    uint8_t interest; /* PST_STREAM_READ | _WRITE | STREAM_FAILED waited for */
    int sys_errno;
};

/* Bytes that wait at the base, in front of what comes from below or goes down. */
struct stream_bytes {
    size_t off;
    struct buf b;
};

/* What every base has; a raw or a module base begins with it. */
struct stream_base {
    struct stream s;
    struct loop *loop;
    stream_ready_fn ready;
    void *arg;
    uint64_t in, out;
    struct stream_bytes *prefix; /* read before anything from below, NULL: none  */
    struct stream_bytes *front;  /* written before anything from above, NULL: none */
};

/* The base that a layer stands on; a base's own is itself. */
static inline struct stream_base *base_of(struct stream *s)
{
    while (s->inner != NULL) {
        s = s->inner;
    }
    return (struct stream_base *)(void *)s;
}

/* --- stream_raw.c: what stream.h says of the functions without "raw_" ------------------------- */

void raw_interest(struct stream_base *b, unsigned events);
void raw_ask_again(struct stream_base *b);
void raw_blocked(struct stream_base *b, unsigned events);
bool raw_ended(const struct stream_base *b);
void raw_last_write(struct stream_base *b);
void raw_in_pieces(struct stream_base *b);
void raw_delays(struct stream_base *b);
int raw_await_connect(struct stream_base *b);
/* The descriptor. */
int raw_fd(const struct stream_base *b);

/* --- stream_module.c -------------------------------------------------------------------------- */

/* Tell the module, and deliver readiness that came before anyone waited. */
void module_interest(struct stream_base *b, unsigned events);
/* Forget queued readiness; before the memory goes. */
void module_stop(struct stream_base *b);
/* Copy a table of a possibly older module: members beyond its size are NULL. */
void stream_ops_copy(struct pst_stream_ops *to, const struct pst_stream_ops *from);

/* --- prefix.c --------------------------------------------------------------------------------- */

/* Serve a read from the prefix; there is one. Answers the bytes copied (> 0). */
int64_t prefix_read(struct stream_base *b, struct pst_iov *v, uint32_t n);
/*
 * Write v behind the waiting front bytes, in one call where the base takes it. v may be empty
 * (n == 0). Answers like stream_write(); 0 only when n == 0 and the front is out.
 */
int64_t front_write(struct stream_base *b, const struct pst_iov *v, uint32_t n);
/* Free one of the two; NULL is fine. */
void stream_bytes_free(struct stream_bytes **at);

#endif
