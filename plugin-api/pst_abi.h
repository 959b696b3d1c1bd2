/* SPDX-License-Identifier: MIT */
/* Version numbers, the module descriptor and the one exported function. */
#ifndef PST_ABI_H
#define PST_ABI_H

#include "pst_config.h"
#include "pst_hooks.h"
#include "pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pst_host;

#define PST_MAGIC 0x4d545350u /* "PSTM" read as little-endian bytes */

#define PST_ABI_MAJOR 1
#define PST_ABI_MINOR 1

/* Name of the exported function; the number is PST_ABI_MAJOR. */
#define PST_ENTRY_NAME "postern_module_v1"

#if defined(__GNUC__) || defined(__clang__)
#define PST_EXPORT __attribute__((visibility("default")))
#else
#define PST_EXPORT
#endif

/* pst_module.scopes: where a module may be attached. */
enum {
    PST_SCOPE_LISTENER = 1u << 0,
    PST_SCOPE_EDGE = 1u << 1
};

/* pst_module.roles. At most one CLIENT_TRANSPORT per edge. */
enum {
    PST_ROLE_CLIENT_TRANSPORT = 1u << 0,  /* stacks a stream on the client's (on_transport)        */
    PST_ROLE_UPSTREAM = 1u << 1,          /* may supply the upstream stream (on_upstream)          */
    PST_ROLE_UPSTREAM_TRANSPORT = 1u << 2 /* stacks a stream on the upstream's (on_upstream_ready) */
};

/* pst_module.flags. */
enum {
    PST_FLAG_DECIDES = 1u << 0 /* its denials may be switched to shadow by `enforce = false`       */
};

/* The descriptor. Static: it lives as long as the process. */
struct pst_module {
    /* These 16 bytes are frozen for all time. */
    uint32_t magic; /* PST_MAGIC */
    uint32_t size;
    uint16_t major;
    uint16_t minor_built;  /* PST_ABI_MINOR of the header it was compiled with               */
    uint16_t minor_needed; /* the oldest host it can live with                               */
    uint16_t flags;        /* PST_FLAG_*                                                     */

    const char *name;    /* as in the configuration and the file name: "ip-restrictions"     */
    const char *version; /* the module's own                                                 */
    uint32_t scopes;     /* PST_SCOPE_*                                                      */
    uint32_t roles;      /* PST_ROLE_*                                                       */
    uint32_t conn_state_size; /* zeroed block per connection, owned by the host              */
    uint32_t n_options;
    uint32_t option_size; /* sizeof(struct pst_option) when compiled                         */
    uint32_t reserved;
    const struct pst_option *options;
    const struct pst_hooks *hooks;

    /*
     * Constraints on the chain, as NULL-terminated lists of module names. Checked, never
     * applied: a violation is a configuration error that names both positions.
     */
    const char *const *requires_list; /* must be in the same chain                               */
    const char *const *conflicts_list; /* must not                                                */
    const char *const *after_list;     /* must stand before this one, when present                */

    /* Keep `host`, register variables and metrics. Once per process. Not 0: refused. [main] */
    int32_t (*load)(const struct pst_host *host);

    /* At exit, after all workers joined. [main] */
    void (*unload)(void);
};

/* The only symbol a module exports. */
PST_EXPORT const struct pst_module *postern_module_v1(void);

/*
 * The start of every descriptor:
 *     static const struct pst_module mod = {
 *         PST_MODULE_HEAD(0, PST_FLAG_DECIDES), .name = "my-module", ...
 */
#define PST_MODULE_HEAD(needed, flags_)                                                            \
    .magic = PST_MAGIC, .size = (uint32_t)sizeof(struct pst_module), .major = PST_ABI_MAJOR,       \
    .minor_built = PST_ABI_MINOR, .minor_needed = (needed), .flags = (flags_)

#ifdef __cplusplus
}
#endif

#endif
