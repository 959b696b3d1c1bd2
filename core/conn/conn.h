/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection: from accept to its closing record, always on one worker.
 *
 *   conn.c          life, the order of states
 *   conn_preface.c  reading the first bytes: preface hooks, ClientHello, choice of the edge
 *   conn_stage.c    running one stage of hooks: verdicts, suspend and resume, deadlines
 *   conn_upstream.c targets, connect, upstream handshake, hand-over to the relay
 *   conn_close.c    the end: record, hooks, what the client sees on the wire
 *   conn_linger.c   a socket whose last bytes must arrive before it is closed
 *   conn_host.c     the connection part of the modules' host table
 *   conn_vars.c     the core's variables
 *   conn_list.c     looking at live ones, and ending them from outside
 *   conn_count.c    what is counted of them
 */
#ifndef POSTERN_CONN_CONN_H
#define POSTERN_CONN_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "plugin-api/postern_module.h"

struct conn;
struct generation;
struct listener;
struct loop;
struct pipe_pool;
struct stream;

/* What the connections of one worker share. Made by the worker, touched by its thread only. */
struct conn_worker {
    struct loop *loop;
    struct pipe_pool *pipes;
    unsigned index;
    struct generation *current; /* what new connections get                          */
    struct list conns;          /* live connections                                  */
    struct list lingers;        /* closed ones whose last bytes are still under way  */
    struct list cursors;        /* places in conns (conn_list.h)                     */
    size_t n;                   /* both together                                     */
    uint64_t last_id;
    bool ended; /* conn_end_all() was called: nothing new may begin              */
    /* True when no further connection may begin (max_connections). */
    bool (*full)(const struct conn_worker *w);
    /* A slot was taken (+1), or is free again because a connection and its linger are over (-1). */
    void (*count)(struct conn_worker *w, int delta);
    /* Not NULL: told of every connection that ends, after its modules. */
    void (*closed)(void *arg, const struct pst_record *r);
    void *closed_arg;
    /* No connection of a replaced generation is left on this worker. */
    void (*released)(struct conn_worker *w, struct generation *g);
};

/* Make `w` the calling thread's; the callbacks are set by the caller afterwards. [worker] */
void conn_worker_init(struct conn_worker *w, struct loop *l, unsigned index,
                      struct pipe_pool *pipes);

/* The conn_worker of the calling thread, for host calls that name no connection. */
struct conn_worker *conn_worker_here(void);

/*
 * Begin a connection on an accepted socket (owned from here on, closed on failure) or on a stream
 * that a module injected. Runs up to its first wait. ERR_NOMEM: the slot was not taken.
 */
int conn_accept(struct conn_worker *w, struct listener *l, int fd, const struct pst_addr *peer);
/* As above for any stream; the first step runs from the run queue. Owns `client` in every case. */
int conn_start(struct conn_worker *w, struct listener *l, struct stream *client,
               const struct pst_addr *peer, const struct pst_addr *local);

/* End every connection for good, for this reason (PST_END_DRAINED, PST_END_KILLED), lingers too. */
void conn_end_all(struct conn_worker *w, uint32_t reason);

/* Fill the connection part of the host table; register the core's variables. [main] */
void conn_host_fill(struct pst_host *h);
int conn_vars_register(void);

/* Define the metrics of connections. ERR_NOMEM. [main] */
int conn_metrics_define(void);

/* Name of a PST_END_* ("client_fin"), as in logs and events. */
const char *conn_reason_name(uint32_t reason);
/* What became of a connection, in a word: "relayed", "denied", "refused", "failed", ... */
const char *conn_outcome_name(bool relayed, uint32_t reason);

#endif
