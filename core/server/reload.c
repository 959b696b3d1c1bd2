/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a configuration comes into force. Everything that can fail is done before any worker sees it:
 * load, check, build and link on the main thread, then worker_init on every worker. Only
 * when all have agreed do the workers switch, each with one message. Until then nothing that
 * serves has changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/edge/generation.h"
#include "core/module/chain.h"
#include "core/module/load.h"
#include "core/server/control.h"
#include "core/server/metrics_http.h"
#include "core/server/server.h"
#include "core/upstream/resolve.h"

static void print_one(void *arg, bool warning, const char *text)
{
    const bool *to_log = arg;

    if (*to_log) {
        LOG(warning ? PST_LOG_WARNING : PST_LOG_ERROR, "configuration", LOGF_Z("problem", text));
    } else {
        fprintf(stderr, "postern: %s: %s\n", warning ? "warning" : "error", text);
    }
}

void server_report(const struct conf_errors *errors, bool to_log)
{
    conf_errors_each(errors, print_one, &to_log);
}

/* --- candidates ------------------------------------------------------------------------------- */

void candidate_free(struct candidate *c)
{
    if (c == NULL) {
        return;
    }
    generation_free(c->gen);
    free(c->bindings.at);
    free(c->jobs);
    free(c->none);
    free(c);
}

unsigned server_generations(const struct server *s)
{
    unsigned n = (s->serving != NULL) + (s->next != NULL && s->next != s->serving);

    for (const struct candidate *c = s->retiring; c != NULL; c = c->next) {
        n++;
    }
    return n;
}

static void release(struct candidate *c)
{
    struct server *s = c->server;
    uint64_t id;

    if (--c->alive > 0) {
        return;
    }
    for (struct candidate **at = &s->retiring; *at != NULL; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    id = c->gen->id;
    candidate_free(c);
    LOG(PST_LOG_DEBUG, "a generation is over", LOGF_U64("generation", id));
#ifdef __GLIBC__
    /* A large configuration is freed in one go: give the memory back. */
    (void)malloc_trim(0);
#endif
    server_maybe_end(s);
}

static void on_gone(struct worker_job *j)
{
    release(j->arg);
}

void candidate_pin(struct candidate *c)
{
    c->alive++;
}

void candidate_unpin(struct candidate *c)
{
    release(c);
}

static struct candidate *candidate_new(struct server *s, struct generation *g)
{
    struct candidate *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        generation_free(g);
        return NULL;
    }
    c->server = s;
    c->gen = g;
    c->jobs = calloc(s->n_workers, sizeof(*c->jobs));
    c->none = calloc(s->n_workers, sizeof(*c->none));
    if (c->jobs == NULL || c->none == NULL) {
        candidate_free(c);
        return NULL;
    }
    c->alive = s->n_workers;
    for (unsigned i = 0; i < s->n_workers; i++) {
        c->jobs[i].worker = s->workers[i];
        c->jobs[i].gen = g;
        c->jobs[i].arg = c;
        c->jobs[i].on_gone = on_gone;
    }
    return c;
}

/* Send a job to every worker; `then` runs on main for each answer. */
static void send_all(struct candidate *c, int kind, void (*then)(struct worker_job *j))
{
    c->waiting = c->server->n_workers;
    for (unsigned i = 0; i < c->server->n_workers; i++) {
        c->jobs[i].kind = kind;
        c->jobs[i].bindings = &c->bindings;
        c->jobs[i].on_back = then;
    }
    for (unsigned i = 0; i < c->server->n_workers; i++) {
        worker_send(&c->jobs[i]);
    }
}

/* Build, find the sockets, wrap. Takes conf over. NULL: errors say why, nothing has changed. */
static struct candidate *candidate_build(struct server *s, struct conf *conf,
                                         struct conf_errors *errors)
{
    const struct generation_env env = { .host = &s->host,
                                        .main_loop = s->loop,
                                        .resolver = s->resolver,
                                        .module_dir = POSTERN_MODULE_DIR,
                                        .n_workers = s->n_workers };
    struct generation *prev = s->serving == NULL ? NULL : s->serving->gen;
    struct generation *g = generation_build(s->generations + 1, conf, prev, &env, errors);
    struct candidate *c = NULL;

    if (g == NULL) {
        return NULL;
    }
    s->generations++;
    c = candidate_new(s, g);
    if (c == NULL) {
        conf_error_add(errors, NULL, 0, NULL, "out of memory");
        return NULL;
    }
    if (lsock_plan(&s->socks, g, s->n_workers, &s->inherited, &c->bindings, errors) != ERR_OK) {
        candidate_free(c);
        return NULL;
    }
    return c;
}

/* --- switching -------------------------------------------------------------------------------- */

static void retire(struct server *s, struct candidate *old)
{
    if (old == NULL) {
        return;
    }
    generation_retire(old->gen);
    old->next = s->retiring;
    s->retiring = old;
}

static void reload_queued(struct server *s)
{
    if (s->reload_again && s->state == SERVER_RUNNING) {
        s->reload_again = false;
        server_reload(s);
    }
}

/* `why` NULL: the new one is in force. */
static void reload_over(struct server *s, const char *why)
{
    s->reloads.last_ns = clock_ns();
    s->reloads.last_good = why == NULL;
    *(why == NULL ? &s->reloads.good : &s->reloads.bad) += 1;
    control_reload_over(s->control, s->serving->gen->id, why);
    reload_queued(s);
}

/* Settings of the process that a reload may change at once; the others need a restart. */
static void apply_process_settings(struct server *s, const struct conf *conf)
{
    log_set_level(conf->log_level + (s->opts.verbose ? 1 : 0));
    if (log_retarget(conf->log_target, conf->log_path) != ERR_OK) {
        LOG(PST_LOG_ERROR, "the log cannot be changed; the old one stays",
            LOGF_Z("path", conf->log_path));
    }
    if (resolver_configure(s->resolver, &conf->resolver) != ERR_OK) {
        LOG(PST_LOG_ERROR, "the resolver cannot be changed; the old settings stay");
    }
}

static void on_switched(struct worker_job *j)
{
    struct candidate *c = j->arg;
    struct server *s = c->server;
    char status[128];
    bool starting;

    if (--c->waiting > 0) {
        return;
    }
    lsock_tune(&c->bindings);
    lsock_sweep(&s->socks, &c->bindings);
    s->next = NULL;
    if (s->state >= SERVER_DRAINING) {
        return; /* asked to stop meanwhile: the end has been announced and goes its way */
    }
    starting = s->state == SERVER_STARTING;
    if (starting) {
        s->state = SERVER_RUNNING;
        lsock_own(s->socks);
        control_own(s->control);
        metrics_http_own(s->metrics);
        inherited_ready(&s->inherited);
    } else {
        apply_process_settings(s, c->gen->conf);
    }
    (void)snprintf(status, sizeof(status), "READY=1\nSTATUS=serving %zu edges on %zu listeners",
                   c->gen->conf->n_edges, c->gen->conf->n_listeners);
    notify(status);
    LOG(PST_LOG_NOTICE, c->gen->id == 1 ? "ready" : "reloaded", LOGF_U64("generation", c->gen->id),
        LOGF_U64("listeners", c->gen->conf->n_listeners), LOGF_U64("edges", c->gen->conf->n_edges),
        LOGF_U64("workers", s->n_workers));
    if (starting) {
        reload_queued(s);
    } else {
        reload_over(s, NULL);
    }
}

static void discard_done(struct worker_job *j)
{
    struct candidate *c = j->arg;
    struct server *s = c->server;

    if (--c->waiting > 0) {
        return;
    }
    s->next = NULL;
    candidate_free(c);
    if (s->state == SERVER_DRAINING || s->state == SERVER_ENDING) {
        server_maybe_end(s);
        return;
    }
    lsock_sweep(&s->socks, s->serving == NULL ? NULL : &s->serving->bindings);
    if (s->serving == NULL) {
        LOG(PST_LOG_ERROR, "cannot start: a module failed on a worker");
        s->exit_code = EXIT_FAILED;
        server_drain(s);
        return;
    }
    LOG(PST_LOG_ERROR,
        "reload refused: a module failed on a worker; the old configuration serves on",
        LOGF_U64("generation", s->serving->gen->id));
    notify("READY=1\nSTATUS=reload refused: see the log");
    reload_over(s, "a module failed on a worker; the log says which");
}

static void on_prepared(struct worker_job *j)
{
    struct candidate *c = j->arg;
    struct server *s = c->server;
    struct candidate *old = s->serving;

    c->failed = c->failed || !j->ok;
    if (--c->waiting > 0) {
        return;
    }
    if (c->failed || s->state == SERVER_DRAINING || s->state == SERVER_ENDING) {
        send_all(c, JOB_DISCARD, discard_done);
        return;
    }
    s->serving = c;
    retire(s, old);
    send_all(c, JOB_SWITCH, on_switched);
}

/* --- what main calls -------------------------------------------------------------------------- */

bool server_build_first(struct server *s, struct conf *conf, struct conf_errors *errors)
{
    s->next = candidate_build(s, conf, errors);
    return s->next != NULL;
}

void server_serve_first(struct server *s)
{
    send_all(s->next, JOB_PREPARE, on_prepared);
}

static void on_nothing(struct worker_job *j)
{
    (void)j;
}

void server_serve_nothing(struct server *s)
{
    struct candidate *c = s->serving;

    if (c == NULL) {
        return;
    }
    s->serving = NULL;
    retire(s, c);
    for (unsigned i = 0; i < s->n_workers; i++) {
        c->none[i] = (struct worker_job){
            .worker = s->workers[i], .kind = JOB_SWITCH, .on_back = on_nothing, .arg = c
        };
        worker_send(&c->none[i]);
    }
}

static void warn_changed_modules(const struct generation *g)
{
    for (size_t i = 0; i < g->n_chains; i++) {
        for (size_t k = 0; k < g->chains[i]->n; k++) {
            const struct module *m = g->chains[i]->instances[k].module;

            if (module_changed_on_disk(m)) {
                LOG(PST_LOG_WARNING, "a module changed on disk; restart to load it",
                    LOGF_Z("module", m->name), LOGF_Z("path", m->path));
            }
        }
    }
}

void server_reload(struct server *s)
{
    struct conf_errors *errors;
    struct conf *conf = NULL;

    if (s->next != NULL || s->state != SERVER_RUNNING) {
        s->reload_again = s->state <= SERVER_RUNNING;
        return;
    }
    notify_reloading();
    control_reload_begins(s->control);
    server_reserve_release(s);
    errors = conf_errors_new();
    conf = errors == NULL ? NULL : conf_load(s->opts.conf, errors);
    if (conf != NULL && conf_errors_count(errors) > 0) {
        conf_free(conf);
        conf = NULL;
    }
    if (conf != NULL) {
        s->next = candidate_build(s, conf, errors);
    }
    if (errors != NULL) {
        server_report(errors, true);
        control_reload_problems(s->control, errors);
        conf_errors_free(errors);
    } else {
        LOG(PST_LOG_ERROR, "configuration", LOGF_Z("problem", "out of memory"));
    }
    if (s->next == NULL) {
        LOG(PST_LOG_ERROR, "reload refused; the old configuration serves on",
            LOGF_Z("file", s->opts.conf), LOGF_U64("generation", s->serving->gen->id));
        notify("READY=1\nSTATUS=reload refused: see the log");
        reload_over(s, "the configuration is wrong; the old one serves on");
    } else {
        warn_changed_modules(s->next->gen);
        send_all(s->next, JOB_PREPARE, on_prepared);
    }
    server_reserve_take(s);
}
