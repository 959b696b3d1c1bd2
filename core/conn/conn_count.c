/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is counted of connections: by listener and edge, and how long each phase took. */
#include <stdio.h>

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/base/metrics.h"
#include "core/base/str.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/edge/tally.h"
#include "core/module/vars.h"
#include "plugin-api/services/tls_info.h"

#define MS(n)    (UINT64_C(1000000) * (n))
#define S(n)     (UINT64_C(1000000000) * (n))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const uint64_t phase_bounds[] = {
    MS(1) / 4, MS(1) / 2, MS(1), MS(2) + MS(1) / 2, MS(5), MS(10), MS(25), MS(50), MS(100),
    MS(250),   MS(500),   S(1),  S(2) + MS(500),    S(5),  S(10),
};
static const uint64_t life_bounds[] = {
    MS(10), MS(50), MS(100), MS(500), S(1), S(5), S(10), S(60), S(300), S(1800), S(3600), S(21600),
};

enum phase { HELLO, HANDSHAKE, CONNECT, UPSTREAM_HANDSHAKE, FIRST_BYTE, PHASES };

/* Ids: written once before any thread starts. */
static int phase_ids[PHASES] = { -1, -1, -1, -1, -1 };
static int life_id = -1;

/* TLS handshakes of a side, as its transport tells of them in variables. */
enum tls_version { TLS_1_2, TLS_1_3, TLS_OTHER, TLS_VERSIONS };

static struct {
    const char *version_var, *resumed_var;
    const char *side;
    int done[TLS_VERSIONS][2]; /* [version][resumed] */
    int failed;
} handshakes[] = {
    { .version_var = PST_VAR_TLS_VERSION, .resumed_var = PST_VAR_TLS_RESUMED, .side = "client" },
    { .version_var = PST_VAR_UPSTREAM_TLS_VERSION,
      .resumed_var = PST_VAR_UPSTREAM_TLS_RESUMED,
      .side = "upstream" },
};

static const char *const tls_versions[TLS_VERSIONS] = { "TLSv1.2", "TLSv1.3", "other" };

static bool handshakes_define(unsigned i)
{
    char name[METRIC_NAME_MAX];

    for (int v = 0; v < TLS_VERSIONS; v++) {
        for (int resumed = 0; resumed < 2; resumed++) {
            (void)snprintf(name, sizeof(name),
                           "tls_handshakes{side=\"%s\",version=\"%s\",resumed=\"%s\"}",
                           handshakes[i].side, tls_versions[v], resumed ? "yes" : "no");
            handshakes[i].done[v][resumed] =
                metric_define(name, "TLS handshakes that were completed here.", METRIC_COUNTER);
            if (handshakes[i].done[v][resumed] < 0) {
                return false;
            }
        }
    }
    (void)snprintf(name, sizeof(name), "tls_handshake_failures{side=\"%s\"}", handshakes[i].side);
    handshakes[i].failed = metric_define(
        name, "TLS handshakes that were begun here and failed, or were not over in time.",
        METRIC_COUNTER);
    return handshakes[i].failed >= 0;
}

/* The value of a variable by name: only where TLS has just cost a thousand times as much. */
static void variable(struct conn *c, const char *name, struct pst_value *v)
{
    *v = (struct pst_value){ .type = PST_VALUE_NONE };
    (void)vars_get(&c->vars, &c->arena, (pst_conn *)c, vars_id(name), v);
}

void conn_count_handshake(struct conn *c, uint32_t side)
{
    unsigned i = side == PST_SIDE_UPSTREAM;
    struct pst_value version, resumed;
    int v = 0;

    variable(c, handshakes[i].version_var, &version);
    variable(c, handshakes[i].resumed_var, &resumed);
    if (version.type != PST_VALUE_STR) {
        return; /* a transport that is no TLS */
    }
    while (v < TLS_OTHER && !str_eq(version.u.str, tls_versions[v])) {
        v++;
    }
    metric_add(handshakes[i].done[v][resumed.type == PST_VALUE_BOOL && resumed.u.u64 != 0], 1);
}

void conn_count_handshake_failed(uint32_t side)
{
    metric_add(handshakes[side == PST_SIDE_UPSTREAM].failed, 1);
}

int conn_metrics_define(void)
{
    static const char *const names[PHASES] = {
        [HELLO] = "phase_seconds{phase=\"hello\"}",
        [HANDSHAKE] = "phase_seconds{phase=\"handshake\"}",
        [CONNECT] = "phase_seconds{phase=\"connect\"}",
        [UPSTREAM_HANDSHAKE] = "phase_seconds{phase=\"upstream_handshake\"}",
        [FIRST_BYTE] = "phase_seconds{phase=\"first_byte\"}",
    };

    for (int i = 0; i < PHASES; i++) {
        phase_ids[i] = metric_define_histogram(names[i],
                                               "How long a phase of connections took that got "
                                               "through it.",
                                               phase_bounds, COUNT(phase_bounds));
        if (phase_ids[i] < 0) {
            return ERR_NOMEM;
        }
    }
    if (!handshakes_define(0) || !handshakes_define(1)) {
        return ERR_NOMEM;
    }
    life_id = metric_define_histogram("connection_duration_seconds",
                                      "From accept to the end of a connection.", life_bounds,
                                      COUNT(life_bounds));
    return life_id < 0 ? ERR_NOMEM : ERR_OK;
}

/* A phase that was not reached has no time of its end. */
static void observe(enum phase phase, uint64_t from, uint64_t to)
{
    if (from != 0 && to >= from) {
        metric_observe(phase_ids[phase], to - from);
    }
}

void conn_count_accepted(const struct conn *c)
{
    tally_begin(c->listener->tally, c->w->index);
}

void conn_count_routed(const struct conn *c)
{
    tally_begin(c->edge->tally, c->w->index);
}

void conn_count_end(const struct conn *c, const struct conn_totals *t, uint32_t reason,
                    bool relayed)
{
    observe(HELLO, c->t_accept, c->t_hello);
    observe(HANDSHAKE, c->t_hello, c->t_handshake);
    observe(CONNECT, c->t_connect_start, c->t_connected);
    observe(UPSTREAM_HANDSHAKE, c->t_connected, c->t_upstream_ready);
    observe(FIRST_BYTE, c->t_connected, t->t_first_byte);
    if (reason == PST_END_HANDSHAKE_FAILED || reason == PST_END_HANDSHAKE_TIMEOUT) {
        conn_count_handshake_failed(PST_SIDE_CLIENT);
    }
    metric_observe(life_id, loop_now(c->w->loop) - c->t_accept);
    tally_end(c->listener->tally, c->w->index, relayed, reason, t->client_in, t->client_out);
    if (c->edge != NULL) {
        tally_end(c->edge->tally, c->w->index, relayed, reason, t->client_in, t->client_out);
    }
}

const char *conn_outcome_name(bool relayed, uint32_t reason)
{
    if (relayed) {
        return "relayed";
    }
    switch (reason) {
    case PST_END_DENIED:
        return "denied";
    case PST_END_HELLO_TIMEOUT:
    case PST_END_BAD_HELLO:
    case PST_END_HELLO_TOO_LARGE:
    case PST_END_NO_SNI:
    case PST_END_UNKNOWN_SNI:
    case PST_END_NOT_TLS:
        return "refused";
    case PST_END_CLIENT_FIN:
    case PST_END_UPSTREAM_FIN:
    case PST_END_RESET:
        return "abandoned";
    case PST_END_DRAINED:
    case PST_END_KILLED:
        return "cut";
    default:
        return "failed";
    }
}
