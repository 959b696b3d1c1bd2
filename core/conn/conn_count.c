/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is counted of connections: by listener and edge, and how long each phase took. */
#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/base/metrics.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/edge/tally.h"

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

void conn_count_end(const struct conn *c, uint32_t reason, bool relayed)
{
    observe(HELLO, c->t_accept, c->t_hello);
    observe(HANDSHAKE, c->t_hello, c->t_handshake);
    observe(CONNECT, c->t_connect_start, c->t_connected);
    observe(UPSTREAM_HANDSHAKE, c->t_connected, c->t_upstream_ready);
    observe(FIRST_BYTE, c->t_connected, c->t_first_byte);
    metric_observe(life_id, loop_now(c->w->loop) - c->t_accept);
    tally_end(c->listener->tally, c->w->index, relayed, reason, c->client_in, c->client_out);
    if (c->edge != NULL) {
        tally_end(c->edge->tally, c->w->index, relayed, reason, c->client_in, c->client_out);
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
