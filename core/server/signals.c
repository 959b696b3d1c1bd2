/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/module/sink.h"
#include "core/server/server.h"
#include "core/server/upgrade.h"

static void on_hup(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    server_reload(arg);
}

int server_reopen(struct server *s)
{
    int rc, sinks;

    server_reserve_release(s);
    rc = log_reopen();
    if (rc != ERR_OK) {
        LOG(PST_LOG_ERROR, "the log cannot be reopened; the old file stays",
            LOGF_Z("error", strerror(errno)));
    }
    sinks = sinks_reopen();
    server_reserve_take(s);
    return rc != ERR_OK ? rc : sinks;
}

static void on_usr1(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    (void)server_reopen(arg);
}

static void on_term(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    server_drain(arg);
}

static void on_usr2(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    (void)server_upgrade(arg);
}

int signals_init(struct server *s)
{
    static const struct {
        int sig;
        event_callback_fn fn;
    } table[] = { { SIGHUP, on_hup },
                  { SIGUSR1, on_usr1 },
                  { SIGUSR2, on_usr2 },
                  { SIGTERM, on_term },
                  { SIGINT, on_term } };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        s->signals[i] = evsignal_new(loop_base(s->loop), table[i].sig, table[i].fn, s);
        if (s->signals[i] == NULL || event_add(s->signals[i], NULL) != 0) {
            return ERR_NOMEM;
        }
    }
    return ERR_OK;
}

void signals_free(struct server *s)
{
    static const int all[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT };
    sigset_t set;

    /*
     * Without their events the signals would have their default effect, and the status with them.
     */
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        sigaddset(&set, all[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (size_t i = 0; i < sizeof(s->signals) / sizeof(s->signals[0]); i++) {
        if (s->signals[i] != NULL) {
            event_free(s->signals[i]);
            s->signals[i] = NULL;
        }
    }
}
