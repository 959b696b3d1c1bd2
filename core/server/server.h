/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon: what the main thread owns. All functions run on it.
 *
 *   main.c      start, wait, stop
 *   reload.c    the next generation: load, build, prepare on all workers, switch or discard
 *   shutdown.c  drain, deadline, stop
 *   signals.c   signals to calls of these
 *   upgrade.c   another process takes over
 */
#ifndef POSTERN_SERVER_SERVER_H
#define POSTERN_SERVER_SERVER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/server/inherited.h"
#include "core/server/listener.h"
#include "core/server/opts.h"
#include "core/server/proc.h"
#include "core/server/worker.h"
#include "plugin-api/postern_module.h"

struct conf;
struct conf_errors;
struct control;
struct metrics_http;
struct resolver;
struct upgrade;
struct watchdog;

/* A generation and its way through the workers. */
struct candidate {
    struct candidate *next; /* the list of those that were replaced */
    struct server *server;
    struct generation *gen;
    struct bindings bindings;
    struct worker_job *jobs; /* one per worker */
    struct worker_job *none; /* one per worker: the switch to nothing at the end */
    unsigned waiting;        /* answers still to come in this step */
    unsigned alive;          /* workers that have not said `gone`, and pins */
    bool failed;
};

enum server_state { SERVER_STARTING, SERVER_RUNNING, SERVER_DRAINING, SERVER_ENDING };

struct server {
    struct opts opts;
    struct loop *loop;
    struct pst_host host;
    struct resolver *resolver;
    struct inherited inherited;
    struct upgrade *upgrade;
    struct watchdog *watchdog; /* NULL: nobody watches */
    struct worker_shared shared;
    struct worker **workers;
    unsigned n_workers;
    struct lsock *socks;
    struct candidate *serving;  /* NULL before the first */
    struct candidate *next;     /* on its way in, NULL: none */
    struct candidate *retiring; /* replaced, with connections left */
    uint64_t generations;       /* made so far */
    bool reload_again;          /* a reload was asked for during one */
    enum server_state state;
    struct control *control;      /* NULL: no control socket */
    struct metrics_http *metrics; /* NULL: no metrics over HTTP */
    uint64_t started_us;          /* Unix time */
    uint64_t started_ns;          /* monotonic */
    struct {
        uint64_t good, bad; /* how many */
        uint64_t last_ns;   /* monotonic, of the last; 0: none yet */
        bool last_good;
    } reloads;
    unsigned quiescing; /* workers that may still use listening sockets */
    struct event drain_timer;
    struct event *signals[5];
    int reserve_fd; /* given up while files are opened at the descriptor limit */
    int exit_code;
};

/* Give the reserve descriptor up, so that a file can be opened, and take it back. */
void server_reserve_release(struct server *s);
void server_reserve_take(struct server *s);

/* --- reload.c --- */
/* The first generation: conf is taken over. False: refused, errors say why. */
bool server_build_first(struct server *s, struct conf *conf, struct conf_errors *errors);
/* Hand it to the workers; s->state turns RUNNING when all serve it. */
void server_serve_first(struct server *s);
/* SIGHUP: load, check, switch; or keep what serves and say why. */
void server_reload(struct server *s);
/* Serve nothing any more; candidates retire as their connections end. */
void server_serve_nothing(struct server *s);
/* Generations that are alive: in force, on their way in, or with connections left. */
unsigned server_generations(const struct server *s);
void candidate_free(struct candidate *c);
/* Keep a generation although its connections are gone; give it back. */
void candidate_pin(struct candidate *c);
void candidate_unpin(struct candidate *c);
/* Print the errors and warnings of a configuration: to stderr, or to the log. */
void server_report(const struct conf_errors *errors, bool to_log);

/* --- shutdown.c --- */
void shutdown_init(struct server *s);
/* SIGTERM: drain within the deadline, then stop. The second call stops at once. */
void server_drain(struct server *s);
/* Called whenever a candidate is gone: ends the main loop when nothing is left. */
void server_maybe_end(struct server *s);

/* --- signals.c --- */
/* SIGUSR1: open the log and the files of events anew. Not ERR_OK: not all could be, as logged. */
int server_reopen(struct server *s);
int signals_init(struct server *s);
void signals_free(struct server *s);

#endif
