/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/lag.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/loop.h"
#include "core/base/metrics.h"
#include "core/server/server.h"

#define US(n)    (UINT64_C(1000) * (n))
#define MS(n)    (UINT64_C(1000000) * (n))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const uint64_t bounds[] = { US(50), US(100), US(250), US(500), MS(1),   MS(2),   MS(5),
                                   MS(10), MS(25),  MS(50),  MS(100), MS(250), MS(500), MS(1000) };
#define PERIOD_MS 1000

struct probe {
    struct worker_ask ask;
    struct lag *lag;
    uint64_t sent, seen;
    bool out;
};

struct lag {
    struct server *server;
    struct event timer;
    int metric;
    unsigned n, out; /* workers; probes under way */
    bool ended;
    struct probe probes[];
};

static void lag_end(struct lag *l)
{
    (void)evtimer_del(&l->timer);
    free(l);
}

static void on_worker(struct worker_ask *a, struct conn_worker *cw)
{
    (void)cw;
    list_entry(a, struct probe, ask)->seen = clock_ns();
}

static void on_answer(struct worker_ask *a)
{
    struct probe *p = list_entry(a, struct probe, ask);
    struct lag *l = p->lag;

    p->out = false;
    l->out--;
    if (!l->ended) {
        metric_observe(l->metric, p->seen - p->sent);
    } else if (l->out == 0) {
        lag_end(l);
    }
}

/* A worker that has not answered the last one is not asked again: its answer will tell. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct lag *l = arg;

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < l->n; i++) {
        struct probe *p = &l->probes[i];

        if (!p->out) {
            p->out = true;
            l->out++;
            p->sent = clock_ns();
            worker_ask(l->server->workers[i], &p->ask);
        }
    }
    (void)loop_base_timer(&l->timer, PERIOD_MS);
}

struct lag *lag_new(struct server *s)
{
    struct lag *l = calloc(1, sizeof(*l) + s->n_workers * sizeof(l->probes[0]));

    if (l == NULL) {
        return NULL;
    }
    l->server = s;
    l->n = s->n_workers;
    l->metric = metric_define_histogram("worker_loop_lag_seconds",
                                        "Wait of a message to a worker, measured once a second.",
                                        bounds, COUNT(bounds));
    for (unsigned i = 0; i < l->n; i++) {
        l->probes[i].lag = l;
        l->probes[i].ask.ask = on_worker;
        l->probes[i].ask.answered = on_answer;
    }
    (void)evtimer_assign(&l->timer, loop_base(s->loop), on_timer, l);
    (void)loop_base_timer(&l->timer, PERIOD_MS);
    return l;
}

void lag_free(struct lag *l)
{
    if (l == NULL) {
        return;
    }
    l->ended = true;
    (void)evtimer_del(&l->timer);
    if (l->out == 0) {
        lag_end(l);
    }
}
