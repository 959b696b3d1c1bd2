/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/load.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"

typedef const struct pst_module *(*entry_fn)(void);

/* Entry functions of later majors, to say what is wrong with a module that is too new. */
#define NEWEST_MAJOR_PROBED 9

/* All loaded modules, the last one first. Main thread only. */
static struct module *registry;

/* A file whose load() refused: it runs once per process, however many places name the module. */
struct refusal {
    struct refusal *next;
    uint64_t dev, ino, mtime_ns;
    char why[];
};
static struct refusal *refusals;

/* Set around load(): what the module registers there belongs to it. */
static _Thread_local const struct module *loading;

static bool name_ok(const char *name)
{
    return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

static struct module *registry_find(const char *name)
{
    struct module *m = registry;
    while (m != NULL && strcmp(m->name, name) != 0) {
        m = m->next;
    }
    return m;
}

const struct module *module_find(const char *name)
{
    if (loading != NULL && strcmp(loading->name, name) == 0) {
        return loading;
    }
    return registry_find(name);
}

const struct module *module_loading(void)
{
    return loading;
}

const struct module *module_list(void)
{
    return registry;
}

static uint64_t mtime_ns(const struct stat *st)
{
    return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

/* Why this file was refused before; NULL: it was not. */
static const char *refused_before(const struct stat *st)
{
    for (const struct refusal *r = refusals; r != NULL; r = r->next) {
        if (r->dev == (uint64_t)st->st_dev && r->ino == (uint64_t)st->st_ino &&
            r->mtime_ns == mtime_ns(st)) {
            return r->why;
        }
    }
    return NULL;
}

static void remember_refusal(const struct stat *st, const char *why)
{
    size_t n = strlen(why) + 1;
    struct refusal *r = malloc(sizeof(*r) + n);

    if (r == NULL) {
        return;
    }
    r->dev = (uint64_t)st->st_dev;
    r->ino = (uint64_t)st->st_ino;
    r->mtime_ns = mtime_ns(st);
    memcpy(r->why, why, n);
    r->next = refusals;
    refusals = r;
}

/* Whoever can write here can run code in this process: only root and we ourselves may. */
static int check_owner(const char *path, const struct stat *st, char *why, size_t why_n)
{
    if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != getuid()) {
        return module_refuse(why, why_n, "%s belongs to user %lu, neither root nor this user", path,
                             (unsigned long)st->st_uid);
    }
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return module_refuse(why, why_n, "%s is writable by group or others (mode %04o)", path,
                             (unsigned)(st->st_mode & 07777));
    }
    return ERR_OK;
}

/* Look at what `path` leads to; symbolic links are fine, what they lead to is judged. */
static int check_path(const char *path, bool want_dir, struct stat *st, char *why, size_t why_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return module_refuse(why, why_n, "%s: %s", path, strerror(errno));
    }
    int rc = ERR_OK;
    if (fstat(fd, st) != 0) {
        rc = module_refuse(why, why_n, "%s: %s", path, strerror(errno));
    } else if (want_dir ? !S_ISDIR(st->st_mode) : !S_ISREG(st->st_mode)) {
        rc = module_refuse(why, why_n, "%s is not a %s", path, want_dir ? "directory" : "file");
    } else {
        rc = check_owner(path, st, why, why_n);
    }
    close(fd);
    return rc;
}

/* The module's entry function, or NULL with the reason. */
static entry_fn find_entry(void *dl, char *why, size_t why_n)
{
    entry_fn entry = (entry_fn)dlsym(dl, PST_ENTRY_NAME);
    if (entry != NULL) {
        return entry;
    }
    for (int major = PST_ABI_MAJOR + 1; major <= NEWEST_MAJOR_PROBED; major++) {
        char symbol[32];
        snprintf(symbol, sizeof(symbol), "postern_module_v%d", major);
        if (dlsym(dl, symbol) != NULL) {
            module_refuse(why, why_n, "built for ABI %d, this proxy speaks %d", major,
                          PST_ABI_MAJOR);
            return NULL;
        }
    }
    module_refuse(why, why_n, "not a Postern module (no function " PST_ENTRY_NAME ")");
    return NULL;
}

/*
 * Normalise, run load(), put into the registry. Takes over nothing on failure. st is the file's,
 * NULL when there is none.
 */
static struct module *admit(const struct pst_module *d, const char *name, const struct stat *st,
                            const struct pst_host *host, char *why, size_t why_n)
{
    struct module *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        module_refuse(why, why_n, "out of memory");
        return NULL;
    }
    if (module_normalise(d, name, m, why, why_n) != ERR_OK) {
        free(m);
        return NULL;
    }
    if (m->desc.load != NULL) {
        loading = m;
        int32_t rc = m->desc.load(host);
        loading = NULL;
        if (rc != 0) {
            module_refuse(why, why_n, "it refused to start (load() answered %d)", (int)rc);
            if (st != NULL) {
                remember_refusal(st, why);
            }
            free(m);
            return NULL;
        }
    }
    m->next = registry;
    registry = m;
    return m;
}

static const struct module *load_file(const char *dir, const char *name, const char *path,
                                      const struct pst_host *host, char *why, size_t why_n)
{
    struct stat st;
    if (check_path(dir, true, &st, why, why_n) != ERR_OK ||
        check_path(path, false, &st, why, why_n) != ERR_OK) {
        return NULL;
    }
    const char *before = refused_before(&st);
    if (before != NULL) {
        module_refuse(why, why_n, "%s", before);
        return NULL;
    }
    /* A refused module keeps its handle: with RTLD_NODELETE nothing is ever unmapped anyway. */
    void *dl = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (dl == NULL) {
        const char *text = dlerror();
        module_refuse(why, why_n, "%s", text != NULL ? text : "dlopen() failed");
        return NULL;
    }
    entry_fn entry = find_entry(dl, why, why_n);
    char *kept = entry != NULL ? strdup(path) : NULL;
    struct module *m = NULL;
    if (entry != NULL && kept == NULL) {
        module_refuse(why, why_n, "out of memory");
    } else if (entry != NULL) {
        m = admit(entry(), name, &st, host, why, why_n);
    }
    if (m == NULL) {
        free(kept);
        return NULL;
    }
    m->path = kept;
    m->dl = dl;
    m->dev = (uint64_t)st.st_dev;
    m->ino = (uint64_t)st.st_ino;
    m->mtime_ns = mtime_ns(&st);
    return m;
}

const struct module *module_get(const char *dir, const char *name, const struct pst_host *host,
                                char *why, size_t why_n)
{
    char path[PATH_MAX];
    if (!name_ok(name)) {
        module_refuse(why, why_n, "a module's name is made of a-z, 0-9 and hyphens");
        return NULL;
    }
    struct module *m = registry_find(name);
    if (m != NULL && m->path == NULL) {
        return m;
    }
    int n = snprintf(path, sizeof(path), "%s/%s.so", dir, name);
    if (dir[0] != '/' || n < 0 || (size_t)n >= sizeof(path)) {
        module_refuse(why, why_n, "the module directory \"%s\" is not an absolute path", dir);
        return NULL;
    }
    if (m != NULL) {
        if (strcmp(m->path, path) == 0) {
            return m;
        }
        module_refuse(why, why_n, "already loaded from %s; restart to load it from %s", m->path,
                      dir);
        return NULL;
    }
    return load_file(dir, name, path, host, why, why_n);
}

const struct module *module_register_static(const struct pst_module *d, const struct pst_host *host,
                                            char *why, size_t why_n)
{
    assert(registry_find(d->name) == NULL);
    return admit(d, d->name, NULL, host, why, why_n);
}

bool module_changed_on_disk(const struct module *m)
{
    struct stat st;
    if (m->path == NULL) {
        return false;
    }
    return stat(m->path, &st) != 0 || (uint64_t)st.st_dev != m->dev ||
           (uint64_t)st.st_ino != m->ino || mtime_ns(&st) != m->mtime_ns;
}

void module_unload_all(void)
{
    while (registry != NULL) {
        struct module *m = registry;
        registry = m->next;
        if (m->desc.unload != NULL) {
            m->desc.unload();
        }
        free((void *)(uintptr_t)m->path);
        free(m);
    }
    while (refusals != NULL) {
        struct refusal *r = refusals;
        refusals = r->next;
        free(r);
    }
}
