/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A generation: everything one configuration file says, built aside, checked, linked and then
 * served unchanged until its last connection is gone. Reload builds the next one.
 */
#ifndef POSTERN_EDGE_GENERATION_H
#define POSTERN_EDGE_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/edge/edge.h"
#include "plugin-api/postern_module.h"

struct conf_errors;
struct edge_match;
struct loop;
struct map;
struct resolver;

/* What one worker counts. Only that worker touches it. */
struct generation_worker {
    size_t refs;      /* connections of this generation on this worker */
    bool replaced;    /* a newer generation serves new connections     */
    bool initialised; /* worker_init has succeeded                     */
    char pad[64 - sizeof(size_t) - 2]; /* a cache line each            */
};

struct generation {
    uint64_t id;
    struct conf *conf;          /* owned                                   */
    struct listener *listeners; /* conf->n_listeners of them               */
    struct edge *edges;         /* conf->n_edges of them                   */
    struct chain **chains;      /* those with modules, listeners first     */
    size_t n_chains;
    struct edge_match *match;
    struct map *edges_by_name;
    unsigned n_workers;
    struct generation_worker *workers;
};

/* What building needs besides the configuration. */
struct generation_env {
    const struct pst_host *host;
    struct loop *main_loop;
    struct resolver *resolver;
    const char *module_dir; /* unless the configuration names one */
    unsigned n_workers;
};

/*
 * Build a generation from conf, which it takes over in every case. prev (may be NULL) is the one
 * that serves now and goes on serving. Every problem is in errors; NULL then, and everything is
 * torn down. [main]
 */
struct generation *generation_build(uint64_t id, struct conf *conf, struct generation *prev,
                                    const struct generation_env *env, struct conf_errors *errors);
/* Free one that no worker holds. fini() of all modules runs. NULL is fine. [main] */
void generation_free(struct generation *g);

/* worker_init of all chains; on failure those done are undone. [worker] */
int generation_worker_init(struct generation *g, unsigned worker, struct loop *l);
void generation_worker_fini(struct generation *g, unsigned worker);

/* A newer one took over on all workers: retire() of all modules. [main] */
void generation_retire(struct generation *g);

/*
 * The one lookup: an edge for a normalised name (n may be 0) and an ALPN offer. Answers the route
 * of the listener's fallbacks when no edge matches; *reason tells which (PST_END_NO_SNI,
 * PST_END_UNKNOWN_SNI), 0 for a match. [worker]
 */
struct route generation_route(const struct generation *g, const struct listener *l,
                              const char *name, size_t n, const struct pst_str *alpn,
                              size_t n_alpn, uint32_t *reason);
struct edge *generation_edge(const struct generation *g, const char *name, size_t n);
struct listener *generation_listener(const struct generation *g, const char *name);
/* Is l a listener of g? l is not looked at, g may be NULL. [worker] */
bool generation_has_listener(const struct generation *g, const struct listener *l);

/* Print the flattened plan: listener or edge, stage, modules. [main] */
void generation_print_plan(const struct generation *g, FILE *out);

#endif
