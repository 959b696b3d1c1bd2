/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading the file, and what its descriptor says. */
#include "kit/check/check.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "core/module/load.h"

/* Entry functions of later majors, to say that the module is too new. */
#define NEWEST_MAJOR_PROBED 9

struct place {
    const char *hook;
    bool used;
    uint32_t scope;
    uint32_t role; /* 0: any */
};

/* A hook of a place where the module is never attached will never run. */
static void check_places(const struct check *ck, const struct pst_module *d)
{
    const struct pst_hooks *h = d->hooks;
    const struct place places[] = {
        { "on_accept", h->on_accept != NULL, PST_SCOPE_LISTENER, 0 },
        { "on_preface", h->on_preface != NULL, PST_SCOPE_LISTENER, 0 },
        { "on_client_hello", h->on_client_hello != NULL, PST_SCOPE_LISTENER, 0 },
        { "on_admit", h->on_admit != NULL, PST_SCOPE_EDGE, 0 },
        { "on_transport", h->on_transport != NULL, PST_SCOPE_EDGE, PST_ROLE_CLIENT_TRANSPORT },
        { "on_handshake_done", h->on_handshake_done != NULL, PST_SCOPE_EDGE, 0 },
        { "on_upstream", h->on_upstream != NULL, PST_SCOPE_EDGE, PST_ROLE_UPSTREAM },
        { "on_upstream_ready", h->on_upstream_ready != NULL, PST_SCOPE_EDGE,
          PST_ROLE_UPSTREAM_TRANSPORT },
        { "on_established", h->on_established != NULL, PST_SCOPE_EDGE, 0 },
    };
    bool any = h->on_close != NULL || h->conn_fini != NULL || h->init != NULL;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct place *p = &places[i];

        any = any || p->used;
        if (p->used && (d->scopes & p->scope) == 0) {
            problem(ck->all, "hook-place", "%s never runs: add PST_SCOPE_%s to .scopes", p->hook,
                    p->scope == PST_SCOPE_EDGE ? "EDGE" : "LISTENER");
        }
        if (!p->used && p->role != 0 && (d->roles & p->role) != 0) {
            problem(ck->all, "role", "claims a role that needs the hook %s, and has none", p->hook);
        }
    }
    if (!any) {
        problem(ck->all, "no-hooks", "has no hooks: it would never be called");
    }
}

/* A module that conflicts with itself may stand in a chain once: that is fine. */
static void check_chain_lists(const struct check *ck, const struct pst_module *d)
{
    const char *const *const lists[] = { d->requires_list, d->after_list };
    static const char *const names[] = { "requires_list", "after_list" };

    for (size_t i = 0; i < 2; i++) {
        for (const char *const *at = lists[i]; at != NULL && *at != NULL; at++) {
            if (strcmp(*at, d->name) == 0) {
                problem(ck->all, "chain-list", "names itself in .%s: it would wait for itself",
                        names[i]);
            }
        }
    }
}

/* dlsym() on a handle looks at the module and the libraries it names, and at nothing of ours. */
static void check_needed(const struct check *ck, void *dl)
{
    for (size_t i = 0; i < ck->n_needed; i++) {
        if (dlsym(dl, ck->needed[i]) == NULL) {
            problem(ck->all, "undefined-symbol",
                    "needs %s, which no library it is linked with has: add the library, "
                    "and link with -Wl,--no-undefined",
                    ck->needed[i]);
        }
    }
}

static void *open_module(const struct check *ck)
{
    void *dl = dlopen(ck->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const char *text, *missing;

    if (dl != NULL) {
        return dl;
    }
    text = dlerror();
    missing = strstr(text, "undefined symbol: ");
    if (missing != NULL) {
        missing += strlen("undefined symbol: ");
        problem(ck->all, "undefined-symbol",
                "needs %.*s, which no library it is linked with has: add the library, "
                "and link with -Wl,--no-undefined",
                (int)strcspn(missing, ", "), missing);
    } else {
        problem(ck->all, "load", "cannot be loaded: %s", text);
    }
    return NULL;
}

static const struct pst_module *call_entry(const struct check *ck, void *dl)
{
    const struct pst_module *(*entry)(void) = NULL;
    void *symbol = dlsym(dl, PST_ENTRY_NAME);

    if (symbol != NULL) {
        memcpy(&entry, &symbol, sizeof(entry));
        findings_doing(ck->all, PST_ENTRY_NAME "()");
        return entry();
    }
    for (int major = PST_ABI_MAJOR + 1; major <= NEWEST_MAJOR_PROBED; major++) {
        char name[32];

        snprintf(name, sizeof(name), "postern_module_v%d", major);
        if (dlsym(dl, name) != NULL) {
            problem(ck->all, "abi-major", "is built for ABI %d, this is ABI %d: rebuild it", major,
                    PST_ABI_MAJOR);
            return NULL;
        }
    }
    if (ck->all->n == 0) {
        problem(ck->all, "entry",
                "exports no function %s: define it, with <postern_module.h> included",
                PST_ENTRY_NAME);
    }
    return NULL;
}

void check_descriptor(const struct check *ck)
{
    const struct pst_module *d;
    struct module m;
    char why[256];
    void *dl;

    findings_doing(ck->all, "dlopen(), in a constructor");
    dl = open_module(ck);
    d = dl != NULL ? call_entry(ck, dl) : NULL;
    if (dl != NULL) {
        check_needed(ck, dl);
    }
    if (d == NULL) {
        if (dl != NULL && ck->all->n == 0) {
            problem(ck->all, "descriptor", "%s() answers NULL", PST_ENTRY_NAME);
        }
        return;
    }
    findings_doing(ck->all, "reading its descriptor");
    if (module_normalise(d, ck->name, &m, why, sizeof(why)) != 0) {
        problem(ck->all, "descriptor", "%s", why);
        return;
    }
    snprintf(ck->all->name, sizeof(ck->all->name), "%s", m.name);
    snprintf(ck->all->version, sizeof(ck->all->version), "%s", m.desc.version);
    if (m.desc.version[0] == '\0') {
        problem(ck->all, "version", "its version is empty: say one, postern -V prints it");
    }
    if (strspn(m.name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(m.name)) {
        problem(ck->all, "name", "is called \"%s\": names are made of a-z, 0-9 and hyphens",
                m.name);
    }
    check_places(ck, &m.desc);
    check_chain_lists(ck, &m.desc);
    check_options(ck, &m.desc);
    if (findings_status(ck->all) == 0) {
        ck->all->scopes = m.desc.scopes;
        ck->all->minor_needed = m.desc.minor_needed;
    }
}
