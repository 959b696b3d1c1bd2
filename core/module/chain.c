/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making, linking and ending chains; the checks are in chain_check.c, hooks run in core/conn. */
#include "core/module/chain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/config/conf_reader.h"
#include "core/module/chain_check.h"
#include "core/module/load.h"
#include "core/module/service.h"
#include "core/module/watch.h"
#include "plugin-api/pst_names.h"

#define STATE_ALIGN 16
#define WHY_MAX     512

/* --- making ----------------------------------------------------------------------------------- */

/* Add the instance of one entry, or report why its module is refused. */
static void add_instance(struct chain *c, const struct conf_module *mod, uint32_t index,
                         const char *module_dir, const struct pst_host *host,
                         struct conf_errors *errors)
{
    char why[WHY_MAX] = "";
    const struct module *m = module_get(module_dir, mod->name, host, why, sizeof(why));
    if (m == NULL) {
        chain_error(errors, mod->cfg, mod->where, "%s%smodule \"%s\": %s",
                    mod->implied_by != NULL ? mod->implied_by : "",
                    mod->implied_by != NULL ? " needs the " : "", mod->name, why);
        c->broken = true;
        return;
    }
    struct instance *inst = &c->instances[c->n];
    inst->module = m;
    inst->chain = c;
    inst->cfg = mod->cfg;
    inst->where = mod->where;
    inst->index = index;
    inst->enforce = mod->enforce;
    inst->workers = c->worker_block == NULL ? NULL : c->worker_block + c->n * c->n_workers;
    for (unsigned w = 0; w < c->n_workers; w++) {
        inst->workers[w] = (struct instance_worker){ .instance = inst, .worker = w };
    }
    c->n++;

    const struct pst_module *d = &m->desc;
    inst->declared = mod->cfg == NULL || conf_reader_declare(mod->cfg, d->options, d->n_options,
                                                             d->option_size, c->scope) == ERR_OK;
    if (!inst->declared) {
        c->broken = true;
    }
    inst->state_offset = c->state_size;
    c->state_size += (d->conn_state_size + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
}

struct chain *chain_new(const char *name, uint32_t scope, const struct conf_module *mods, size_t n,
                        const char *module_dir, const struct pst_host *host, unsigned n_workers,
                        struct conf_errors *errors)
{
    assert(scope == PST_SCOPE_LISTENER || scope == PST_SCOPE_EDGE);
    struct chain *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->name = name;
    c->scope = scope;
    c->n_workers = n_workers;
    if (n > UINT16_MAX) {
        chain_error(errors, mods[UINT16_MAX].cfg, mods[UINT16_MAX].where,
                    "a list has at most %d modules", UINT16_MAX);
        c->broken = true;
        return c;
    }
    if (n > 0) {
        c->instances = calloc(n, sizeof(*c->instances));
    }
    if (n > 0 && n_workers > 0) {
        c->worker_block = calloc(n * n_workers, sizeof(*c->worker_block));
    }
    if (n > 0 && (c->instances == NULL || (n_workers > 0 && c->worker_block == NULL))) {
        chain_free(c);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        add_instance(c, &mods[i], (uint32_t)i, module_dir, host, errors);
    }
    chain_check(c, mods, n, errors);
    return c;
}

/* --- init and link ---------------------------------------------------------------------------- */

static void init_one(struct instance *inst, struct conf_errors *errors)
{
    const struct pst_hooks *h = &inst->module->hooks;
    if (h->init == NULL) {
        inst->initialised = true;
        return;
    }
    size_t before = conf_errors_count(errors);
    int32_t rc = h->init((pst_instance *)inst, inst->cfg, &inst->inst);
    inst->initialised = rc == PST_OK;
    if (conf_errors_count(errors) > before) {
        inst->chain->broken = true;
    } else if (rc != PST_OK) {
        instance_error(inst, errors, "%s did not accept its configuration (init() answered %d)",
                       inst->module->name, (int)rc);
    }
    if (!inst->initialised) {
        watch_scope_free(inst->scope);
        inst->scope = NULL;
    }
}

int chain_init(struct chain *c, struct loop *main_loop, struct conf_errors *errors)
{
    assert(c->phase == CHAIN_NEW);
    c->phase = CHAIN_INIT;
    c->main_loop = main_loop;
    for (size_t i = 0; i < c->n; i++) {
        if (c->instances[i].declared) {
            init_one(&c->instances[i], errors);
        }
    }
    return c->broken ? ERR_CONFIG : ERR_OK;
}

static void link_one(struct instance *inst, struct conf_errors *errors)
{
    const struct pst_hooks *h = &inst->module->hooks;
    if (!inst->initialised || h->link == NULL) {
        return;
    }
    size_t before = conf_errors_count(errors);
    int32_t rc = h->link(inst->inst);
    if (conf_errors_count(errors) > before) {
        inst->chain->broken = true;
    } else if (rc != PST_OK) {
        instance_error(inst, errors, "%s could not be put to work here (link() answered %d)",
                       inst->module->name, (int)rc);
    }
}

static pst_hook hook_of(const struct pst_hooks *h, uint32_t stage)
{
    switch (stage) {
    case PST_STAGE_ACCEPT:
        return h->on_accept;
    case PST_STAGE_PREFACE:
        return h->on_preface;
    case PST_STAGE_CLIENT_HELLO:
        return h->on_client_hello;
    case PST_STAGE_ADMIT:
        return h->on_admit;
    case PST_STAGE_TRANSPORT:
        return h->on_transport;
    case PST_STAGE_HANDSHAKE_DONE:
        return h->on_handshake_done;
    case PST_STAGE_UPSTREAM:
        return h->on_upstream;
    case PST_STAGE_UPSTREAM_READY:
        return h->on_upstream_ready;
    case PST_STAGE_ESTABLISHED:
        return h->on_established;
    case PST_STAGE_CLOSE:
        return h->on_close;
    case PST_STAGE_CONN_FINI:
        return h->conn_fini;
    default:
        return NULL;
    }
}

/* Stages up to the hello belong to listeners, the next ones to edges, the last two to both. */
static bool stage_in_scope(uint32_t stage, uint32_t scope)
{
    if (stage >= PST_STAGE_CLOSE) {
        return true;
    }
    return (stage <= PST_STAGE_CLIENT_HELLO) == (scope == PST_SCOPE_LISTENER);
}

/* Put the hooks of one stage at `out` (NULL: only count them); answers how many. */
static size_t flatten_stage(const struct chain *c, uint32_t stage, struct chain_step *out)
{
    size_t n = 0;
    if (!stage_in_scope(stage, c->scope)) {
        return 0;
    }
    for (size_t i = 0; i < c->n; i++) {
        size_t at = stage == PST_STAGE_CONN_FINI ? c->n - 1 - i : i;
        struct instance *inst = &c->instances[at];
        pst_hook fn = hook_of(&inst->module->hooks, stage);
        if (fn == NULL) {
            continue;
        }
        if (out != NULL) {
            out[n] = (struct chain_step){ .fn = fn, .instance = inst };
        }
        n++;
    }
    return n;
}

static int flatten(struct chain *c)
{
    size_t total = 0;
    for (uint32_t stage = PST_STAGE_ACCEPT; stage < CHAIN_STAGES; stage++) {
        total += flatten_stage(c, stage, NULL);
    }
    if (total == 0) {
        return ERR_OK;
    }
    c->step_block = calloc(total, sizeof(*c->step_block));
    if (c->step_block == NULL) {
        return ERR_NOMEM;
    }
    struct chain_step *next = c->step_block;
    for (uint32_t stage = PST_STAGE_ACCEPT; stage < CHAIN_STAGES; stage++) {
        c->steps[stage] = next;
        c->n_steps[stage] = (uint16_t)flatten_stage(c, stage, next);
        next += c->n_steps[stage];
    }
    return ERR_OK;
}

int chain_link(struct chain *c, struct conf_errors *errors)
{
    assert(c->phase == CHAIN_INIT);
    c->phase = CHAIN_LINK;
    for (size_t i = 0; i < c->n; i++) {
        link_one(&c->instances[i], errors);
    }
    /* The consumer may be what is broken: do not send the reader after the publisher then. */
    if (!c->broken && service_check(c, errors) != ERR_OK) {
        c->broken = true;
    }
    c->phase = CHAIN_LINKED;
    for (size_t i = 0; i < c->n; i++) {
        c->instances[i].cfg = NULL;
    }
    return c->broken ? ERR_CONFIG : flatten(c);
}

/* --- reload ----------------------------------------------------------------------------------- */

/* How many instances of the same module stand before this one. */
static size_t ordinal_of(const struct chain *c, const struct instance *inst)
{
    size_t n = 0;
    for (const struct instance *i = c->instances; i < inst; i++) {
        n += i->module == inst->module;
    }
    return n;
}

static struct instance *find_counterpart(struct chain *prev, const struct module *m, size_t ordinal)
{
    for (size_t i = 0; i < prev->n; i++) {
        if (prev->instances[i].module == m && ordinal-- == 0) {
            return &prev->instances[i];
        }
    }
    return NULL;
}

int chain_adopt(struct chain *c, struct chain *prev, struct conf_errors *errors)
{
    int rc = ERR_OK;
    for (size_t i = 0; prev != NULL && i < c->n; i++) {
        struct instance *inst = &c->instances[i];
        const struct pst_hooks *h = &inst->module->hooks;
        struct instance *old = find_counterpart(prev, inst->module, ordinal_of(c, inst));
        if (h->adopt == NULL || !inst->initialised || old == NULL || !old->initialised) {
            continue;
        }
        int32_t answer = h->adopt(inst->inst, old->inst);
        if (answer != PST_OK) {
            instance_error(inst, errors, "%s could not take over from before (adopt() answered %d)",
                           inst->module->name, (int)answer);
            rc = ERR_CONFIG;
        }
    }
    return rc;
}

void chain_retire(struct chain *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct instance *inst = &c->instances[i];
        if (inst->initialised && inst->module->hooks.retire != NULL) {
            inst->module->hooks.retire(inst->inst);
        }
    }
}

/* --- workers ---------------------------------------------------------------------------------- */

int chain_worker_init(struct chain *c, unsigned worker, struct loop *l)
{
    assert(worker < c->n_workers);
    assert(loop_is_mine(l));
    for (size_t i = 0; i < c->n; i++) {
        struct instance *inst = &c->instances[i];
        struct instance_worker *iw = &inst->workers[worker];
        const struct pst_hooks *h = &inst->module->hooks;
        iw->loop = l;
        if (h->worker_init != NULL) {
            int32_t rc = h->worker_init(inst->inst, (pst_worker *)iw, &iw->state);
            if (rc != PST_OK) {
                LOG(PST_LOG_ERROR, "a module could not be started on a worker",
                    LOGF_Z("module", inst->module->name), LOGF_Z("at", inst->where),
                    LOGF_U64("worker", worker), LOGF_I64("code", rc));
                watch_scope_free(iw->scope);
                *iw = (struct instance_worker){ .instance = inst, .worker = worker };
                chain_worker_fini(c, worker);
                return ERR_MODULE;
            }
        }
        iw->initialised = true;
    }
    return ERR_OK;
}

void chain_worker_fini(struct chain *c, unsigned worker)
{
    assert(worker < c->n_workers);
    for (size_t i = c->n; i-- > 0;) {
        struct instance *inst = &c->instances[i];
        struct instance_worker *iw = &inst->workers[worker];
        if (!iw->initialised) {
            continue;
        }
        if (inst->module->hooks.worker_fini != NULL) {
            inst->module->hooks.worker_fini(inst->inst, iw->state);
        }
        watch_scope_free(iw->scope);
        *iw = (struct instance_worker){ .instance = inst, .worker = worker };
    }
}

/* --- end -------------------------------------------------------------------------------------- */

/* The next one to end: the last in the list whose services no living instance uses. */
static struct instance *last_unused(struct chain *c)
{
    struct instance *fallback = NULL;
    for (size_t i = c->n; i-- > 0;) {
        struct instance *inst = &c->instances[i];
        if (!inst->initialised) {
            continue;
        }
        if (!service_in_use(inst)) {
            return inst;
        }
        if (fallback == NULL) {
            fallback = inst;
        }
    }
    return fallback;
}

void chain_free(struct chain *c)
{
    if (c == NULL) {
        return;
    }
    struct instance *inst;
    while ((inst = last_unused(c)) != NULL) {
        if (inst->module->hooks.fini != NULL) {
            inst->module->hooks.fini(inst->inst);
        }
        watch_scope_free(inst->scope);
        inst->scope = NULL;
        inst->initialised = false;
    }
    service_free(c);
    free(c->step_block);
    free(c->worker_block);
    free(c->instances);
    free(c);
}

bool chain_has_role(const struct chain *c, uint32_t role)
{
    for (size_t i = 0; i < c->n; i++) {
        if ((c->instances[i].module->desc.roles & role) != 0) {
            return true;
        }
    }
    return false;
}

const char *stage_name(uint32_t stage)
{
    const char *name = pst_stage_name(stage);

    return name != NULL ? name : "?";
}
