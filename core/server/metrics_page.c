/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/metrics_page.h"

#include <stdatomic.h>
#include <string.h>

#include "config.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/config/conf.h"
#include "core/conn/conn.h"
#include "core/edge/generation.h"
#include "core/edge/tally.h"
#include "core/server/proc_stat.h"
#include "core/server/server.h"
#include "core/upstream/upstream.h"

#define PIECE    (32 * 1024)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- of the process --------------------------------------------------------------------------- */

static void one(struct prom *p, const char *name, const char *type, const char *help, uint64_t n)
{
    prom_family(p, name, type, help);
    prom_u64(p, name, NULL, n);
}

static void system_figures(struct prom *p, uint64_t started_us)
{
    struct proc_stat st;

    proc_stat_read(&st);
    prom_family(p, "process_cpu_seconds_total", "counter", "User and system CPU time spent.");
    prom_ns(p, "process_cpu_seconds_total", NULL, st.cpu_ns);
    prom_family(p, "process_start_time_seconds", "gauge", "Start time, Unix.");
    prom_ns(p, "process_start_time_seconds", NULL, started_us * 1000);
    one(p, "process_max_fds", "gauge", "Maximum number of open file descriptors.", st.max_fds);
    if (st.open_fds > 0) {
        one(p, "process_open_fds", "gauge", "Open file descriptors.", st.open_fds);
    }
    if (st.rss > 0) {
        one(p, "process_resident_memory_bytes", "gauge", "Resident memory.", st.rss);
        one(p, "process_virtual_memory_bytes", "gauge", "Virtual memory.", st.virt);
    }
}

static void reload_figures(struct prom *p, const struct server *s)
{
    struct prom_labels good = { .n = 0 }, bad = { .n = 0 };

    prom_label(&good, "result", "good");
    prom_label(&bad, "result", "refused");
    prom_family(p, "postern_reloads_total", "counter", "Reloads by what became of them.");
    prom_u64(p, "postern_reloads_total", &good, s->reloads.good);
    prom_u64(p, "postern_reloads_total", &bad, s->reloads.bad);
    one(p, "postern_last_reload_successful", "gauge",
        "1 when the last reload, or the start, brought its configuration into force.",
        s->reloads.last_ns == 0 || s->reloads.last_good);
    one(p, "postern_generation", "gauge", "Number of the configuration that is in force.",
        s->serving == NULL ? 0 : s->serving->gen->id);
    one(p, "postern_generations", "gauge", "Configurations that are alive: in force or draining.",
        server_generations(s));
}

static void own_figures(struct prom *p, const struct server *s)
{
    struct prom_labels build = { .n = 0 };

    prom_label(&build, "version", PACKAGE_VERSION);
    prom_family(p, "postern_build_info", "gauge", "1, with the version as a label.");
    prom_u64(p, "postern_build_info", &build, 1);
    one(p, "postern_connections", "gauge", "Connections, those included that only close.",
        atomic_load(&s->shared.conns));
    one(p, "postern_connections_limit", "gauge", "Most connections at once.", s->shared.max_conns);
    one(p, "postern_workers", "gauge", "Worker threads.", s->n_workers);
    one(p, "postern_log_lines_dropped_total", "counter",
        "Log lines that the log did not take in time.", log_dropped());
    reload_figures(p, s);
    system_figures(p, s->started_us);
}

static void registered(void *arg, const struct metric_view *m)
{
    prom_metric(arg, m);
}

/* --- of listeners, edges and targets ---------------------------------------------------------- */

/* What a family shows of one thing. */
enum what { BEGUN, ENDED, NOW, BYTES_IN, BYTES_OUT, UP, ACTIVE, CONNECTS };

static const struct family {
    const char *name, *type, *help;
    enum { OF_LISTENER, OF_EDGE, OF_TARGET } of;
    enum what what;
} families[] = {
    { "postern_listener_connections_total", "counter", "Connections accepted.", OF_LISTENER,
      BEGUN },
    { "postern_listener_connections", "gauge", "Connections now.", OF_LISTENER, NOW },
    { "postern_listener_connections_closed_total", "counter", "Connections by how they ended.",
      OF_LISTENER, ENDED },
    { "postern_listener_received_bytes_total", "counter",
      "Bytes from clients, counted when a connection ends.", OF_LISTENER, BYTES_IN },
    { "postern_listener_sent_bytes_total", "counter",
      "Bytes to clients, counted when a connection ends.", OF_LISTENER, BYTES_OUT },
    { "postern_edge_connections_total", "counter", "Connections that reached the edge.", OF_EDGE,
      BEGUN },
    { "postern_edge_connections", "gauge", "Connections of the edge now.", OF_EDGE, NOW },
    { "postern_edge_connections_closed_total", "counter",
      "Connections of the edge by how they ended.", OF_EDGE, ENDED },
    { "postern_edge_received_bytes_total", "counter",
      "Bytes from clients of the edge, counted when a connection ends.", OF_EDGE, BYTES_IN },
    { "postern_edge_sent_bytes_total", "counter",
      "Bytes to clients of the edge, counted when a connection ends.", OF_EDGE, BYTES_OUT },
    { "postern_upstream_up", "gauge", "1 when the target is in use, 0 when it is out.", OF_TARGET,
      UP },
    { "postern_upstream_connections", "gauge", "Connections that use the target.", OF_TARGET,
      ACTIVE },
    { "postern_upstream_connects_total", "counter", "Attempts to connect by how they went.",
      OF_TARGET, CONNECTS },
};

static void ended(struct prom *p, const char *name, const struct prom_labels *who,
                  const struct tally_sum *t)
{
    for (int relayed = 0; relayed < 2; relayed++) {
        for (uint32_t reason = 0; reason < TALLY_REASONS; reason++) {
            struct prom_labels l = *who;

            if (t->ended[relayed][reason] == 0) {
                continue;
            }
            prom_label(&l, "outcome", conn_outcome_name(relayed != 0, reason));
            prom_label(&l, "reason", conn_reason_name(reason));
            prom_u64(p, name, &l, t->ended[relayed][reason]);
        }
    }
}

static void counted(struct prom *p, const struct family *f, const char *name, const struct tally *t)
{
    struct prom_labels who = { .n = 0 };
    struct tally_sum n;

    tally_read(t, &n);
    if (f->of == OF_EDGE && n.begun == 0) {
        return;
    }
    prom_label(&who, f->of == OF_EDGE ? "edge" : "listener", name);
    switch (f->what) {
    case BEGUN:
        prom_u64(p, f->name, &who, n.begun);
        break;
    case NOW:
        prom_u64(p, f->name, &who, n.begun - n.ended_all);
        break;
    case BYTES_IN:
        prom_u64(p, f->name, &who, n.bytes_in);
        break;
    case BYTES_OUT:
        prom_u64(p, f->name, &who, n.bytes_out);
        break;
    default:
        ended(p, f->name, &who, &n);
        break;
    }
}

struct target_arg {
    struct prom *p;
    const struct family *f;
    const char *edge;
};

static void connects(struct prom *p, const char *name, const struct prom_labels *who,
                     const struct upstream_info *t)
{
    struct prom_labels good = *who, bad = *who;

    prom_label(&good, "result", "connected");
    prom_label(&bad, "result", "failed");
    prom_u64(p, name, &good, t->connects);
    prom_u64(p, name, &bad, t->failures);
}

static void target(void *arg, const struct upstream_info *t)
{
    const struct target_arg *a = arg;
    struct prom_labels who = { .n = 0 };

    prom_label(&who, "edge", a->edge);
    prom_label(&who, "target", t->name);
    if (a->f->what == UP) {
        prom_u64(a->p, a->f->name, &who, t->state == UPSTREAM_UP);
    } else if (a->f->what == ACTIVE) {
        prom_u64(a->p, a->f->name, &who, t->active);
    } else {
        connects(a->p, a->f->name, &who, t);
    }
}

static void show(struct prom *p, const struct family *f, const struct generation *g, size_t at)
{
    const struct edge *e = &g->edges[at];
    struct target_arg a = { p, f, e->conf->name };

    if (f->of == OF_LISTENER) {
        counted(p, f, g->listeners[at].conf->name, g->listeners[at].tally);
    } else if (f->of == OF_EDGE) {
        counted(p, f, e->conf->name, e->tally);
    } else if (e->upstream != NULL) {
        upstream_each(e->upstream, clock_ns(), target, &a);
    }
}

/* --- pieces ----------------------------------------------------------------------------------- */

void metrics_page_begin(struct metrics_page *m, struct server *s, enum prom_form form)
{
    *m = (struct metrics_page){ .server = s, .form = form };
    /* While draining nothing may hold a generation up. */
    if (s->serving != NULL && s->state <= SERVER_RUNNING) {
        m->pin = s->serving;
        candidate_pin(m->pin);
    }
}

/* Go on within a family. True: it is complete. */
static bool family_more(struct metrics_page *m, struct prom *p)
{
    const struct family *f = &families[m->family - 1];
    const struct generation *g = m->pin->gen;
    size_t n = f->of == OF_LISTENER ? g->conf->n_listeners : g->conf->n_edges;

    if (!m->announced) {
        prom_family(p, f->name, f->type, f->help);
        m->announced = true;
    }
    for (; m->at < n && p->b->len < PIECE; m->at++) {
        show(p, f, g, m->at);
    }
    return m->at == n;
}

bool metrics_page_more(struct metrics_page *m, struct buf *b)
{
    struct prom p = { .b = b, .form = m->form };

    if (m->family == 0) {
        own_figures(&p, m->server);
        metric_each(registered, &p);
        m->family = 1;
    }
    while (m->pin != NULL && m->family <= COUNT(families)) {
        if (b->len >= PIECE || !family_more(m, &p)) {
            return true;
        }
        m->family++;
        m->at = 0;
        m->announced = false;
    }
    metrics_page_end(m);
    return false;
}

void metrics_page_end(struct metrics_page *m)
{
    struct candidate *pin = m->pin;

    m->pin = NULL;
    if (pin != NULL) {
        candidate_unpin(pin);
    }
}
