/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/config/conf_node.h"

#include <string.h>

struct pst_cfg *conf_node_new(struct conf_priv *p, const config_setting_t *s, bool entry)
{
    struct conf_node *node = arena_alloc(&p->arena, sizeof(*node));

    if (node == NULL) {
        return NULL;
    }
    node->handle.node = node;
    node->priv = p;
    node->s = s;
    node->entry = entry;
    return &node->handle;
}

struct conf_node *conf_node_of(const struct pst_cfg *cfg)
{
    return cfg != NULL ? cfg->node : NULL;
}

const struct pst_option *conf_option_at(const struct conf_options *o, uint32_t i)
{
    return (const void *)((const char *)o->p + (size_t)i * o->stride);
}

const struct pst_option *conf_option_find(const struct conf_options *o, const char *name)
{
    for (uint32_t i = 0; o->p != NULL && i < o->n; i++) {
        const struct pst_option *option = conf_option_at(o, i);
        if (strcmp(option->name, name) == 0) {
            return option;
        }
    }
    return NULL;
}

bool conf_node_hidden(const struct conf_node *node, const char *key)
{
    bool own = false;

    for (size_t i = 0; i < sizeof(conf_entry_keys) / sizeof(conf_entry_keys[0]); i++) {
        own = own || strcmp(key, conf_entry_keys[i].o.name) == 0;
    }
    return node->entry && own;
}

static bool is_aggregate(const config_setting_t *s)
{
    return config_setting_type(s) == CONFIG_TYPE_GROUP ||
           config_setting_type(s) == CONFIG_TYPE_LIST ||
           config_setting_type(s) == CONFIG_TYPE_ARRAY;
}

/* What was declared for a child: the option of its name, or that of its list. */
static void inherit(const struct conf_node *node, struct conf_node *kid)
{
    if (config_setting_type(node->s) == CONFIG_TYPE_GROUP) {
        kid->option = conf_option_find(&node->members, config_setting_name(kid->s));
    } else {
        kid->option = node->option;
    }
    if (kid->option != NULL && kid->option->type == PST_OPT_GROUP && kid->option->sub != NULL &&
        config_setting_type(kid->s) == CONFIG_TYPE_GROUP) {
        kid->members =
            (struct conf_options){ kid->option->sub, kid->option->n_sub, node->members.stride };
    }
    /* A list hands the stride on to its elements. */
    kid->members.stride = node->members.stride;
}

struct conf_node *conf_node_kid(struct conf_node *node, unsigned i)
{
    unsigned n = is_aggregate(node->s) ? (unsigned)config_setting_length(node->s) : 0;

    if (i >= n) {
        return NULL;
    }
    if (node->kids == NULL) {
        node->kids = arena_alloc(&node->priv->arena, n * sizeof(*node->kids));
        if (node->kids == NULL) {
            return NULL;
        }
    }
    struct conf_node *kid = &node->kids[i];
    if (kid->s == NULL) {
        kid->handle.node = kid;
        kid->priv = node->priv;
        kid->s = config_setting_type(node->s) == CONFIG_TYPE_GROUP
                     ? config_setting_get_elem(node->s, i)
                     : conf_elem(node->s, (int)i);
        inherit(node, kid);
    }
    return kid;
}

struct conf_node *conf_node_member(struct conf_node *node, const char *key)
{
    int n;

    if (config_setting_type(node->s) != CONFIG_TYPE_GROUP || conf_node_hidden(node, key)) {
        return NULL;
    }
    n = config_setting_length(node->s);
    for (int i = 0; i < n; i++) {
        const config_setting_t *s = config_setting_get_elem(node->s, (unsigned)i);
        if (strcmp(config_setting_name(s), key) == 0) {
            return conf_node_kid(node, (unsigned)i);
        }
    }
    return NULL;
}
