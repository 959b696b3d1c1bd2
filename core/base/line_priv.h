/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of line_writer.c and line_sink.c: what the thread and the sinks know of each other. */
#ifndef POSTERN_BASE_LINE_PRIV_H
#define POSTERN_BASE_LINE_PRIV_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/base/line_ring.h"
#include "core/base/line_target.h"
#include "core/base/line_writer.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S  (1000 * NS_PER_MS)

struct line_sink {
    struct line_sink *after;
    struct line_writer *w;
    struct line_sink_config cfg;
    char *name;
    _Atomic(size_t (*)(char *, size_t, uint64_t)) tell_lost;
    atomic_size_t ring_size;
    atomic_ullong dropped;
    atomic_bool stuck; /* it takes nothing: nobody shall wait for it */

    /* Under the writer's lock. */
    struct line_target next;
    bool have_next, closing, idle;

    /* The writer's own. */
    struct line_target target;
    struct line_batch out;
    struct line_cursor at;
    bool failed, full;
    uint64_t retry_at, told_at, announced;
    uint64_t close_by; /* under the lock: a closed sink gives up what its target does not take */
    unsigned turn;

    unsigned rings;
    struct line_ring ring[];
};

struct line_writer {
    pthread_mutex_t lock;
    pthread_cond_t end; /* `ended` has become true */
    pthread_t thread;
    int wake_fd;
    unsigned delay_ms;
    atomic_bool awake;  /* who puts a first line need not wake it  */
    atomic_bool urgent; /* it shall not wait for more lines        */

    /* Under the lock. */
    struct line_sink *sinks;
    unsigned n_sinks;
    bool stop, ended;
    uint64_t stop_at;

    /* The writer's own. */
    struct pollfd *fds;
    unsigned max_fds;
    uint64_t lost; /* at the end */
};

/* Wake the thread; it does not wait for more lines. [any] */
void line_writer_wake(struct line_writer *w);
/* The same for one who put the first line into a ring: it may wait. [any] */
void line_writer_wake_lazily(struct line_writer *w);

/* Write all there is in a sink. True: nothing is left. [writer] */
bool line_sink_run(struct line_sink *s);
/* Free a sink and what is left in it. Answers how many lines it dropped in all. No threads left. */
uint64_t line_sink_free(struct line_sink *s);

#endif
