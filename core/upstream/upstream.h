/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An edge's upstream: its targets, the choice among them, passive health. Shared by all
 * workers: what changes is atomic or behind a small lock.
 */
#ifndef POSTERN_UPSTREAM_UPSTREAM_H
#define POSTERN_UPSTREAM_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin-api/pst_types.h"

struct conf_upstream;
struct resolver;
struct upstream;
struct upstream_pick;

/* Make it; host names are registered with the resolver. Borrows conf. NULL: no memory. [main] */
struct upstream *upstream_new(const struct conf_upstream *conf, struct resolver *resolver);
/* Carry health and connection counts over from the same edge's upstream before a reload, by
 * target address. [main] */
void upstream_adopt(struct upstream *u, const struct upstream *prev);
void upstream_free(struct upstream *u);

/*
 * One connection's walk over the targets: each call of upstream_next() answers another target (of
 * a host name: another address, until all were tried), best first by the balance method, healthy
 * before unhealthy, backups last. A target that is out is tried only when nothing else is left,
 * as a last resort; once its time out is over, one connection probes it and the others keep away
 * until that one told its result. Zero-initialise.
 */
struct upstream_walk {
    union {
        uint64_t few;  /* a bit per target, when there are up to 64  */
        uint8_t *many; /* else; NULL: none yet; freed by _end        */
    } tried;
    void *current;  /* the target in use, counted          */
    uint64_t probe; /* not 0: current is on probation      */
    uint32_t tries;
    uint32_t addr_index; /* next address of a host name         */
    uint32_t addr_tried; /* how many of them this walk tried    */
};

struct upstream_choice {
    const char *name;     /* as configured; lives as long as the upstream    */
    const char *host;     /* its host name, NULL: it is an address           */
    struct pst_addr addr; /* where to connect; PST_AF_UNIX: see path         */
    const char *path;     /* unix socket                                     */
    bool tls;             /* configured with "tls://"                        */
};

/*
 * The next target for a client. ERR_NOT_FOUND: none is left (all tried, or no name resolved yet);
 * ERR_LIMIT: as many as `tries` allows were tried. now is monotonic ns. [worker]
 */
int upstream_next(struct upstream *u, struct upstream_walk *w, const struct pst_addr *client,
                  uint64_t now, struct upstream_choice *out);
/* Tell how the attempt with the current target went. [worker] */
void upstream_result(struct upstream *u, struct upstream_walk *w, bool ok, uint64_t now);
/* A target as it is now, for people. */
struct upstream_info {
    const char *name; /* as configured */
    uint32_t weight;
    bool backup;
    enum { UPSTREAM_UP, UPSTREAM_DOWN, UPSTREAM_PROBATION } state;
    uint64_t down_ms;            /* how long it stays out                       */
    unsigned active, fails;      /* connections in use; failures in a row       */
    uint64_t connects, failures; /* attempts so far, over reloads            */
};
/* Every target, in the order of the configuration. now is monotonic ns. [main] */
void upstream_each(const struct upstream *u, uint64_t now,
                   void (*cb)(void *arg, const struct upstream_info *t), void *arg);
/* The connection is over (or gave up): its count is taken back. Harmless when repeated. [worker] */
void upstream_end(struct upstream *u, struct upstream_walk *w);

#endif
