/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading of modules: dlopen, the frozen 16 bytes, all checks, normalisation of every table to
 * this host's layout. A module is loaded once per process and never unloaded before exit.
 */
#ifndef POSTERN_MODULE_LOAD_H
#define POSTERN_MODULE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin-api/postern_module.h"

struct module {
    struct module *next;
    const char *name; /* the file's; equal to desc.name                       */
    const char *path;
    struct pst_module desc; /* normalised copy; desc.hooks points at `hooks`        */
    struct pst_hooks hooks; /* normalised copy                                      */
    void *dl;
    uint64_t dev, ino; /* of the file when loaded, to notice a replaced one    */
    uint64_t mtime_ns;
};

/*
 * The module called `name` from `dir`, loading it when it is not loaded yet. NULL: refused, and
 * why[] says what to do about it. The module stays valid until module_unload_all(). [main]
 */
const struct module *module_get(const char *dir, const char *name, const struct pst_host *host,
                                char *why, size_t why_n);

/* True when the file on disk is no longer the one that was loaded. [main] */
bool module_changed_on_disk(const struct module *m);

/*
 * Check a descriptor and copy it into m (zeroed by this call): everything of module_get() but the
 * file and load(). m must stay where it is. ERR_MODULE with why[] filled. Pure. (normalise.c)
 */
int module_normalise(const struct pst_module *d, const char *name, struct module *m, char *why,
                     size_t why_n);

/* Put the reason of a refusal into why[]; answers ERR_MODULE. */
int module_refuse(char *why, size_t why_n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Take a descriptor that is linked into the program instead of a file; module_get() then finds
 * it by its name, whatever the directory (tests). NULL as module_get(). [main]
 */
const struct module *module_register_static(const struct pst_module *d, const struct pst_host *host,
                                            char *why, size_t why_n);

/*
 * A loaded module, or the one whose load() is running on this thread. NULL: none of this
 * name. [main]
 */
const struct module *module_find(const char *name);
/* The module whose load() is running on this thread, NULL: none. [any] */
const struct module *module_loading(void);
/* The module loaded last; follow `next` for the others. NULL: none. [main] */
const struct module *module_list(void);

/* At exit, all other threads joined: run unload() in reverse order. Never dlclose. [main] */
void module_unload_all(void);

#endif
