/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instances: made, used, taken over and freed, also when memory or the configuration fails them. */
#include "kit/check/check.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/check/heap.h"
#include "t/harness/fake_host.h"

/* A module that needs more allocations than this for one instance is not failed at each of them. */
#define FAILURES_MAX 500

struct life {
    const struct check *ck;
    struct fake_host *host;
    struct fake_module *module;
    uint32_t scope;
    bool old;
    char *config;
    int64_t per_instance; /* blocks that each instance leaks, reported once */
    char how[96];         /* what is made difficult, for findings_doing() */
};

const char *scope_text(uint32_t scope)
{
    return scope == PST_SCOPE_EDGE ? "an edge" : "a listener";
}

static void doing(const struct life *l, const char *what)
{
    findings_doing(l->ck->all, "%s at %s%s%s", what, scope_text(l->scope),
                   l->old ? " in a host of 1.0" : "", l->how);
}

/* Only the configuration errors of the transcript, in one line. */
static void errors_of(const struct life *l, char *out, size_t cap)
{
    const char *at = fake_host_transcript(l->host);
    size_t n = 0;

    out[0] = '\0';
    while ((at = strstr(at, "error")) != NULL && n < cap) {
        bool whole = at == fake_host_transcript(l->host) || at[-1] == '\n';

        at += strlen("error");
        if (whole) {
            const char *text = at + strspn(at, ": ");
            int len = snprintf(out + n, cap - n, "%s%.*s", n > 0 ? "; " : "",
                               (int)strcspn(text, "\n"), text);

            n += len > 0 ? (size_t)len : 0;
        }
    }
}

/* An instance up to its worker; NULL: a hook failed, and everything is undone. */
static struct fake_inst *make(const struct life *l, const char *chain, const char *config)
{
    struct fake_inst *i;
    int32_t rc;

    doing(l, "init()");
    i = fake_inst_new(l->module, l->scope, chain, config);
    if (i == NULL) {
        return NULL;
    }
    doing(l, "link()");
    rc = fake_inst_link(i);
    if (rc == PST_OK) {
        doing(l, "worker_init()");
        rc = fake_inst_worker(i);
    }
    if (rc != PST_OK) {
        doing(l, "fini()");
        fake_inst_free(i);
        return NULL;
    }
    return i;
}

static void unmake(const struct life *l, struct fake_inst *i)
{
    doing(l, "retire()");
    fake_inst_retire(i);
    doing(l, "worker_fini() or fini()");
    fake_inst_free(i);
    doing(l, "a job that was cancelled");
    fake_host_turn(l->host);
    fake_host_advance(l->host, 1000);
}

/* --- leaks --------------------------------------------------------------------------------- */

/*
 * Run `what` until it keeps no more memory, three times at most; how many blocks it keeps. Tickets
 * that were not given back are counted apart.
 */
static int64_t kept_by(const struct life *l, void (*what)(const struct life *l, void *arg),
                       void *arg)
{
    int64_t kept = 1;

    for (int i = 0; i < 3 && kept > 0; i++) {
        int64_t before = heap_live() - fake_host_tickets(l->host);

        what(l, arg);
        fake_host_forget(l->host);
        kept = heap_live() - fake_host_tickets(l->host) - before;
        l->ck->all->quiet = 1;
    }
    l->ck->all->quiet = 0;
    return heap_works() ? kept : 0;
}

static void live_once(const struct life *l, void *arg)
{
    struct fake_inst *i = make(l, "check", l->config);

    (void)arg;
    if (i != NULL) {
        unmake(l, i);
    }
}

static void connect_once(const struct life *l, void *arg)
{
    conns_all(&(struct conns){ l->ck, l->host, arg, l->scope, l->old });
}

/* --- wrong configurations -------------------------------------------------------------- */

static void refuse_once(const struct life *l, void *arg)
{
    struct fake_inst *i = make(l, "check", arg);
    char errors[256];

    if (i != NULL) {
        unmake(l, i);
        return;
    }
    errors_of(l, errors, sizeof(errors));
    if (errors[0] == '\0') {
        problem(l->ck->all, "config-error",
                "refuses a configuration%s without saying why: call host->cfg_error()", l->how);
    }
}

static void try_wrong_values(struct life *l)
{
    const struct pst_module *d = fake_module_desc(l->module);

    for (uint32_t i = 0; i < d->n_options; i++) {
        const struct pst_option *o =
            (const struct pst_option *)(const void *)((const char *)d->options +
                                                      (size_t)i * d->option_size);
        const char *value =
            o->type == PST_OPT_PATH ? "/nonexistent/postern-module-check" : "\x01no value {}\"\\";
        char *wrong;
        int64_t kept;

        if ((o->type != PST_OPT_PATH && o->type != PST_OPT_STR) || o->choices != NULL ||
            (wrong = config_replace(l->config, o->name, value, (o->flags & PST_OPT_LIST) != 0)) ==
                NULL) {
            continue;
        }
        snprintf(l->how, sizeof(l->how), " with a wrong %s", o->name);
        kept = kept_by(l, refuse_once, wrong);
        if (kept > l->per_instance) {
            problem(l->ck->all, "leak-config",
                    "keeps %lld blocks when init() refuses a wrong %s: fini() is not called then",
                    (long long)kept, o->name);
        }
        l->how[0] = '\0';
        free(wrong);
    }
}

/* --- failing allocations --------------------------------------------------------------- */

/* One difficulty: the k-th allocation, or the k-th request of the host, fails. */
struct failure {
    const char *what;
    void (*set)(struct fake_host *h, unsigned k);
    uint64_t (*asked)(struct fake_host *h);
    struct fake_inst *inst; /* connections of this one; NULL: the making of one */
    unsigned k;
    uint64_t n; /* requests that were made */
};

static void fail_heap(struct fake_host *h, unsigned k)
{
    (void)h;
    heap_fail(k);
}

static uint64_t heap_asked_for(struct fake_host *h)
{
    (void)h;
    return heap_asked();
}

static void fail_host(struct fake_host *h, unsigned k)
{
    fake_host_refuse(h, k);
}

static uint64_t host_asked_for(struct fake_host *h)
{
    return fake_host_refuse(h, 0);
}

static void fail_once(const struct life *l, void *arg)
{
    struct fake_inst *made = NULL;
    struct failure *f = arg;

    f->set(l->host, f->k);
    if (f->inst != NULL) {
        conns_one(&(struct conns){ l->ck, l->host, f->inst, l->scope, l->old });
    } else {
        made = make(l, "check", l->config);
    }
    f->n = f->asked(l->host);
    f->set(l->host, 0);
    if (made != NULL) {
        unmake(l, made);
    }
}

/* What is kept without any failure was reported before. */
static void try_failures(struct life *l, struct failure f)
{
    int64_t usual = kept_by(l, fail_once, &f);
    uint64_t n = f.n;

    for (f.k = 1; f.k <= n && f.k <= FAILURES_MAX; f.k++) {
        int64_t kept;

        snprintf(l->how, sizeof(l->how), ", %s %u failing", f.what, f.k);
        kept = kept_by(l, fail_once, &f);
        n = f.n;
        if (kept > usual) {
            problem(l->ck->all, "leak-failure", "keeps %lld blocks when %s %u %s fails",
                    (long long)kept, f.what, f.k,
                    f.inst != NULL ? "for a connection" : "of init()");
            break;
        }
    }
    l->how[0] = '\0';
}

static void try_all_failures(struct life *l, struct fake_inst *inst)
{
    if (heap_works()) {
        try_failures(l, (struct failure){ "allocation", fail_heap, heap_asked_for, inst, 0, 0 });
    }
    try_failures(l, (struct failure){ "host request", fail_host, host_asked_for, inst, 0, 0 });
}

/* --- the whole ----------------------------------------------------------------------------- */

/* Two at once, the younger one taking over from the elder as in a reload. */
static void take_over(const struct life *l)
{
    struct fake_inst *elder = make(l, "check", l->config), *younger;

    if (elder == NULL) {
        return;
    }
    younger = make(l, "check", l->config);
    if (younger == NULL) {
        problem(l->ck->all, "second-instance",
                "a second instance cannot be made while the first one lives, as a reload does");
    } else {
        doing(l, "adopt()");
        if (fake_inst_adopt(younger, elder) != PST_OK) {
            problem(l->ck->all, "adopt",
                    "adopt() fails between two instances of the same settings");
        }
    }
    unmake(l, elder);
    if (younger != NULL) {
        conns_one(&(struct conns){ l->ck, l->host, younger, l->scope, l->old });
        unmake(l, younger);
    }
    report_bugs(l->ck, l->host);
}

/* The module's own code, as the loader placed it. */
static int find_code(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t inside = *(uintptr_t *)arg, from = UINTPTR_MAX, to = 0;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + ph->p_vaddr;

        if (ph->p_type == PT_LOAD) {
            from = at < from ? at : from;
            to = at + ph->p_memsz > to ? at + ph->p_memsz : to;
        }
    }
    if (inside < from || inside >= to) {
        return 0;
    }
    heap_module(from, to);
    return 1;
}

static bool first_instance(const struct life *l)
{
    struct fake_inst *i = make(l, "check", l->config);
    char errors[256];

    if (i != NULL) {
        unmake(l, i);
        report_bugs(l->ck, l->host);
        return true;
    }
    errors_of(l, errors, sizeof(errors));
    if (l->old) {
        problem(l->ck->all, "old-host",
                "no instance can be made in a host of ABI 1.0: "
                "say what it needs in .minor_needed");
    } else if (l->config[0] == '\0') {
        incomplete(l->ck->all, "config",
                   "needs a configuration at %s (%s): give OPTION=VALUE or -c",
                   scope_text(l->scope), errors[0] != '\0' ? errors : "it did not say why");
    } else {
        problem(l->ck->all, "config", "refuses the configuration at %s: %s", scope_text(l->scope),
                errors[0] != '\0' ? errors : "link() or worker_init() fails");
    }
    return false;
}

static void live(struct life *l)
{
    struct fake_inst *inst;
    int64_t kept;

    if (!first_instance(l)) {
        return;
    }
    l->per_instance = kept = kept_by(l, live_once, NULL);
    if (kept > 0) {
        problem(l->ck->all, "leak-instance",
                "keeps %lld blocks of each instance at %s after fini()", (long long)kept,
                scope_text(l->scope));
    }
    take_over(l);
    inst = make(l, "check", l->config);
    kept = kept_by(l, connect_once, inst);
    if (kept > 0) {
        problem(l->ck->all, "leak-connection",
                "keeps %lld blocks of connections at %s after conn_fini()", (long long)kept,
                scope_text(l->scope));
    }
    try_all_failures(l, inst);
    unmake(l, inst);
    if (fake_host_tickets(l->host) > 0) {
        problem(l->ck->all, "ticket",
                "keeps %d tickets: give each back with resume(), or ticket_free() after cancel",
                fake_host_tickets(l->host));
    }
    report_bugs(l->ck, l->host);
    try_wrong_values(l);
    try_all_failures(l, NULL);
}

void check_life(const struct check *ck, uint32_t scope, bool old)
{
    struct life l = { .ck = ck, .host = fake_host_new(), .scope = scope, .old = old };
    void *dl, *entry;
    uintptr_t inside;

    if (old) {
        fake_host_truncate(l.host, FAKE_HOST_SIZE_1_0, 0);
    }
    doing(&l, "load()");
    l.module = fake_module_load(l.host, ck->path);
    if (l.module == NULL) {
        problem(ck->all, old ? "old-host" : "load",
                old ? "load() fails in a host of ABI 1.0: say what it needs in .minor_needed"
                    : "load() fails: it may only look at its host, and register what it has");
        return;
    }
    dl = dlopen(ck->path, RTLD_NOW | RTLD_NOLOAD);
    entry = dlsym(dl, PST_ENTRY_NAME);
    memcpy(&inside, &entry, sizeof(inside));
    dl_iterate_phdr(find_code, &inside);
    l.config = config_entry(ck, fake_module_desc(l.module));
    live(&l);
    free(l.config);
    findings_doing(ck->all, "unload()");
    fake_host_free(l.host);
}
