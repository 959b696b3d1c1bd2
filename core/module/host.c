/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/host.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/metrics.h"
#include "core/config/conf_reader.h"
#include "core/module/chain.h"
#include "core/module/load.h"
#include "core/module/service.h"
#include "core/module/sink.h"
#include "core/module/ticket.h"
#include "core/module/vars.h"
#include "core/module/watch.h"

#define LOG_TEXT_MAX    1024

/*
 * A site of a module's log is taken to be the beginning of its text: what varies usually comes
 * later. Sites that share a slot share its limit, which is a pity but harmless.
 */
#define LOG_SITES       512
#define LOG_SITE_PREFIX 16
#define LOG_BURST       20

static struct watch_scope *(*conn_scope)(pst_conn *conn);
static uint64_t (*conn_id)(pst_conn *conn);
static struct log_limit log_limits[LOG_SITES];

void host_set_conn_scope(struct watch_scope *(*fn)(pst_conn *conn))
{
    conn_scope = fn;
}

void host_set_conn_id(uint64_t (*fn)(pst_conn *conn))
{
    conn_id = fn;
}

/* --- log -------------------------------------------------------------------------------------- */

/* Levels that do not exist count as the nearest that does. */
static int level_of(uint32_t level)
{
    if (level < PST_LOG_ERROR) {
        return PST_LOG_ERROR;
    }
    return level > PST_LOG_DEBUG ? PST_LOG_DEBUG : (int)level;
}

static uint32_t host_log_enabled(uint32_t level)
{
    return log_on(level_of(level)) ? 1 : 0;
}

static struct log_limit *site_of(const struct module *m, const char *text, size_t n)
{
    char key[sizeof(m) + LOG_SITE_PREFIX];
    size_t prefix = n < LOG_SITE_PREFIX ? n : LOG_SITE_PREFIX;
    memcpy(key, &m, sizeof(m));
    memcpy(key + sizeof(m), text, prefix);
    return &log_limits[hash_bytes(key, sizeof(m) + prefix) % LOG_SITES];
}

static void host_log(pst_instance *self, pst_conn *conn, uint32_t level, const char *text, size_t n)
{
    const struct instance *inst = (const struct instance *)self;
    const struct module *m = inst != NULL ? inst->module : module_loading();
    uint32_t held = 0;
    if (text == NULL || !log_on(level_of(level)) ||
        !log_limit_ok(site_of(m, text, n), LOG_BURST, &held)) {
        return;
    }
    char msg[LOG_TEXT_MAX];
    size_t len = n < sizeof(msg) ? n : sizeof(msg) - 1;
    memcpy(msg, text, len);
    msg[len] = '\0';
    for (char *nul = msg; (nul = memchr(nul, '\0', (size_t)(msg + len - nul))) != NULL;) {
        *nul = ' ';
    }

    struct log_field f[4];
    size_t n_f = 0;
    if (m != NULL) {
        f[n_f++] = (struct log_field)LOGF_Z("module", m->name);
    }
    if (inst != NULL) {
        const char *key = inst->chain->scope == PST_SCOPE_EDGE ? "edge" : "listener";
        f[n_f++] = (struct log_field)LOGF_Z(key, inst->chain->name);
    }
    if (conn != NULL && conn_id != NULL) {
        f[n_f++] = (struct log_field)LOGF_U64("conn", conn_id(conn));
    }
    if (held > 0) {
        f[n_f++] = (struct log_field)LOGF_U64("held_back", held);
    }
    log_write(level_of(level), msg, f, n_f);
}

/* --- instance --------------------------------------------------------------------------------- */

static const pst_cfg *host_cfg_shared(pst_instance *self, const char *section, const char *name)
{
    const struct instance *inst = (const struct instance *)self;
    if (inst == NULL || inst->cfg == NULL || section == NULL || name == NULL) {
        return NULL;
    }
    return conf_reader_shared(inst->cfg, section, name);
}

static int32_t host_instance_info(pst_instance *self, struct pst_str *chain, uint32_t *scope)
{
    const struct instance *inst = (const struct instance *)self;
    if (inst == NULL) {
        return PST_ERR_INVALID;
    }
    if (chain != NULL) {
        *chain = pst_str_of(inst->chain->name);
    }
    if (scope != NULL) {
        *scope = inst->chain->scope;
    }
    return PST_OK;
}

static uint32_t host_instance_enforces(pst_instance *self)
{
    const struct instance *inst = (const struct instance *)self;

    return inst == NULL || inst->enforce ? 1 : 0;
}

static const void *host_get_service(const char *name)
{
    return name != NULL && strcmp(name, PST_LOG_SINK) == 0 ? sink_service() : NULL;
}

/* --- timers, watches, jobs -------------------------------------------------------------------- */

/* The scope of an instance or of an instance on a worker is made when first asked for. */
static struct watch_scope *lazy_scope(struct watch_scope **s, struct loop *l)
{
    if (*s == NULL && l != NULL) {
        assert(loop_is_mine(l));
        *s = watch_scope_new(l);
    }
    return *s;
}

/* NULL: no such scope, it cannot have timers yet, or out of memory. */
static struct watch_scope *scope_of(struct pst_scope scope)
{
    if (scope.owner == NULL) {
        return NULL;
    }
    switch (scope.kind) {
    case PST_OWNER_CONN:
        return conn_scope != NULL ? conn_scope((pst_conn *)scope.owner) : NULL;
    case PST_OWNER_WORKER: {
        struct instance_worker *iw = scope.owner;
        return lazy_scope(&iw->scope, iw->loop);
    }
    case PST_OWNER_INSTANCE: {
        struct instance *inst = scope.owner;
        return lazy_scope(&inst->scope, inst->chain->main_loop);
    }
    default:
        return NULL;
    }
}

static pst_timer *host_timer_new(struct pst_scope scope, void (*fire)(void *arg), void *arg)
{
    struct watch_scope *s = fire != NULL ? scope_of(scope) : NULL;
    return s != NULL ? watch_timer_new(s, fire, arg) : NULL;
}

static pst_watch *host_watch_new(struct pst_scope scope, int32_t fd, uint32_t events,
                                 void (*ready)(void *arg, uint32_t events), void *arg)
{
    struct watch_scope *s = ready != NULL ? scope_of(scope) : NULL;
    return s != NULL ? watch_fd_new(s, fd, events, ready, arg) : NULL;
}

static int32_t host_offload(struct pst_scope scope, void (*job)(void *arg),
                            void (*done)(void *arg, int32_t status), void *arg)
{
    if (job == NULL || done == NULL) {
        return PST_ERR_INVALID;
    }
    struct watch_scope *s = scope_of(scope);
    return s != NULL ? offload_run(s, job, done, arg) : PST_ERR_STATE;
}

/* --- metrics ---------------------------------------------------------------------------------- */

static int32_t host_metric_define(const char *module, const char *name, const char *help,
                                  uint32_t type)
{
    char full[METRIC_NAME_MAX];
    if (module == NULL || name == NULL || help == NULL ||
        (type != PST_METRIC_COUNTER && type != PST_METRIC_GAUGE)) {
        return PST_ERR_INVALID;
    }
    int n = snprintf(full, sizeof(full), "%s_%s", module, name);
    if (n < 0 || (size_t)n >= sizeof(full)) {
        return PST_ERR_INVALID;
    }
    /* Labels stay as they are. */
    for (char *p = full; *p != '\0' && *p != '{'; p++) {
        if (*p == '-') {
            *p = '_';
        }
    }
    int id = metric_define(full, help, type == PST_METRIC_COUNTER ? METRIC_COUNTER : METRIC_GAUGE);
    if (id >= 0) {
        return id;
    }
    return id == ERR_LIMIT ? PST_ERR_LIMIT : PST_ERR_INVALID;
}

/* --- the table -------------------------------------------------------------------------------- */

static void fill_config(struct pst_host *h)
{
    h->cfg_str = conf_reader_str;
    h->cfg_u64 = conf_reader_u64;
    h->cfg_bool = conf_reader_bool;
    h->cfg_duration = conf_reader_duration;
    h->cfg_size = conf_reader_size;
    h->cfg_net = conf_reader_net;
    h->cfg_addr = conf_reader_addr;
    h->cfg_path = conf_reader_path;
    h->cfg_get = conf_reader_get;
    h->cfg_type = conf_reader_type;
    h->cfg_count = conf_reader_count;
    h->cfg_at = conf_reader_at;
    h->cfg_name = conf_reader_name;
    h->cfg_shared = host_cfg_shared;
    h->cfg_error = conf_reader_error;
    h->cfg_warn = conf_reader_warn;
}

void host_fill(struct pst_host *h)
{
    memset(h, 0, sizeof(*h));
    h->size = sizeof(*h);
    h->minor = PST_ABI_MINOR;
    h->log_enabled = host_log_enabled;
    h->log = host_log;
    fill_config(h);
    h->instance_info = host_instance_info;
    h->publish = service_publish;
    h->find_each = service_find_each;
    h->get_service = host_get_service;
    h->instance_enforces = host_instance_enforces;
    h->var_id = vars_id;
    h->var_register = vars_register;
    h->resume = ticket_resume;
    h->resume_any = ticket_resume_any;
    h->ticket_free = ticket_release;
    h->timer_new = host_timer_new;
    h->timer_start = watch_timer_start;
    h->timer_stop = watch_timer_stop;
    h->timer_free = watch_timer_free;
    h->watch_new = host_watch_new;
    h->watch_change = watch_fd_change;
    h->watch_free = watch_fd_free;
    h->offload = host_offload;
    h->metric_define = host_metric_define;
    h->metric_add = metric_add;
    h->now_ns = clock_ns;
    h->wall_us = clock_wall_us;
    ticket_setup();
}
