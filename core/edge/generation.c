/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/edge/generation.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/config/conf_error.h"
#include "core/edge/edge_match.h"
#include "core/edge/tally.h"
#include "core/module/chain.h"
#include "core/module/load.h"
#include "core/upstream/upstream.h"

static struct route route_of(const struct generation *g, const struct conf_fallback *f)
{
    struct route r = { .outcome = f->outcome };

    if (f->outcome == CONF_ROUTE) {
        r.edge = generation_edge(g, f->edge, strlen(f->edge));
    }
    return r;
}

static int build_chain(struct generation *g, struct chain **out, const char *name, uint32_t scope,
                       const struct conf_module *mods, size_t n, const struct generation_env *env,
                       struct conf_errors *errors)
{
    const char *dir = g->conf->module_dir != NULL ? g->conf->module_dir : env->module_dir;

    if (n == 0) {
        return ERR_OK;
    }
    *out = chain_new(name, scope, mods, n, dir, env->host, env->n_workers, errors);
    if (*out == NULL) {
        return ERR_NOMEM;
    }
    g->chains[g->n_chains++] = *out;
    return ERR_OK;
}

/* Edges first, because listeners refer to them; their chains are made here but not initialised. */
static int build_edges(struct generation *g, const struct generation_env *env,
                       struct conf_errors *errors)
{
    for (size_t i = 0; i < g->conf->n_edges; i++) {
        const struct conf_edge *c = &g->conf->edges[i];
        struct edge *e = &g->edges[i];
        int rc;

        e->conf = c;
        atomic_init(&e->pending, 0);
        if ((rc = map_put(g->edges_by_name, c->name, strlen(c->name), e)) != ERR_OK ||
            (rc = build_chain(g, &e->chain, c->name, PST_SCOPE_EDGE, c->modules, c->n_modules, env,
                              errors)) != ERR_OK) {
            return rc;
        }
        if (!c->has_upstream && (e->chain == NULL || !chain_has_role(e->chain, PST_ROLE_UPSTREAM))) {
            conf_error_add(errors, NULL, 0, c->where,
                           "no upstream, and no module of this edge supplies one");
        }
        for (size_t d = 0; d < c->n_domains; d++) {
            void *other = NULL;

            rc = edge_match_add(g->match, c->domains[d], c->alpn, c->n_alpn, e, &other);
            if (rc == ERR_EXISTS) {
                conf_error_add(errors, NULL, 0, c->where, "domain \"%s\" is already served by %s",
                               c->domains[d], ((struct edge *)other)->conf->where);
            } else if (rc != ERR_OK) {
                return rc;
            }
        }
    }
    return ERR_OK;
}

static int build_listeners(struct generation *g, const struct generation_env *env,
                           struct conf_errors *errors)
{
    for (size_t i = 0; i < g->conf->n_listeners; i++) {
        const struct conf_listener *c = &g->conf->listeners[i];
        struct listener *l = &g->listeners[i];
        int rc;

        l->conf = c;
        l->no_sni = route_of(g, &c->no_sni);
        l->unknown_sni = route_of(g, &c->unknown_sni);
        l->not_tls = route_of(g, &c->not_tls);
        if ((rc = build_chain(g, &l->chain, c->name, PST_SCOPE_LISTENER, c->modules, c->n_modules,
                              env, errors)) != ERR_OK) {
            return rc;
        }
    }
    return ERR_OK;
}

/* Names are only registered with the resolver once nothing else can refuse the file. */
static int build_upstreams(struct generation *g, struct generation *prev,
                           const struct generation_env *env)
{
    for (size_t i = 0; i < g->conf->n_edges; i++) {
        struct edge *e = &g->edges[i];
        const struct edge *old;

        if (!e->conf->has_upstream) {
            continue;
        }
        e->upstream = upstream_new(&e->conf->upstream, env->resolver);
        if (e->upstream == NULL) {
            return ERR_NOMEM;
        }
        old = prev == NULL ? NULL : generation_edge(prev, e->conf->name, strlen(e->conf->name));
        if (old != NULL && old->upstream != NULL) {
            upstream_adopt(e->upstream, old->upstream);
        }
    }
    return ERR_OK;
}

/* What was counted of a name goes on over a reload. */
static int build_tallies(struct generation *g, const struct generation *prev, unsigned n_workers)
{
    for (size_t i = 0; i < g->conf->n_edges; i++) {
        const char *name = g->conf->edges[i].name;
        const struct edge *old = prev == NULL ? NULL : generation_edge(prev, name, strlen(name));

        g->edges[i].tally = old != NULL ? tally_get(old->tally) : tally_new(n_workers);
        if (g->edges[i].tally == NULL) {
            return ERR_NOMEM;
        }
    }
    for (size_t i = 0; i < g->conf->n_listeners; i++) {
        const struct listener *old = generation_listener(prev, g->conf->listeners[i].name);

        g->listeners[i].tally = old != NULL ? tally_get(old->tally) : tally_new(n_workers);
        if (g->listeners[i].tally == NULL) {
            return ERR_NOMEM;
        }
    }
    return ERR_OK;
}

static struct chain *find_chain(const struct generation *g, const struct chain *like)
{
    if (like->scope == PST_SCOPE_EDGE) {
        struct edge *e = generation_edge(g, like->name, strlen(like->name));
        return e == NULL ? NULL : e->chain;
    }
    struct listener *l = generation_listener(g, like->name);
    return l == NULL ? NULL : l->chain;
}

/*
 * init of everything, then link of everything, so that all errors of a phase are reported at once.
 */
static int start_chains(struct generation *g, struct generation *prev,
                        const struct generation_env *env, struct conf_errors *errors)
{
    for (size_t i = 0; i < g->n_chains; i++) {
        (void)chain_init(g->chains[i], env->main_loop, errors);
    }
    if (conf_errors_count(errors) > 0) {
        return ERR_CONFIG;
    }
    for (size_t i = 0; i < g->n_chains; i++) {
        (void)chain_link(g->chains[i], errors);
    }
    if (conf_errors_count(errors) > 0) {
        return ERR_CONFIG;
    }
    for (size_t i = 0; prev != NULL && i < g->n_chains; i++) {
        struct chain *old = find_chain(prev, g->chains[i]);

        if (old != NULL) {
            (void)chain_adopt(g->chains[i], old, errors);
        }
    }
    return conf_errors_count(errors) > 0 ? ERR_CONFIG : ERR_OK;
}

static int generation_alloc(struct generation *g, unsigned n_workers)
{
    const struct conf *c = g->conf;

    g->n_workers = n_workers;
    g->listeners = calloc(c->n_listeners, sizeof(*g->listeners));
    g->edges = calloc(c->n_edges, sizeof(*g->edges));
    g->chains = calloc(c->n_listeners + c->n_edges, sizeof(struct chain *));
    g->workers = calloc(n_workers, sizeof(*g->workers));
    g->match = edge_match_new(c->n_edges);
    g->edges_by_name = map_new(c->n_edges);
    if (g->listeners == NULL || g->edges == NULL || g->chains == NULL || g->workers == NULL ||
        g->match == NULL || g->edges_by_name == NULL) {
        return ERR_NOMEM;
    }
    return ERR_OK;
}

struct generation *generation_build(uint64_t id, struct conf *conf, struct generation *prev,
                                    const struct generation_env *env, struct conf_errors *errors)
{
    struct generation *g = calloc(1, sizeof(*g));
    int rc = ERR_NOMEM;

    if (g == NULL) {
        conf_free(conf);
        conf_error_add(errors, NULL, 0, NULL, "out of memory");
        return NULL;
    }
    g->id = id;
    g->conf = conf;
    if ((rc = generation_alloc(g, env->n_workers)) != ERR_OK ||
        (rc = build_edges(g, env, errors)) != ERR_OK ||
        (rc = build_listeners(g, env, errors)) != ERR_OK) {
        goto out;
    }
    rc = conf_errors_count(errors) > 0 ? ERR_CONFIG : start_chains(g, prev, env, errors);
    if (rc == ERR_OK) {
        rc = build_upstreams(g, prev, env);
    }
    if (rc == ERR_OK) {
        rc = build_tallies(g, prev, env->n_workers);
    }
out:
    if (rc == ERR_OK) {
        conf_detach(g->conf);
        return g;
    }
    if (conf_errors_count(errors) == 0) {
        conf_error_add(errors, NULL, 0, NULL, "%s", err_text(rc));
    }
    generation_free(g);
    return NULL;
}

void generation_free(struct generation *g)
{
    if (g == NULL) {
        return;
    }
    for (size_t i = g->n_chains; i > 0; i--) {
        chain_free(g->chains[i - 1]);
    }
    for (size_t i = 0; g->edges != NULL && i < g->conf->n_edges; i++) {
        upstream_free(g->edges[i].upstream);
        tally_put(g->edges[i].tally);
    }
    for (size_t i = 0; g->listeners != NULL && i < g->conf->n_listeners; i++) {
        tally_put(g->listeners[i].tally);
    }
    edge_match_free(g->match);
    map_free(g->edges_by_name);
    free(g->workers);
    free(g->chains);
    free(g->edges);
    free(g->listeners);
    conf_free(g->conf);
    free(g);
}

int generation_worker_init(struct generation *g, unsigned worker, struct loop *l)
{
    for (size_t i = 0; i < g->n_chains; i++) {
        int rc = chain_worker_init(g->chains[i], worker, l);

        if (rc != ERR_OK) {
            while (i > 0) {
                chain_worker_fini(g->chains[--i], worker);
            }
            return rc;
        }
    }
    g->workers[worker].initialised = true;
    return ERR_OK;
}

void generation_worker_fini(struct generation *g, unsigned worker)
{
    if (!g->workers[worker].initialised) {
        return;
    }
    g->workers[worker].initialised = false;
    for (size_t i = g->n_chains; i > 0; i--) {
        chain_worker_fini(g->chains[i - 1], worker);
    }
}

void generation_retire(struct generation *g)
{
    for (size_t i = 0; i < g->n_chains; i++) {
        chain_retire(g->chains[i]);
    }
}

struct route generation_route(const struct generation *g, const struct listener *l,
                              const char *name, size_t n, const struct pst_str *alpn,
                              size_t n_alpn, uint32_t *reason)
{
    struct route r = { .outcome = CONF_ROUTE };

    if (n == 0) {
        *reason = PST_END_NO_SNI;
        return l->no_sni;
    }
    r.edge = edge_match_find(g->match, name, n, alpn, n_alpn);
    if (r.edge == NULL) {
        *reason = PST_END_UNKNOWN_SNI;
        return l->unknown_sni;
    }
    *reason = 0;
    return r;
}

struct edge *generation_edge(const struct generation *g, const char *name, size_t n)
{
    return map_get(g->edges_by_name, name, n);
}

struct listener *generation_listener(const struct generation *g, const char *name)
{
    if (g == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < g->conf->n_listeners; i++) {
        if (strcmp(g->conf->listeners[i].name, name) == 0) {
            return &g->listeners[i];
        }
    }
    return NULL;
}

bool generation_has_listener(const struct generation *g, const struct listener *l)
{
    for (size_t i = 0; g != NULL && i < g->conf->n_listeners; i++) {
        if (l == &g->listeners[i]) {
            return true;
        }
    }
    return false;
}

static void print_chain(const char *kind, const char *name, const struct chain *c, FILE *out)
{
    fprintf(out, "%s %s\n", kind, name);
    for (uint32_t s = 1; c != NULL && s < CHAIN_STAGES; s++) {
        if (c->n_steps[s] == 0) {
            continue;
        }
        fprintf(out, "  %-18s", stage_name(s));
        for (uint16_t i = 0; i < c->n_steps[s]; i++) {
            const struct instance *in = c->steps[s][i].instance;
            fprintf(out, "%s %s%s", i == 0 ? "" : ",", in->module->name,
                    in->enforce ? "" : " (not enforced)");
        }
        fputc('\n', out);
    }
}

void generation_print_plan(const struct generation *g, FILE *out)
{
    for (size_t i = 0; i < g->conf->n_listeners; i++) {
        print_chain("listener", g->conf->listeners[i].name, g->listeners[i].chain, out);
    }
    for (size_t i = 0; i < g->conf->n_edges; i++) {
        print_chain("edge", g->conf->edges[i].name, g->edges[i].chain, out);
    }
}
