/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies that main makes by itself, a piece at a time while the client reads. The generation that
 * is shown is pinned meanwhile, so that a reload does not pull it away.
 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/config/conf.h"
#include "core/edge/generation.h"
#include "core/edge/tally.h"
#include "core/module/chain.h"
#include "core/module/load.h"
#include "core/server/control_priv.h"
#include "core/server/endpoint.h"
#include "core/server/server.h"
#include "core/upstream/upstream.h"

/* A piece is about this large; what one object can add to it is bounded, too. */
#define PIECE      (32 * 1024)
#define PIECE_MOST (16 * 1024 * 1024)
/* Domains of an edge that are shown. */
#define DOMAINS_MAX 64

/* --- status ----------------------------------------------------------------------------------- */

static const char *state_name(const struct server *s)
{
    static const char *const names[] = {
        [SERVER_STARTING] = "starting",
        [SERVER_RUNNING] = "running",
        [SERVER_DRAINING] = "draining",
        [SERVER_ENDING] = "ending",
    };

    return names[s->state];
}

static void status(const struct server *s, struct buf *b)
{
    const struct conf *conf = s->serving == NULL ? NULL : s->serving->gen->conf;
    struct json j;

    json_begin(&j, b);
    json_str(&j, "state", state_name(s));
    json_str(&j, "version", PACKAGE_VERSION);
    json_u64(&j, "pid", (uint64_t)getpid());
    json_str(&j, "config", s->opts.conf);
    json_u64(&j, "uptime_s", (clock_ns() - s->started_ns) / 1000000000);
    json_u64(&j, "workers", s->n_workers);
    json_u64(&j, "connections", atomic_load(&s->shared.conns));
    json_u64(&j, "max_connections", s->shared.max_conns);
    if (conf != NULL) {
        json_u64(&j, "generation", s->serving->gen->id);
        json_u64(&j, "listeners", conf->n_listeners);
        json_u64(&j, "edges", conf->n_edges);
    }
    json_u64(&j, "generations_alive", server_generations(s));
    json_u64(&j, "reloads", s->reloads.good);
    json_u64(&j, "reloads_refused", s->reloads.bad);
    if (s->reloads.last_ns != 0) {
        json_bool(&j, "last_reload_good", s->reloads.last_good);
        json_u64(&j, "last_reload_s", (clock_ns() - s->reloads.last_ns) / 1000000000);
    }
    json_str(&j, "log_level", log_level_name(log_level()));
    json_u64(&j, "log_lines_dropped", log_dropped());
    (void)json_end(&j);
}

/* --- rows of a generation --------------------------------------------------------------------- */

static void show_target(struct json *j, const struct upstream_info *t)
{
    static const char *const states[] = {
        [UPSTREAM_UP] = "up", [UPSTREAM_DOWN] = "down", [UPSTREAM_PROBATION] = "probation"
    };

    json_str(j, "target", t->name);
    json_str(j, "state", states[t->state]);
    json_u64(j, "active", t->active);
    json_u64(j, "connects", t->connects);
    json_u64(j, "failures", t->failures);
    json_u64(j, "down_ms", t->down_ms);
    json_u64(j, "weight", t->weight);
    json_bool(j, "backup", t->backup);
}

struct target_arg {
    struct buf *b;
    const char *edge;
};

static void target_row(void *arg, const struct upstream_info *t)
{
    const struct target_arg *a = arg;
    struct json j;

    json_begin(&j, a->b);
    json_str(&j, "edge", a->edge);
    show_target(&j, t);
    (void)json_end(&j);
}

static void count_target(void *arg, const struct upstream_info *t)
{
    unsigned *n = arg;

    n[0]++;
    n[1] += t->state == UPSTREAM_UP;
}

static void upstreams_row(const struct edge *e, struct buf *b)
{
    struct target_arg a = { b, e->conf->name };

    if (e->upstream != NULL) {
        upstream_each(e->upstream, clock_ns(), target_row, &a);
    }
}

static void edge_row(const struct edge *e, struct buf *b)
{
    const struct conf_edge *c = e->conf;
    unsigned targets[2] = { 0, 0 };
    struct tally_sum n;
    struct json j;

    tally_read(e->tally, &n);
    if (e->upstream != NULL) {
        upstream_each(e->upstream, clock_ns(), count_target, targets);
    }
    json_begin(&j, b);
    json_str(&j, "edge", c->name);
    json_u64(&j, "connections", n.begun - n.ended_all);
    json_u64(&j, "total", n.begun);
    json_u64(&j, "bytes_in", n.bytes_in);
    json_u64(&j, "bytes_out", n.bytes_out);
    json_u64(&j, "targets", targets[0]);
    json_u64(&j, "targets_up", targets[1]);
    json_u64(&j, "n_domains", c->n_domains);
    json_array(&j, "domains");
    for (size_t i = 0; i < c->n_domains && i < DOMAINS_MAX; i++) {
        json_item(&j, c->domains[i]);
    }
    json_array_end(&j);
    (void)json_end(&j);
}

static void plan_rows(const char *kind, const char *name, const struct chain *chain, struct buf *b)
{
    struct json j;
    bool any = false;

    for (uint32_t s = 1; chain != NULL && s < CHAIN_STAGES; s++) {
        if (chain->n_steps[s] == 0) {
            continue;
        }
        any = true;
        json_begin(&j, b);
        json_str(&j, kind, name);
        json_str(&j, "stage", stage_name(s));
        json_array(&j, "modules");
        for (uint16_t i = 0; i < chain->n_steps[s]; i++) {
            json_item(&j, chain->steps[s][i].instance->module->name);
        }
        json_array_end(&j);
        json_array(&j, "not_enforced");
        for (uint16_t i = 0; i < chain->n_steps[s]; i++) {
            if (!chain->steps[s][i].instance->enforce) {
                json_item(&j, chain->steps[s][i].instance->module->name);
            }
        }
        json_array_end(&j);
        (void)json_end(&j);
    }
    if (!any) {
        json_begin(&j, b);
        json_str(&j, kind, name);
        (void)json_end(&j);
    }
}

/* Row number `at` of what the request is about. False: there is no such row. */
static bool generation_row(const struct control_request *r, const struct generation *g, size_t at,
                           struct buf *b)
{
    size_t listeners = r->command == CONTROL_PLAN ? g->conf->n_listeners : 0;
    const struct edge *e;

    if (at < listeners) {
        plan_rows("listener", g->conf->listeners[at].name, g->listeners[at].chain, b);
        return true;
    }
    at -= listeners;
    if (at >= g->conf->n_edges) {
        return false;
    }
    e = &g->edges[at];
    if (r->filter.edge != NULL && strcmp(r->filter.edge, e->conf->name) != 0) {
        return true;
    }
    if (r->command == CONTROL_PLAN) {
        plan_rows("edge", e->conf->name, e->chain, b);
    } else if (r->command == CONTROL_EDGES) {
        edge_row(e, b);
    } else {
        upstreams_row(e, b);
    }
    return true;
}

static void modules(struct buf *b)
{
    for (const struct module *m = module_list(); m != NULL; m = m->next) {
        struct json j;

        json_begin(&j, b);
        json_str(&j, "module", m->name);
        json_str(&j, "version", m->desc.version);
        json_str(&j, "path", m->path);
        json_bool(&j, "changed_on_disk", module_changed_on_disk(m));
        (void)json_end(&j);
    }
}

/* --- pieces ----------------------------------------------------------------------------------- */

void control_rows_begin(struct session *s)
{
    struct server *srv = control_of(s)->server;
    struct client *c = client_of(s);
    struct buf b;

    buf_init(&b, PIECE_MOST);
    switch (c->req.command) {
    case CONTROL_STATUS:
        status(srv, &b);
        control_send(s, &b);
        control_end(s, NULL);
        return;
    case CONTROL_MODULES:
        modules(&b);
        control_send(s, &b);
        control_end(s, NULL);
        return;
    case CONTROL_METRICS:
        metrics_page_begin(&c->page, srv, PROM_JSON);
        break;
    default:
        if (srv->serving == NULL || srv->state > SERVER_RUNNING) {
            control_end(s, "no configuration is in force");
            return;
        }
        c->pin = srv->serving;
        candidate_pin(c->pin);
        break;
    }
    session_more(s, true);
}

void control_rows_more(struct session *s)
{
    struct client *c = client_of(s);
    struct buf b;
    bool more = true;

    buf_init(&b, PIECE_MOST);
    if (c->req.command == CONTROL_METRICS) {
        more = metrics_page_more(&c->page, &b);
    } else {
        while (more && b.len < PIECE) {
            more = generation_row(&c->req, c->pin->gen, c->at, &b);
            c->at++;
        }
    }
    control_send(s, &b);
    if (!more) {
        control_rows_end(s);
        control_end(s, NULL);
    } else {
        session_more(s, true);
    }
}

void control_rows_end(struct session *s)
{
    struct client *c = client_of(s);

    metrics_page_end(&c->page);
    if (c->pin != NULL) {
        struct candidate *pin = c->pin;

        c->pin = NULL;
        candidate_unpin(pin);
    }
}
