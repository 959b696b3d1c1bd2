/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/watchdog.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/str.h"
#include "core/server/server.h"

/* Signs of life in the time after which the manager loses patience. */
#define PER_PERIOD 3

struct question {
    struct worker_ask ask;
    struct watchdog *dog;
    bool out;
};

struct watchdog {
    struct server *server;
    struct event timer;
    uint64_t period_ms;
    unsigned n, out; /* workers; those that have not answered yet */
    bool ended;
    struct question questions[];
};

static void on_worker(struct worker_ask *a, struct conn_worker *cw)
{
    (void)a;
    (void)cw;
}

static void on_answer(struct worker_ask *a)
{
    struct question *q = list_entry(a, struct question, ask);
    struct watchdog *w = q->dog;

    q->out = false;
    w->out--;
    if (w->ended && w->out == 0) {
        free(w);
    }
}

static void tell_who_is_silent(const struct watchdog *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        if (w->questions[i].out) {
            LOG(PST_LOG_WARNING, "a worker does not answer; the watchdog is not told",
                LOGF_U64("worker", i));
        }
    }
}

static void ask_all(struct watchdog *w)
{
    w->out = w->n;
    for (unsigned i = 0; i < w->n; i++) {
        w->questions[i].out = true;
        worker_ask(w->server->workers[i], &w->questions[i].ask);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct watchdog *w = arg;

    (void)fd;
    (void)what;
    if (w->out > 0) {
        tell_who_is_silent(w);
    } else {
        notify("WATCHDOG=1");
        ask_all(w);
    }
    /* From now on, not from when this turn began: workers have the whole period for an answer. */
    (void)event_base_update_cache_time(loop_base(w->server->loop));
    (void)loop_base_timer(&w->timer, w->period_ms);
}

/* Microseconds of patience that the manager has; 0: it does not watch this process. */
static uint64_t patience(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t us = 0, p = 0;

    if (usec == NULL || str_to_u64(usec, INT64_MAX, &us) != ERR_OK ||
        (pid != NULL && (str_to_u64(pid, INT32_MAX, &p) != ERR_OK || p != (uint64_t)getpid()))) {
        return 0;
    }
    return us;
}

struct watchdog *watchdog_new(struct server *s)
{
    uint64_t us = patience() / PER_PERIOD;
    struct watchdog *w = NULL;

    if (us == 0) {
        return NULL;
    }
    w = calloc(1, sizeof(*w) + s->n_workers * sizeof(w->questions[0]));
    if (w == NULL) {
        return NULL;
    }
    w->server = s;
    w->n = s->n_workers;
    w->period_ms = us < 1000 ? 1 : us / 1000;
    for (unsigned i = 0; i < w->n; i++) {
        w->questions[i].dog = w;
        w->questions[i].ask.ask = on_worker;
        w->questions[i].ask.answered = on_answer;
    }
    (void)evtimer_assign(&w->timer, loop_base(s->loop), on_timer, w);
    (void)loop_base_timer(&w->timer, w->period_ms);
    return w;
}

void watchdog_free(struct watchdog *w)
{
    if (w == NULL) {
        return;
    }
    (void)evtimer_del(&w->timer);
    w->ended = true;
    if (w->out == 0) {
        free(w);
    }
}
