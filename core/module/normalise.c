/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* Sizes of the tables in 1.0: their last members of that version. They never change. */
#define MODULE_SIZE_1_0 END_OF(struct pst_module, unload)
#define HOOKS_SIZE_1_0  END_OF(struct pst_hooks, fini)
#define OPTION_SIZE_1_0 END_OF(struct pst_option, reserved)

#define KNOWN_SCOPES (PST_SCOPE_LISTENER | PST_SCOPE_EDGE)
#define KNOWN_ROLES  (PST_ROLE_CLIENT_TRANSPORT | PST_ROLE_UPSTREAM | PST_ROLE_UPSTREAM_TRANSPORT)
#define KNOWN_FLAGS  PST_FLAG_DECIDES
#define KNOWN_OPTION_FLAGS                                                                         \
    (PST_OPT_LIST | PST_OPT_REQUIRED | PST_OPT_LISTENER_ONLY | PST_OPT_EDGE_ONLY | PST_OPT_SECRET)

/* Every connection pays for it, so a larger figure is a mistake. */
#define STATE_MAX     (1u << 20)
#define OPTION_LEVELS 4

int module_refuse(char *why, size_t why_n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, why_n, fmt, ap);
    va_end(ap);
    return ERR_MODULE;
}

/* The part that every version of the ABI can read. */
static int check_frozen(const struct pst_module *d, char *why, size_t why_n)
{
    if (d == NULL || d->magic != PST_MAGIC) {
        return module_refuse(why, why_n, "its descriptor is not that of a Postern module");
    }
    if (d->major != PST_ABI_MAJOR) {
        return module_refuse(why, why_n, "built for ABI %u, this proxy speaks %u",
                             (unsigned)d->major, (unsigned)PST_ABI_MAJOR);
    }
    if (d->minor_needed > PST_ABI_MINOR) {
        return module_refuse(why, why_n, "needs ABI %u.%u, this proxy has %u.%u: a newer proxy",
                             (unsigned)PST_ABI_MAJOR, (unsigned)d->minor_needed,
                             (unsigned)PST_ABI_MAJOR, (unsigned)PST_ABI_MINOR);
    }
    if (((uint32_t)d->flags & ~(uint32_t)KNOWN_FLAGS) != 0) {
        return module_refuse(why, why_n, "has flags 0x%x unknown here: it needs a newer proxy",
                             (unsigned)d->flags);
    }
    return ERR_OK;
}

static int check_size(const char *what, uint32_t size, size_t least, char *why, size_t why_n)
{
    if (size < least || size % sizeof(void *) != 0) {
        return module_refuse(why, why_n, "its %s is %u bytes, in ABI 1.0 it has %zu", what,
                             (unsigned)size, least);
    }
    return ERR_OK;
}

/* Copy as much as both sides know; what the module does not have stays zero. */
static void copy_table(void *to, size_t to_n, const void *from, uint32_t from_n)
{
    memset(to, 0, to_n);
    memcpy(to, from, from_n < to_n ? from_n : to_n);
}

static int check_options(const struct pst_option *o, uint32_t n, uint32_t stride, unsigned level,
                         char *why, size_t why_n)
{
    if (n == 0) {
        return ERR_OK;
    }
    if (o == NULL || level >= OPTION_LEVELS) {
        return module_refuse(why, why_n, "its option table is %s",
                             o == NULL ? "missing" : "nested too deeply");
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct pst_option *at =
            (const struct pst_option *)(const void *)((const char *)o + (size_t)i * stride);
        if (at->name == NULL || at->name[0] == '\0') {
            return module_refuse(why, why_n, "option %u of its table has no name", (unsigned)i);
        }
        if (at->type < PST_OPT_STR || at->type > PST_OPT_GROUP ||
            (at->flags & ~(uint32_t)KNOWN_OPTION_FLAGS) != 0) {
            return module_refuse(why, why_n,
                                 "its option %s is of a kind unknown here: it needs a newer proxy",
                                 at->name);
        }
        if (at->type == PST_OPT_GROUP) {
            int rc = check_options(at->sub, at->n_sub, stride, level + 1, why, why_n);
            if (rc != ERR_OK) {
                return rc;
            }
        }
    }
    return ERR_OK;
}

/* What the normalised descriptor says. */
static int check_content(const struct pst_module *d, const char *name, char *why, size_t why_n)
{
    if (d->name == NULL || strcmp(d->name, name) != 0) {
        return module_refuse(why, why_n, "calls itself \"%s\"", d->name == NULL ? "" : d->name);
    }
    if (d->version == NULL) {
        return module_refuse(why, why_n, "has no version");
    }
    if (d->scopes == 0 || (d->scopes & ~(uint32_t)KNOWN_SCOPES) != 0) {
        return module_refuse(why, why_n, "%s (scopes 0x%x)",
                             d->scopes == 0 ? "fits neither listeners nor edges"
                                            : "fits places unknown here: it needs a newer proxy",
                             (unsigned)d->scopes);
    }
    if ((d->roles & ~(uint32_t)KNOWN_ROLES) != 0) {
        return module_refuse(why, why_n, "has roles 0x%x unknown here: it needs a newer proxy",
                             (unsigned)d->roles);
    }
    if (d->conn_state_size > STATE_MAX) {
        return module_refuse(why, why_n, "wants %u bytes per connection, the limit is %u",
                             (unsigned)d->conn_state_size, STATE_MAX);
    }
    return ERR_OK;
}

int module_normalise(const struct pst_module *d, const char *name, struct module *m, char *why,
                     size_t why_n)
{
    memset(m, 0, sizeof(*m));
    int rc = check_frozen(d, why, why_n);
    if (rc == ERR_OK) {
        rc = check_size("descriptor", d->size, MODULE_SIZE_1_0, why, why_n);
    }
    if (rc != ERR_OK) {
        return rc;
    }
    copy_table(&m->desc, sizeof(m->desc), d, d->size);
    m->desc.size = sizeof(m->desc);

    rc = check_content(&m->desc, name, why, why_n);
    if (rc == ERR_OK && m->desc.hooks != NULL) {
        rc = check_size("hook table", m->desc.hooks->size, HOOKS_SIZE_1_0, why, why_n);
    }
    if (rc == ERR_OK && m->desc.n_options > 0) {
        rc = check_size("option", m->desc.option_size, OPTION_SIZE_1_0, why, why_n);
    }
    if (rc == ERR_OK) {
        rc = check_options(m->desc.options, m->desc.n_options, m->desc.option_size, 0, why, why_n);
    }
    if (rc != ERR_OK) {
        return rc;
    }
    if (m->desc.hooks != NULL) {
        copy_table(&m->hooks, sizeof(m->hooks), m->desc.hooks, m->desc.hooks->size);
    }
    m->hooks.size = sizeof(m->hooks);
    m->desc.hooks = &m->hooks;
    m->name = m->desc.name;
    return ERR_OK;
}
