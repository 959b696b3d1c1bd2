/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end in order: the workers stop accepting, the sockets are closed so that nobody waits in
 * their queues, connections end by themselves within the drain deadline, then the rest is cut.
 */
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/edge/generation.h"
#include "core/server/control.h"
#include "core/server/metrics_http.h"
#include "core/server/server.h"
#include "core/server/upgrade.h"

void server_maybe_end(struct server *s)
{
    if (s->state >= SERVER_DRAINING && s->quiescing == 0 && s->next == NULL && s->serving == NULL &&
        s->retiring == NULL) {
        loop_stop(s->loop);
    }
}

static void on_quiesced(void *arg)
{
    struct server *s = arg;

    if (--s->quiescing > 0) {
        return;
    }
    lsock_sweep(&s->socks, NULL);
    server_serve_nothing(s);
    server_maybe_end(s);
}

static void cut(struct server *s, uint32_t reason)
{
    s->state = SERVER_ENDING;
    (void)evtimer_del(&s->drain_timer);
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker_kill(s->workers[i], reason);
    }
}

static void on_drain_over(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void)fd;
    (void)what;
    LOG(PST_LOG_WARNING, "the drain deadline has passed: the rest is cut",
        LOGF_U64("connections", atomic_load(&s->shared.conns)));
    cut(s, PST_END_DRAINED);
}

void server_drain(struct server *s)
{
    uint64_t ms = s->serving != NULL ? s->serving->gen->conf->timeouts.drain : 0;

    if (s->state == SERVER_ENDING) {
        return;
    }
    if (s->state == SERVER_DRAINING) {
        LOG(PST_LOG_NOTICE, "stopping at once",
            LOGF_U64("connections", atomic_load(&s->shared.conns)));
        cut(s, PST_END_KILLED);
        return;
    }
    s->state = SERVER_DRAINING;
    upgrade_cancel(s->upgrade);
    control_drains(s->control);
    metrics_http_drains(s->metrics);
    notify("STOPPING=1");
    LOG(PST_LOG_NOTICE, "draining", LOGF_U64("connections", atomic_load(&s->shared.conns)),
        LOGF_U64("deadline_ms", ms));
    (void)loop_base_timer(&s->drain_timer, ms);
    s->quiescing = s->n_workers;
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker_quiesce(s->workers[i], on_quiesced, s);
    }
}

void shutdown_init(struct server *s)
{
    (void)evtimer_assign(&s->drain_timer, loop_base(s->loop), on_drain_over, s);
}
