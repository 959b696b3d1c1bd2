/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of a worker: what worker.c and accept.c share. All on its thread. */
#ifndef POSTERN_SERVER_WORKER_PRIV_H
#define POSTERN_SERVER_WORKER_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/loop.h"
#include "core/conn/conn.h"
#include "core/server/worker.h"

struct acceptor;

struct worker {
    struct conn_worker cw;
    struct worker_shared *shared;
    struct loop *loop;
    struct pipe_pool *pipes;
    struct acceptor *acceptors;
    struct acceptor *spare;  /* for the next accept_bind() */
    struct worker_job *jobs; /* generations that live here */
    struct task sweep;       /* look for generations that are gone */
    struct loop_timer resume;
    bool paused, quiet;
    unsigned index;
    pthread_t thread;
    struct msg quiesce, quiesced, kill, stop;
    uint32_t kill_reason;
    void (*on_quiesced)(void *arg);
    void *on_quiesced_arg;
};

/* Make the worker's timer, and tell its connections when there are too many. */
void accept_init(struct worker *w);
/* Is it so, of all workers together? */
bool accept_is_full(const struct conn_worker *cw);
/* A connection less: go on, if that was what was waited for. */
void accept_more(struct worker *w);
/* Have memory for accept_bind() to these, which cannot fail then. ERR_OK or ERR_NOMEM. */
int accept_prepare(struct worker *w, const struct bindings *b);
/* Point every socket at its listener of these bindings; drop those they do not name. NULL: all. */
void accept_bind(struct worker *w, const struct bindings *b);

#endif
