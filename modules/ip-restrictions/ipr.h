/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An instance of ip-restrictions: its rules and how they are read from the configuration. */
#ifndef POSTERN_IP_RESTRICTIONS_IPR_H
#define POSTERN_IP_RESTRICTIONS_IPR_H

#include "lookup.h"

enum source_kind {
    SOURCE_LIST,  /* name: the key; line: index */
    SOURCE_FILE,  /* name: "allow_file /path"; line: line number */
    SOURCE_POLICY /* name: the policy; line: index of the rule */
};

/* Where rules come from. Strings of the configuration are borrowed: they live until fini(). */
struct source {
    enum source_kind kind;
    const char *key;         /* allow, deny, allow_file, deny_file */
    const char *name;        /* path or policy                     */
    struct pst_str *details; /* policy: description by rule, owned */
};

/* Read-only once init() has returned. */
struct ipr {
    struct rule_set allow, deny;
    struct source *sources;
    uint32_t n_sources;
    uint32_t allow_by_default;
};

/* The declared options. */
#define IPR_N_OPTIONS 6
extern const struct pst_option ipr_options[IPR_N_OPTIONS];

/*
 * Read the configuration of an instance; every error is recorded with the host. PST_OK, or
 * PST_ERR_CONFIG / PST_ERR_NOMEM; the caller frees `ipr` in any case. [main]
 */
int32_t ipr_configure(const struct pst_host *host, pst_instance *self, const pst_cfg *cfg,
                      struct ipr *ipr);

/*
 * Read a file of networks, one a line, into `set`. Errors are recorded at `node`, the first 20
 * one by one. PST_OK or a PST_ERR_*. [main]
 */
int32_t ipr_read_file(const struct pst_host *host, const pst_cfg *node, const char *path,
                      struct rule_set *set, uint16_t source);

/* Free everything an instance holds, and itself; NULL is fine. [main] */
void ipr_free(struct ipr *ipr);

#endif
