/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start, wait, stop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/metrics.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/conn/conn.h"
#include "core/edge/generation.h"
#include "core/module/host.h"
#include "core/module/load.h"
#include "core/module/sink.h"
#include "core/module/vars.h"
#include "core/module/watch.h"
#include "core/server/control.h"
#include "core/server/metrics_http.h"
#include "core/server/proc_stat.h"
#include "core/server/sandbox.h"
#include "core/server/server.h"
#include "core/server/upgrade.h"
#include "core/server/watchdog.h"
#include "core/upstream/resolve.h"

/* Descriptors that are neither connections nor pipes: log, loops, resolver, modules, control. */
#define FDS_KEPT       112
#define FDS_PER_WORKER 16
#define PIPES_MAX      256
/* How long running jobs of modules may take to end. */
#define JOBS_MS 5000

void server_reserve_release(struct server *s)
{
    if (s->reserve_fd >= 0) {
        close(s->reserve_fd);
        s->reserve_fd = -1;
    }
}

void server_reserve_take(struct server *s)
{
    if (s->reserve_fd < 0) {
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

/* A connection needs two descriptors; pipes for splicing get an eighth of what there is. */
static void set_limits(struct server *s, const struct conf *conf)
{
    uint64_t fds = proc_nofile();
    uint64_t kept = FDS_KEPT + (uint64_t)s->n_workers * FDS_PER_WORKER;
    uint64_t pipes = fds / 8 / 2 / s->n_workers;
    uint64_t most;

    pipes = pipes > PIPES_MAX ? PIPES_MAX : pipes;
    kept += pipes * 2 * s->n_workers;
    most = fds > kept + 2 ? (fds - kept) / 2 : 1;
    most = most > UINT32_MAX ? UINT32_MAX : most;
    s->shared.max_pipes = pipes;
    s->shared.max_conns = (uint32_t)most;
    if (conf->max_connections > most) {
        LOG(PST_LOG_WARNING, "max_connections is more than the limit of open files allows",
            LOGF_U64("max_connections", conf->max_connections), LOGF_U64("used", most),
            LOGF_U64("nofile", fds));
    } else if (conf->max_connections > 0) {
        s->shared.max_conns = conf->max_connections;
    }
}

static int host_init(struct server *s)
{
    if (conn_vars_register() != ERR_OK || conn_metrics_define() != ERR_OK) {
        return ERR_NOMEM;
    }
    host_fill(&s->host);
    conn_host_fill(&s->host);
    return ERR_OK;
}

/* Everything that needs no other thread. False: a message has been printed. */
static bool server_init(struct server *s, const struct conf *conf)
{
    s->n_workers = conf->workers > 0 ? conf->workers : proc_cpus();
    s->loop = loop_new();
    if (s->loop == NULL || host_init(s) != ERR_OK) {
        goto fail;
    }
    s->resolver = resolver_new(s->loop, &conf->resolver);
    s->upgrade = upgrade_new(s, s->opts.argv);
    if (s->resolver == NULL || s->upgrade == NULL) {
        goto fail;
    }
    shutdown_init(s);
    return true;
fail:
    fprintf(stderr, "postern: error: the event loop or the resolver cannot be set up\n");
    return false;
}

static bool workers_new(struct server *s)
{
    s->shared.main_loop = s->loop;
    s->shared.n_workers = s->n_workers;
    atomic_init(&s->shared.conns, 0);
    s->workers = calloc(s->n_workers, sizeof(struct worker *));
    for (unsigned i = 0; s->workers != NULL && i < s->n_workers; i++) {
        s->workers[i] = worker_new(i, &s->shared);
        if (s->workers[i] == NULL) {
            fprintf(stderr, "postern: error: cannot make %u workers: %s\n", s->n_workers,
                    strerror(errno));
            return false;
        }
    }
    return s->workers != NULL;
}

static void workers_free(struct server *s)
{
    for (unsigned i = 0; s->workers != NULL && i < s->n_workers; i++) {
        worker_free(s->workers[i]);
    }
    free(s->workers);
}

static bool workers_start(struct server *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (worker_start(s->workers[i]) != ERR_OK) {
            LOG(PST_LOG_ERROR, "a worker cannot be started", LOGF_Z("error", strerror(errno)));
            while (i > 0) {
                worker_join(s->workers[--i]);
            }
            return false;
        }
    }
    return true;
}

/* -t: all that a start would check, short of listening. */
static int test_only(struct server *s, struct conf *conf, struct conf_errors *errors)
{
    const struct generation_env env = { .host = &s->host,
                                        .main_loop = s->loop,
                                        .resolver = s->resolver,
                                        .module_dir = POSTERN_MODULE_DIR,
                                        .n_workers = s->n_workers };
    struct generation *g;
    char why[256] = "";
    int rc;

    rc = proc_check(conf->user, conf->group, why, sizeof(why));
    g = generation_build(1, conf, NULL, &env, errors);
    if (rc != ERR_OK) {
        conf_error_add(errors, s->opts.conf, 0, NULL, "%s", why);
    }
    server_report(errors, false);
    if (g == NULL || rc != ERR_OK) {
        generation_free(g);
        return EXIT_FAILED;
    }
    if (s->opts.verbose) {
        generation_print_plan(g, stdout);
    }
    printf("postern: %s is good\n", s->opts.conf);
    generation_free(g);
    return EXIT_OK;
}

/* Bind, drop privileges, start. False: the reason has been reported. */
static bool start(struct server *s, struct conf *conf, struct conf_errors *errors)
{
    char why[256] = "";
    unsigned rest;

    set_limits(s, conf);
    if (!workers_new(s)) {
        conf_free(conf);
        return false;
    }
    if (!server_build_first(s, conf, errors) || !control_open(s, conf, errors, &s->control) ||
        !metrics_http_open(s, conf, errors, &s->metrics)) {
        server_report(errors, false);
        return false;
    }
    proc_stat_open();
    server_report(errors, false);
    rest = inherited_close_rest(&s->inherited);
    if (rest > 0) {
        LOG(PST_LOG_WARNING, "inherited sockets that no listener names were closed",
            LOGF_U64("sockets", rest));
    }
    if (sandbox_capabilities() != ERR_OK) {
        fprintf(stderr, "postern: error: capabilities cannot be given up: %s\n", strerror(errno));
        return false;
    }
    if (proc_drop(conf->user, conf->group, why, sizeof(why)) != ERR_OK) {
        fprintf(stderr, "postern: error: %s\n", why);
        return false;
    }
    if (sandbox_enter(conf, why, sizeof(why)) != ERR_OK) {
        fprintf(stderr, "postern: error: the sandbox cannot be entered: %s\n", why);
        return false;
    }
    if (log_start(conf->log_target, conf->log_path) != ERR_OK) {
        fprintf(stderr, "postern: error: cannot open the log %s: %s\n",
                conf->log_path == NULL ? "" : conf->log_path, strerror(errno));
        return false;
    }
    if (sinks_start(why, sizeof(why)) != ERR_OK) {
        fprintf(stderr, "postern: error: %s\n", why);
        return false;
    }
    inherited_log_works(&s->inherited);
    LOG(PST_LOG_INFO, "sandbox", LOGF_Z("parts", sandbox_text()));
    if (signals_init(s) != ERR_OK) {
        LOG(PST_LOG_ERROR, "signals cannot be watched: out of memory");
        return false;
    }
    if (!workers_start(s)) {
        return false;
    }
    s->watchdog = watchdog_new(s);
    server_reserve_take(s);
    return true;
}

/*
 * Jobs of modules post to the loops and must not outlive them. One that hangs may not keep the
 * process: its thread cannot be ended, so nothing is freed under it.
 */
static void stop_jobs(void)
{
    if (!offload_stop(JOBS_MS)) {
        LOG(PST_LOG_ERROR, "a module's job does not end; the process exits without it");
        sinks_stop();
        log_stop();
        _exit(EXIT_FAILED);
    }
}

static void stop(struct server *s)
{
    stop_jobs();
    upgrade_free(s->upgrade);
    watchdog_free(s->watchdog);
    control_close(s->control);
    metrics_http_close(s->metrics);
    proc_stat_close();
    while (s->retiring != NULL) {
        struct candidate *c = s->retiring;

        s->retiring = c->next;
        candidate_free(c);
    }
    candidate_free(s->next);
    lsock_sweep(&s->socks, NULL);
    workers_free(s);
    signals_free(s);
    resolver_free(s->resolver);
    loop_free(s->loop);
    sinks_stop();
    module_unload_all();
    vars_reset();
    metrics_free();
    server_reserve_release(s);
    log_stop();
}

static int run(struct server *s, struct conf *conf, struct conf_errors *errors)
{
    if (!start(s, conf, errors)) {
        return EXIT_FAILED;
    }
    server_serve_first(s);
    if (loop_run(s->loop) != ERR_OK) {
        s->exit_code = EXIT_FAILED;
    }
    stop_jobs();
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker_join(s->workers[i]);
    }
    LOG(PST_LOG_NOTICE, "stopped", LOGF_U64("generations", s->generations));
    return s->exit_code;
}

int main(int argc, char **argv)
{
    struct server s = { .reserve_fd = -1, .started_us = clock_wall_us(), .started_ns = clock_ns() };
    struct conf_errors *errors = NULL;
    struct conf *conf = NULL;
    int rc;

    if (proc_std_streams() != ERR_OK) {
        return EXIT_FAILED;
    }
    rc = opts_parse(argc, argv, &s.opts);
    if (rc >= 0) {
        return rc;
    }
    rc = EXIT_FAILED;
    (void)signal(SIGPIPE, SIG_IGN);
    log_init();
    inherited_init(&s.inherited);
    errors = conf_errors_new();
    conf = errors == NULL ? NULL : conf_load(s.opts.conf, errors);
    if (conf == NULL || conf_errors_count(errors) > 0) {
        if (errors != NULL && conf_errors_count(errors) > 0) {
            server_report(errors, false);
        } else {
            fprintf(stderr, "postern: error: out of memory\n");
        }
        conf_free(conf);
        goto out;
    }
    log_set_level(conf->log_level + (s.opts.verbose && !s.opts.test ? 1 : 0));
    if (!server_init(&s, conf)) {
        conf_free(conf);
    } else {
        rc = s.opts.test ? test_only(&s, conf, errors) : run(&s, conf, errors);
    }
    stop(&s);
out:
    conf_errors_free(errors);
    return rc;
}
