/* SPDX-License-Identifier: MIT */
/*
 * A stream in memory with a far end in the test's hand: scripted short reads, short writes and
 * PST_WANT_* in any order. Needs nothing but the public headers, so that authors of modules can
 * use it for theirs.
 *
 *     struct mem_stream *m = mem_new(notify, arg);
 *     ... hand &mem_ops and m to the code under test ...
 *     mem_put(m, "hello", 5);                 the far end sends
 *     n = mem_take(m, buf, sizeof(buf));      the far end receives
 *     mem_free(m);                            after ops->close has run, or never was to run
 */
#ifndef POSTERN_HARNESS_MEM_STREAM_H
#define POSTERN_HARNESS_MEM_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include <postern_module.h>

/* The calls that can be scripted. */
enum mem_call { MEM_HANDSHAKE, MEM_READ, MEM_WRITE, MEM_FLUSH, MEM_SHUTDOWN, MEM_CALLS };

struct mem_stream;

/* The table to use with a struct mem_stream * as its context. */
extern const struct pst_stream_ops mem_ops;

/*
 * A new stream; the caller frees it. notify (may be NULL) is told PST_STREAM_READ | _WRITE when
 * something comes true: pass it on to host->stream_ready(). It must not call the stream. NULL:
 * out of memory.
 */
struct mem_stream *mem_new(void (*notify)(void *arg, uint32_t events), void *arg);
void mem_free(struct mem_stream *m);
/* Set what notify gets, when it is not known at mem_new() yet. */
void mem_notify_arg(struct mem_stream *m, void *arg);

/*
 * Append to the script of a call. answer > 0: a read or write of at most so many bytes; < 0: that
 * answer (PST_WANT_*, an error). After PST_WANT_* notify is called, as if it had come true. With an
 * empty script calls do what they naturally do. At most 256 steps a call; aborts past that.
 */
void mem_script(struct mem_stream *m, enum mem_call call, int64_t answer);
/* How many bytes may be written and not yet taken. Default: no limit. */
void mem_window(struct mem_stream *m, size_t n);

/* --- the far end ------------------------------------------------------------------------------ */

void mem_put(struct mem_stream *m, const void *p, size_t n); /* aborts when out of memory */
void mem_end(struct mem_stream *m);                          /* reads answer 0 after the bytes  */
void mem_reset(struct mem_stream *m);                        /* reads, writes: PST_ERR_RESET    */
size_t mem_take(struct mem_stream *m, void *p, size_t cap);
size_t mem_waiting(const struct mem_stream *m); /* written, not yet taken */
size_t mem_unread(const struct mem_stream *m);  /* put, not yet read      */

/* --- what the code under test did ------------------------------------------------------------- */

int mem_was_shut(const struct mem_stream *m);        /* shutdown_write() answered PST_OK        */
int mem_was_closed(const struct mem_stream *m);      /* how many times close() was called       */
uint32_t mem_closed_how(const struct mem_stream *m); /* PST_CLOSE_* of the last time            */
uint32_t mem_interest(const struct mem_stream *m);   /* what is waited for now                  */
unsigned mem_calls(const struct mem_stream *m, enum mem_call call);

#endif
