/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/chain_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/config/conf_reader.h"
#include "core/module/chain.h"
#include "core/module/load.h"

#define ERROR_TEXT_MAX 1024

__attribute__((format(printf, 4, 0))) static void report(struct conf_errors *errors,
                                                         const struct pst_cfg *cfg,
                                                         const char *where, const char *fmt,
                                                         va_list ap)
{
    char text[ERROR_TEXT_MAX];
    vsnprintf(text, sizeof(text), fmt, ap);
    if (cfg != NULL) {
        conf_reader_error(cfg, text, strlen(text));
    } else {
        conf_error_add(errors, NULL, 0, where, "%s", text);
    }
}

void chain_error(struct conf_errors *errors, const struct pst_cfg *cfg, const char *where,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(errors, cfg, where, fmt, ap);
    va_end(ap);
}

void instance_error(struct instance *inst, struct conf_errors *errors, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(errors, inst->cfg, inst->where, fmt, ap);
    va_end(ap);
    inst->chain->broken = true;
}

static void check_place(struct instance *inst, struct conf_errors *errors)
{
    const struct pst_module *d = &inst->module->desc;
    bool edge = inst->chain->scope == PST_SCOPE_EDGE;
    if ((d->scopes & inst->chain->scope) == 0) {
        instance_error(inst, errors, "%s can be attached to %s only, this is %s", d->name,
                       edge ? "listeners" : "edges", edge ? "an edge" : "a listener");
    }
    if (!inst->enforce && (d->flags & PST_FLAG_DECIDES) == 0) {
        instance_error(inst, errors, "%s decides nothing, so \"enforce\" cannot be false for it",
                       d->name);
    }
}

/* The first entry of `list` called `name` at or after `from`; n when there is none. */
static size_t find_name(const struct conf_module *mods, size_t n, const char *name, size_t from)
{
    size_t i = from;
    while (i < n && strcmp(mods[i].name, name) != 0) {
        i++;
    }
    return i;
}

static const char *shown(const char *where)
{
    return where != NULL ? where : "?";
}

static void check_neighbours(struct instance *inst, const struct conf_module *mods, size_t n,
                             struct conf_errors *errors)
{
    const struct pst_module *d = &inst->module->desc;
    for (const char *const *r = d->requires_list; r != NULL && *r != NULL; r++) {
        if (find_name(mods, n, *r, 0) == n) {
            instance_error(inst, errors, "%s requires %s in the same list", d->name, *r);
        }
    }
    for (const char *const *x = d->conflicts_list; x != NULL && *x != NULL; x++) {
        size_t at = find_name(mods, n, *x, 0);
        if (at == inst->index) {
            at = find_name(mods, n, *x, at + 1);
        }
        if (at < n) {
            instance_error(inst, errors, "%s cannot be used together with %s (%s)", d->name, *x,
                           shown(mods[at].where));
        }
    }
    for (const char *const *a = d->after_list; a != NULL && *a != NULL; a++) {
        size_t at = find_name(mods, n, *a, inst->index + 1);
        if (at < n) {
            instance_error(inst, errors, "%s must stand after %s (%s)", d->name, *a,
                           shown(mods[at].where));
        }
    }
}

void chain_check(struct chain *c, const struct conf_module *mods, size_t n,
                 struct conf_errors *errors)
{
    const struct instance *transport = NULL;
    for (size_t i = 0; i < c->n; i++) {
        struct instance *inst = &c->instances[i];
        check_place(inst, errors);
        check_neighbours(inst, mods, n, errors);
        if ((inst->module->desc.roles & PST_ROLE_CLIENT_TRANSPORT) == 0) {
            continue;
        }
        if (transport != NULL) {
            instance_error(inst, errors,
                           "%s would be the second transport to the client, after %s (%s)",
                           inst->module->name, transport->module->name, shown(transport->where));
        }
        transport = inst;
    }
}
