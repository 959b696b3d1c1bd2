/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams inside the core: a stack of pst_stream_ops. The bottom one ("base") is a socket
 * (stream_raw.c) or something a module supplies without a socket; others stand on it.
 *
 * A `struct stream *` always names one layer; the connection keeps the top one of each side.
 * Interest and readiness belong to the base and are reached through any layer.
 */
#ifndef POSTERN_STREAM_STREAM_H
#define POSTERN_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "plugin-api/pst_stream.h"

struct loop;
struct stream; /* opaque outside core/stream; pst_stream * is the same pointer */

/* To be waited for beside PST_STREAM_READ and _WRITE, on sockets: the connection has failed. */
#define STREAM_FAILED 4u

/* Called when the base is ready for something that was waited for: PST_STREAM_*, STREAM_FAILED. */
typedef void (*stream_ready_fn)(void *arg, unsigned events);

/* --- making [worker] -------------------------------------------------------------------------- */

/* A socket's stream; owns fd from here on, closed on failure too. NULL: out of memory. */
struct stream *stream_raw_new(struct loop *l, int fd);

/*
 * What kind of socket it is. In pieces: a read that got less than it asked for does not mean that
 * there is no more (unix sockets: it ends where descriptors were passed). Delays: TCP_NODELAY is
 * not set; the stream does so when there is something that would be delayed.
 */
void stream_in_pieces(struct stream *s);
void stream_delays(struct stream *s);

/* A base that a module implements. ops are copied. Does not call ops->close on failure. */
struct stream *stream_module_new(struct loop *l, const struct pst_stream_ops *ops, void *ctx);

/*
 * Stack ops on `inner`; the result is the new top. NULL: out of memory (ctx is not closed, inner
 * stays as it was).
 */
struct stream *stream_stack(struct stream *inner, const struct pst_stream_ops *ops, void *ctx);

/*
 * Close and free the whole stack from the top down to the base. On a socket PST_CLOSE_ABORT
 * sends RST. Nothing is flushed. NULL is fine.
 */
void stream_free(struct stream *top, uint32_t how);

/* Close and free every layer but the base, which is the caller's from then on. */
struct stream *stream_strip(struct stream *top, uint32_t how);

struct stream *stream_inner(struct stream *s); /* NULL for the base */
struct stream *stream_base(struct stream *s);

/* --- bytes ------------------------------------------------------------------------------------ */

/* As the members of pst_stream_ops; missing ones do the sensible thing. */
int32_t stream_handshake(struct stream *s);
int64_t stream_read(struct stream *s, struct pst_iov *v, uint32_t n);
/*
 * A read that got less than it asked for is followed by PST_WANT_READ, without asking the kernel,
 * until the base is ready. After this it is asked all the same.
 */
void stream_ask_again(struct stream *s);
/*
 * Whoever used stream_direct_fd() was told EAGAIN: there is nothing to read (PST_STREAM_READ), no
 * room to write (_WRITE) until the base is ready.
 */
void stream_blocked(struct stream *s, unsigned events);
/* Will the next read say that this is the end? Known of sockets without asking the kernel. */
bool stream_at_end(struct stream *s);
int64_t stream_write(struct stream *s, const struct pst_iov *v, uint32_t n);
/* The next write is followed by the end at once: on a socket both can leave in one segment. */
void stream_last_write(struct stream *s);
int32_t stream_flush(struct stream *s);
int32_t stream_shutdown_write(struct stream *s);
int32_t stream_direct_fd(struct stream *s, uint32_t dir);

/*
 * Bytes to be read before anything from below: the preface that the core has already taken from
 * the client. `b` is moved into the base (its owner is the stream now) and freed once replayed.
 * A prefix that is there is replaced.
 */
void stream_set_prefix(struct stream *s, struct buf *b);
size_t stream_prefix_left(struct stream *s);

/*
 * Bytes to be written to the base before anything else (PROXY header). Copied; several calls
 * append. They leave in the same system call as the first write when there is one; stream_flush()
 * pushes them otherwise. direct_fd(WRITE) is PST_FD_NOT_NOW until they are out.
 */
int stream_push_front(struct stream *s, const void *p, size_t n);

/* --- waiting ---------------------------------------------------------------------------------- */

/* Who is told about readiness. The callback may free the stack. */
void stream_on_ready(struct stream *s, stream_ready_fn fn, void *arg);
/*
 * What is waited for from now on: PST_STREAM_READ | PST_STREAM_WRITE, STREAM_FAILED, or 0. What is
 * possible already is told from the run queue. Each call is answered once: who waits on after the
 * callback calls again, with the same events too.
 */
void stream_interest(struct stream *s, unsigned events);
/*
 * Wait for the end of the connect() of a socket that has just been given its stream. The callback
 * gets PST_STREAM_WRITE alone when it succeeded; otherwise SO_ERROR knows. It stays so until the
 * next stream_interest(). ERR_NOMEM.
 */
int stream_await_connect(struct stream *s);
/* The owner of a module base says that it is ready; the callback runs from the run queue. */
void stream_module_ready(struct stream *s, unsigned events);

/* --- facts ------------------------------------------------------------------------------------ */

int stream_fd(struct stream *s);            /* of the base, -1 without a socket */
int stream_errno(struct stream *s);         /* of the last failure on the base, 0: none */
uint64_t stream_bytes_in(struct stream *s); /* on the wire: read by the base, spliced too */
uint64_t stream_bytes_out(struct stream *s);
void stream_count(struct stream *s, uint64_t in, uint64_t out); /* splice adds here */

#endif
