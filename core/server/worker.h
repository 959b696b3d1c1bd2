/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker: a thread with its loop, its accept events and its connections. The main thread talks to
 * it only through messages, and hears of it only through messages.
 */
#ifndef POSTERN_SERVER_WORKER_H
#define POSTERN_SERVER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/loop.h"
#include "core/server/listener.h"

struct conn_worker;
struct generation;
struct worker;

/* What all workers share. */
struct worker_shared {
    struct loop *main_loop;
    unsigned n_workers;
    atomic_uint conns; /* connections and lingers of all workers */
    uint32_t max_conns;
    size_t max_pipes; /* per worker                             */
};

/*
 * One generation on one worker: made by main, which owns it. It travels as `to` and comes back as
 * `back`; `gone` comes once, when a replaced generation has no connection left here and its
 * worker states are freed. Callbacks run on main.
 */
struct worker_job {
    struct msg to, back, gone;
    struct worker_job *next; /* the worker's list                                  */
    struct worker *worker;
    struct generation *gen;          /* JOB_SWITCH: NULL serves nothing any more           */
    const struct bindings *bindings; /* JOB_SWITCH                                         */
    enum { JOB_PREPARE, JOB_SWITCH, JOB_DISCARD } kind;
    bool ok; /* of JOB_PREPARE                                     */
    void (*on_back)(struct worker_job *j);
    void (*on_gone)(struct worker_job *j);
    void *arg;
};

/* Make worker number `index`. NULL: out of memory. [main] */
struct worker *worker_new(unsigned index, struct worker_shared *shared);
/* Start its thread. ERR_SYS. [main] */
int worker_start(struct worker *w);
/* Send a job: prepare (worker_init), switch to, or discard (worker_fini) a generation. [main] */
void worker_send(struct worker_job *j);

/*
 * A question: ask() runs on the worker, then answered() on main. Embed it, set both; it must stay
 * where it is until answered() was called, which happens in every case. [main]
 */
struct worker_ask {
    struct msg to, back;
    struct worker *worker;
    void (*ask)(struct worker_ask *a, struct conn_worker *cw);
    void (*answered)(struct worker_ask *a);
};
void worker_ask(struct worker *w, struct worker_ask *a);

/* Accept no more; on_done runs on main when the sockets are no longer used. Once. [main] */
void worker_quiesce(struct worker *w, void (*on_done)(void *arg), void *arg);
/* End every connection, for this reason (PST_END_*). [main] */
void worker_kill(struct worker *w, uint32_t reason);
/* Stop the thread and join it; its connections are gone. Then free. [main] */
void worker_join(struct worker *w);
void worker_free(struct worker *w);

#endif
