/* SPDX-License-Identifier: MIT */
/*
 * Configuration of a module: the options it declares and the reader it gets.
 *
 * A module declares every key it knows. The host then reports unknown keys, wrong types and
 * values out of range with file, line and path before the module sees anything, and fills in
 * defaults.
 */
#ifndef PST_CONFIG_H
#define PST_CONFIG_H

#include "pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Types of options. */
enum {
    PST_OPT_STR = 1,
    PST_OPT_U64 = 2,
    PST_OPT_BOOL = 3,
    PST_OPT_DURATION = 4, /* "500ms" "3s" "5m" "1h"; read in milliseconds                       */
    PST_OPT_SIZE = 5,     /* 4096, "64k", "1m", "1g"; read in bytes                             */
    PST_OPT_NET = 6,      /* "10.0.0.0/8", "2001:db8::/32", or a single address                 */
    PST_OPT_ADDR = 7,     /* "127.0.0.1:80", "[::1]:80"                                         */
    PST_OPT_PATH = 8,     /* a file; relative ones are relative to the file that names them     */
    PST_OPT_GROUP = 9     /* a group whose members are described by `sub`                       */
};

/* Flags of options. */
enum {
    PST_OPT_LIST = 1u << 0,         /* a list or array of values of this type               */
    PST_OPT_REQUIRED = 1u << 1,     /* absence is an error                                  */
    PST_OPT_LISTENER_ONLY = 1u << 2, /* an error when the module is attached to an edge      */
    PST_OPT_EDGE_ONLY = 1u << 3,    /* an error when the module is attached to a listener   */
    PST_OPT_SECRET = 1u << 4        /* never printed                                        */
};

/*
 * One declared option. Everything in it is static: it must live as long as the module.
 * Arrays of options are walked with the descriptor's `option_size` as stride, so this
 * struct may grow at its end.
 */
struct pst_option {
    const char *name;
    const char *def;     /* default as it would be written, NULL: none                       */
    const char *help;    /* one line                                                         */
    const char *choices; /* PST_OPT_STR: "a|b|c", NULL: anything                             */
    const struct pst_option *sub; /* PST_OPT_GROUP: the members; NULL: any member allowed    */
    uint64_t min, max;   /* U64, DURATION (ms), SIZE: allowed range; max 0: no limit         */
    uint32_t type;       /* PST_OPT_*                                                        */
    uint32_t flags;
    uint32_t n_sub;
    uint32_t reserved;
};

/* Types of configuration nodes, as host->cfg_type() tells them. */
enum {
    PST_CFG_NONE = 0,
    PST_CFG_STR = 1,
    PST_CFG_INT = 2,
    PST_CFG_BOOL = 3,
    PST_CFG_FLOAT = 4,
    PST_CFG_LIST = 5, /* list or array */
    PST_CFG_GROUP = 6
};

#ifdef __cplusplus
}
#endif

#endif
