/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/service.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/module/chain.h"
#include "core/module/chain_check.h"
#include "core/module/load.h"

#define SERVICE_NAME_MAX 64

/* Who found a service: it must end before the publisher. */
struct consumer {
    struct consumer *next;
    const struct instance *instance;
};

/* In the order published, which is list order. */
struct service {
    struct service *next;
    struct instance *publisher;
    const void *table;
    uint32_t flags;
    struct consumer *consumers;
    char name[SERVICE_NAME_MAX + 1];
};

/* "name/revision": dots and hyphens in the name, a decimal revision. */
static bool name_ok(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_");
    if (n == 0 || name[n] != '/') {
        return false;
    }
    const char *revision = name + n + 1;
    size_t digits = strspn(revision, "0123456789");
    return digits > 0 && revision[digits] == '\0' && n + 1 + digits <= SERVICE_NAME_MAX;
}

int32_t service_publish(pst_instance *self, const char *name, const void *table, uint32_t flags)
{
    struct instance *inst = (struct instance *)self;
    if (inst == NULL || name == NULL || table == NULL || !name_ok(name) ||
        (flags & ~(uint32_t)PST_SERVICE_MUST_BE_CONSUMED) != 0) {
        return PST_ERR_INVALID;
    }
    if (inst->chain->phase != CHAIN_INIT) {
        return PST_ERR_STATE;
    }
    struct service *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return PST_ERR_NOMEM;
    }
    s->publisher = inst;
    s->table = table;
    s->flags = flags;
    memcpy(s->name, name, strlen(name) + 1);
    struct service **end = &inst->chain->services;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = s;
    return PST_OK;
}

static int remember(struct service *s, const struct instance *inst)
{
    for (const struct consumer *c = s->consumers; c != NULL; c = c->next) {
        if (c->instance == inst) {
            return ERR_OK;
        }
    }
    struct consumer *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return ERR_NOMEM;
    }
    c->instance = inst;
    c->next = s->consumers;
    s->consumers = c;
    return ERR_OK;
}

int32_t service_find_each(pst_instance *self, const char *name,
                          void (*found)(void *arg, const void *table), void *arg)
{
    struct instance *inst = (struct instance *)self;
    int32_t n = 0;
    if (inst == NULL || name == NULL || found == NULL) {
        return PST_ERR_INVALID;
    }
    if (inst->chain->phase != CHAIN_LINK) {
        return PST_ERR_STATE;
    }
    for (struct service *s = inst->chain->services; s != NULL; s = s->next) {
        /* What a failed init() left behind points at nothing. */
        if (!s->publisher->initialised || strcmp(s->name, name) != 0) {
            continue;
        }
        if (remember(s, inst) != ERR_OK) {
            return PST_ERR_NOMEM;
        }
        found(arg, s->table);
        n++;
    }
    return n;
}

int service_check(struct chain *c, struct conf_errors *errors)
{
    int rc = ERR_OK;
    for (struct service *s = c->services; s != NULL; s = s->next) {
        if ((s->flags & PST_SERVICE_MUST_BE_CONSUMED) == 0 || s->consumers != NULL) {
            continue;
        }
        instance_error(s->publisher, errors,
                       "%s is listed but nothing uses its \"%s\": add the module that does, or "
                       "take %s out",
                       s->publisher->module->name, s->name, s->publisher->module->name);
        rc = ERR_CONFIG;
    }
    return rc;
}

bool service_in_use(const struct instance *publisher)
{
    for (const struct service *s = publisher->chain->services; s != NULL; s = s->next) {
        if (s->publisher != publisher) {
            continue;
        }
        for (const struct consumer *c = s->consumers; c != NULL; c = c->next) {
            if (c->instance != publisher && c->instance->initialised) {
                return true;
            }
        }
    }
    return false;
}

void service_free(struct chain *c)
{
    while (c->services != NULL) {
        struct service *s = c->services;
        c->services = s->next;
        while (s->consumers != NULL) {
            struct consumer *next = s->consumers->next;
            free(s->consumers);
            s->consumers = next;
        }
        free(s);
    }
}
