/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listening sockets. The main thread opens and owns them for the life of the process, across
 * generations: one SO_REUSEPORT socket per worker for an address, so that no worker's queue is ever
 * closed while it may hold connections. Unix and inherited sockets are one for all workers.
 */
#ifndef POSTERN_SERVER_LISTENER_H
#define POSTERN_SERVER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

struct conf_errors;
struct generation;
struct handover;
struct inherited;
struct listener;
struct pst_addr;

/* One address. */
struct lsock {
    struct lsock *next;
    char *key;  /* the address as configured, with its dual-stack choice */
    char *path; /* of a unix socket we made, NULL otherwise              */
    bool lent;  /* which a predecessor still serves: not ours to remove  */
    bool left;  /* which a successor does not want                       */
    int *fds;   /* one per worker, or one                                */
    unsigned n_fds;
};

/* Which listener of a generation serves a socket. */
struct binding {
    struct lsock *sock;
    struct listener *listener;
};

/* The bindings of one generation. */
struct bindings {
    struct binding *at;
    size_t n;
};

/*
 * Find or open the sockets of all listeners of g; new ones are added to *list. On error those that
 * were opened here are closed again, errors says why, and nothing has changed. [main]
 */
int lsock_plan(struct lsock **list, const struct generation *g, unsigned n_workers,
               struct inherited *inherited, struct bindings *out, struct conf_errors *errors);
/* Set what a reload may change on a live socket: keep-alive, user timeout, backlog. [main] */
void lsock_tune(const struct bindings *b);
/* Close and free those that `keep` (may be NULL) does not name; no worker uses them. [main] */
void lsock_sweep(struct lsock **list, const struct bindings *keep);
/*
 * A TCP socket bound to an address, not listening yet; `dual` as for a listener's dual_stack. -1
 * with errno. [main]
 */
int ip_bind(const struct pst_addr *a, bool dual, bool reuseport);
/*
 * Does this worker accept from descriptor i? Each has one; of more sockets than workers, as an
 * upgrade may leave them, each worker has several, and of fewer several workers share one. [any]
 */
bool lsock_serves(const struct lsock *s, unsigned i, unsigned worker, unsigned n_workers);
/* Add all descriptors to what is handed over. False: no memory. [main] */
bool lsock_handover(const struct lsock *list, struct handover *h);
/* This process serves: files of unix sockets that a predecessor has lent are its own now. [main] */
void lsock_own(struct lsock *list);
/*
 * The process that takes over does not want the unix socket at this path: its file stays ours.
 * NULL: nothing of the kind is known any more. [main]
 */
void lsock_left(struct lsock *list, const char *path);
/* Another process owns the files of all other unix sockets now. [main] */
void lsock_disown(struct lsock *list);

#endif
