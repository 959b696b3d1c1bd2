/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module that is in order as it stands, and wrong in one way with -D: see bad-modules.sh, which
 * compiles it once for each thing that postern-module-check is to notice.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef NO_HEADER
extern const void *postern_module_v1(void);
const void *postern_module_v1(void)
{
    return 0;
}
#elif defined(DATA)
extern int postern_module_v1;
__attribute__((visibility("default"))) int postern_module_v1 = 1;
#elif defined(OTHER_MAJOR)
__attribute__((visibility("default"))) const void *postern_module_v2(void);
const void *postern_module_v2(void)
{
    return 0;
}
#elif !defined(NOTHING)

#include <postern_module.h>

static const struct pst_host *host;

#ifndef MAGIC
#define MAGIC PST_MAGIC
#endif
#ifndef MAJOR
#define MAJOR PST_ABI_MAJOR
#endif
#ifndef NEEDED
#define NEEDED 0
#endif
#ifndef FLAGS
#define FLAGS 0
#endif
#ifndef SIZE
#define SIZE sizeof(struct pst_module)
#endif
#ifndef HOOKS_SIZE
#define HOOKS_SIZE sizeof(struct pst_hooks)
#endif
#ifndef NAME
#define NAME "bad"
#endif
#ifndef VERSION
#define VERSION "1"
#endif
#ifndef SCOPES
#define SCOPES PST_SCOPE_EDGE
#endif
#ifndef ROLES
#define ROLES 0
#endif
#ifndef HOOKS
#define HOOKS .on_admit = hook
#endif
#ifndef OPTION
#define OPTION .help = "what it is for"
#endif
#ifndef OPTION_NAME
#define OPTION_NAME "first"
#endif
#ifndef TOP
#define TOP
#endif
#ifndef LOAD
#define LOAD
#endif
#ifndef INIT
#define INIT
#endif
#ifndef FINI
#define FINI free(inst)
#endif
#ifndef HOOK
#define HOOK
#endif
#ifndef ENTRY
#define ENTRY &module
#endif
#ifndef PTR
#define PTR calloc(1, 16)
#endif

TOP

    static int32_t
    load(const struct pst_host *h)
{
    host = h;
    LOAD;
    return PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    (void)self;
    (void)cfg;
    INIT;
    *inst = PTR;
    return *inst != NULL ? PST_OK : PST_ERR_NOMEM;
}

static void fini(void *inst)
{
    (void)inst;
    FINI;
}

static int32_t hook(struct pst_call *k)
{
    (void)k;
    HOOK;
    return PST_NEXT;
}

static const struct pst_option options[] = {
    { .name = OPTION_NAME, .type = PST_OPT_STR, OPTION },
    { .name = "second", .type = PST_OPT_U64, .def = "3", .max = 5, .help = "the other one" },
};

static const struct pst_hooks hooks = {
    .size = HOOKS_SIZE,
    .init = init,
    .fini = fini,
    HOOKS,
};

static const struct pst_module module = {
    .magic = MAGIC,
    .size = SIZE,
    .major = MAJOR,
    .minor_built = PST_ABI_MINOR,
    .minor_needed = NEEDED,
    .flags = FLAGS,
    .name = NAME,
    .version = VERSION,
    .scopes = SCOPES,
    .roles = ROLES,
    .n_options = sizeof(options) / sizeof(options[0]),
    .option_size = sizeof(options[0]),
    .options = options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return ENTRY;
}

#endif
