/* SPDX-License-Identifier: MIT */
/* Loading of modules, instances, and the services of their chains. */
#include "fake_priv.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

const char *fake_instance_name(const pst_instance *self)
{
    static char name[256];

    if (self == NULL) {
        return "-";
    }
    snprintf(name, sizeof(name), "%s@%s", self->module->desc.name, self->chain);
    return name;
}

/* The checks of the proxy; NULL, or why the descriptor is refused. */
static const char *refuse(const struct fake_host *h, const struct pst_module *d)
{
    static char why[128];

    if (d == NULL || d->magic != PST_MAGIC) {
        return "not a module";
    }
    if (d->major != PST_ABI_MAJOR) {
        snprintf(why, sizeof(why), "built for ABI %u, this host speaks %u", d->major,
                 PST_ABI_MAJOR);
        return why;
    }
    if (d->minor_needed > h->table.minor) {
        snprintf(why, sizeof(why), "needs ABI %u.%u, this host has %u.%u", d->major,
                 d->minor_needed, PST_ABI_MAJOR, (unsigned)h->table.minor);
        return why;
    }
    if (d->size < END_OF(struct pst_module, unload) || d->size % sizeof(void *) != 0 ||
        (d->hooks != NULL && (d->hooks->size < END_OF(struct pst_hooks, fini) ||
                              d->hooks->size % sizeof(void *) != 0)) ||
        (d->n_options > 0 && d->option_size < END_OF(struct pst_option, reserved))) {
        return "a table is smaller than in ABI 1.0";
    }
    if (d->name == NULL || d->version == NULL) {
        return "no name or no version";
    }
    return NULL;
}

struct fake_module *fake_module_add(struct fake_host *h, const struct pst_module *desc)
{
    const char *why = refuse(h, desc);
    struct fake_module *m;
    int32_t rc;

    if (why != NULL) {
        fake_say("refused: %s", why);
        return NULL;
    }
    m = fake_alloc(sizeof(*m));
    m->host = h;
    memcpy(&m->desc, desc, desc->size < sizeof(m->desc) ? desc->size : sizeof(m->desc));
    if (desc->hooks != NULL) {
        memcpy(&m->hooks, desc->hooks,
               desc->hooks->size < sizeof(m->hooks) ? desc->hooks->size : sizeof(m->hooks));
    }
    m->desc.hooks = &m->hooks;
    rc = m->desc.load != NULL ? m->desc.load(&h->table) : PST_OK;
    if (rc != PST_OK) {
        fake_say("load of %s failed: %d", m->desc.name, rc);
        free(m);
        return NULL;
    }
    m->next = h->modules;
    h->modules = m;
    return m;
}

struct fake_module *fake_module_load(struct fake_host *h, const char *path)
{
    const struct pst_module *(*entry)(void) = NULL;
    void *dl = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), *symbol;
    struct fake_module *m;

    if (dl == NULL) {
        fake_say("refused: %s", dlerror());
        return NULL;
    }
    symbol = dlsym(dl, PST_ENTRY_NAME);
    if (symbol == NULL) {
        fake_say("refused: %s is not a module", path);
        return NULL;
    }
    memcpy(&entry, &symbol, sizeof(entry));
    m = fake_module_add(h, entry());
    if (m != NULL) {
        m->dl = dl;
    }
    return m;
}

const struct pst_module *fake_module_desc(const struct fake_module *m)
{
    return &m->desc;
}

static void inst_release(struct fake_inst *i)
{
    fake_sched_end(&i->self);
    fake_sched_end(&i->worker);
    config_destroy(&i->conf);
    free(i->self.chain);
    free(i);
}

struct fake_inst *fake_inst_new(struct fake_module *m, uint32_t scope, const char *chain,
                                const char *config)
{
    struct fake_inst *i = fake_alloc(sizeof(*i));
    int32_t rc = PST_ERR_CONFIG;

    i->self = (struct pst_instance){ m, fake_copy(chain, strlen(chain)), scope, 0 };
    i->worker.inst = &i->self;
    config_init(&i->conf);
    if ((m->desc.scopes & scope) == 0) {
        fake_say("error: %s cannot be attached to %s", m->desc.name,
                 scope == PST_SCOPE_EDGE ? "an edge" : "a listener");
    } else if (config_read_string(&i->conf, config != NULL ? config : "") != CONFIG_TRUE) {
        fake_say("error: line %d: %s", config_error_line(&i->conf), config_error_text(&i->conf));
    } else {
        m->host->configuring = i;
        rc = fake_conf_declare(i) > 0 ? PST_ERR_CONFIG : PST_OK;
        if (rc == PST_OK && m->hooks.init != NULL) {
            rc = m->hooks.init(&i->self, (const pst_cfg *)config_root_setting(&i->conf), &i->ptr);
        }
        m->host->configuring = NULL;
    }
    if (rc != PST_OK) {
        inst_release(i);
        return NULL;
    }
    return i;
}

int32_t fake_inst_link(struct fake_inst *i)
{
    const struct pst_hooks *hooks = &i->self.module->hooks;

    return hooks->link != NULL ? hooks->link(i->ptr) : PST_OK;
}

int32_t fake_inst_adopt(struct fake_inst *i, struct fake_inst *prev)
{
    const struct pst_hooks *hooks = &i->self.module->hooks;

    return hooks->adopt != NULL ? hooks->adopt(i->ptr, prev->ptr) : PST_OK;
}

void fake_inst_retire(struct fake_inst *i)
{
    if (i->self.module->hooks.retire != NULL) {
        i->self.module->hooks.retire(i->ptr);
    }
}

int32_t fake_inst_worker(struct fake_inst *i)
{
    const struct pst_hooks *hooks = &i->self.module->hooks;
    int32_t rc = hooks->worker_init != NULL
                     ? hooks->worker_init(i->ptr, &i->worker, &i->worker_state)
                     : PST_OK;

    i->has_worker = rc == PST_OK;
    return rc;
}

void fake_inst_free(struct fake_inst *i)
{
    const struct pst_hooks *hooks;

    if (i == NULL) {
        return;
    }
    hooks = &i->self.module->hooks;
    if (i->has_worker && hooks->worker_fini != NULL) {
        hooks->worker_fini(i->ptr, i->worker_state);
    }
    if (hooks->fini != NULL) {
        hooks->fini(i->ptr);
    }
    for (struct fake_service **at = &fake_current->services; *at != NULL;) {
        struct fake_service *s = *at;

        if (s->by != &i->self) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        free(s->name);
        free(s);
    }
    inst_release(i);
}

void *fake_inst_ptr(const struct fake_inst *i)
{
    return i->ptr;
}

int fake_host_unconsumed(const struct fake_host *h)
{
    int n = 0;

    for (const struct fake_service *s = h->services; s != NULL; s = s->next) {
        n += (s->flags & PST_SERVICE_MUST_BE_CONSUMED) != 0 && !s->consumed;
    }
    return n;
}

static int32_t host_instance_info(pst_instance *self, struct pst_str *chain, uint32_t *scope)
{
    *chain = pst_str_of(self->chain);
    *scope = self->scope;
    return PST_OK;
}

static int32_t host_publish(pst_instance *self, const char *service, const void *table,
                            uint32_t flags)
{
    struct fake_service *s = fake_alloc(sizeof(*s)), **at = &fake_current->services;

    FAKE_MAIN();
    *s = (struct fake_service){ NULL, self, fake_copy(service, strlen(service)), table, flags, 0 };
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = s;
    fake_say("publish %s by %s", service, fake_instance_name(self));
    return PST_OK;
}

static int32_t host_find_each(pst_instance *self, const char *service,
                              void (*found)(void *arg, const void *table), void *arg)
{
    int32_t n = 0;

    FAKE_MAIN();
    for (struct fake_service *s = fake_current->services; s != NULL; s = s->next) {
        if (strcmp(s->name, service) == 0 && s->by->scope == self->scope &&
            strcmp(s->by->chain, self->chain) == 0) {
            s->consumed = 1;
            n++;
            found(arg, s->table);
        }
    }
    return n;
}

static uint32_t host_instance_enforces(pst_instance *self)
{
    return self->shadow ? 0 : 1;
}

void fake_inst_shadow(struct fake_inst *i)
{
    i->self.shadow = 1;
}

void fake_module_table(struct pst_host *t)
{
    t->instance_enforces = host_instance_enforces;
    t->instance_info = host_instance_info;
    t->publish = host_publish;
    t->find_each = host_find_each;
}
