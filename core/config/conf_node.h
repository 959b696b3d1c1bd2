/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Behind pst_cfg: a libconfig setting with what was declared about it. Nodes are made when they
 * are first asked for, live in the conf's arena and keep their address. [main]
 */
#ifndef POSTERN_CONFIG_CONF_NODE_H
#define POSTERN_CONFIG_CONF_NODE_H

#include <libconfig.h>
#include <stdbool.h>

#include "core/config/conf_priv.h"
#include "plugin-api/pst_config.h"

struct conf_node;

struct pst_cfg {
    struct conf_node *node;
};

/* An array of options as its module was compiled. */
struct conf_options {
    const struct pst_option *p;
    uint32_t n;
    uint32_t stride;
};

struct conf_node {
    struct pst_cfg handle; /* what modules hold                                      */
    struct conf_priv *priv;
    const config_setting_t *s;
    const struct pst_option *option; /* what was declared about the node itself, or NULL  */
    struct conf_options members;     /* of a group: its declared keys; p NULL: none known */
    struct conf_node *kids;          /* by index of the setting; NULL: not asked for yet       */
    const char *said;                /* the last message a module recorded here                */
    bool entry;                      /* a module entry: the core's own keys are hidden         */
    bool bad;                        /* its error is recorded already                          */
};

/* NULL for NULL. */
struct conf_node *conf_node_of(const struct pst_cfg *cfg);
/* Element or member i of the setting, the core's own keys counted; NULL: none, or no memory. */
struct conf_node *conf_node_kid(struct conf_node *node, unsigned i);
/* The member called key, unless it is the core's own. */
struct conf_node *conf_node_member(struct conf_node *node, const char *key);
/* True for module, enabled and enforce of a module entry. */
bool conf_node_hidden(const struct conf_node *node, const char *key);

/* Option i of an array, by its stride. */
const struct pst_option *conf_option_at(const struct conf_options *o, uint32_t i);
/* The option called name, NULL: none. */
const struct pst_option *conf_option_find(const struct conf_options *o, const char *name);

/* A value of any declared or asked type. */
union conf_scalar {
    const char *str; /* STR, PATH */
    uint64_t u64;    /* U64, DURATION, SIZE */
    bool boolean;
    struct pst_net net;
    struct pst_addr addr;
};
/* Read a setting as type (PST_OPT_STR to PST_OPT_PATH); o (may be NULL) has range and choices. */
bool conf_scalar_read(struct conf_priv *p, const config_setting_t *s, uint32_t type,
                      const struct pst_option *o, union conf_scalar *out);

#endif
