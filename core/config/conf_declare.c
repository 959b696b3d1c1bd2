/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checking a module entry against the options that its module declares. */
#include "core/config/conf_node.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "core/base/err.h"
#include "core/config/conf_reader.h"
#include "plugin-api/pst_abi.h"

static bool check_members(struct conf_node *node, uint32_t scope);

static void unknown_key(const struct conf_node *node, const config_setting_t *s)
{
    const char *near = NULL;
    unsigned best = UINT_MAX;

    for (uint32_t i = 0; i < node->members.n; i++) {
        const char *name = conf_option_at(&node->members, i)->name;
        near = conf_near(config_setting_name(s), name, &best) ? name : near;
    }
    if (near != NULL) {
        conf_fail(node->priv, s, "unknown key; did you mean \"%s\"?", near);
    } else {
        conf_fail(node->priv, s, "unknown key");
    }
}

/* One value, be it the whole option or an element of its list. */
static bool check_one(struct conf_node *node, uint32_t scope)
{
    const struct pst_option *o = node->option;
    union conf_scalar ignored;

    if (o->type != PST_OPT_GROUP) {
        node->bad = !conf_scalar_read(node->priv, node->s, o->type, o, &ignored);
        return !node->bad;
    }
    if (config_setting_type(node->s) != CONFIG_TYPE_GROUP) {
        node->bad = true;
        return conf_wrong_type(node->priv, node->s, "a group");
    }
    return o->sub == NULL || check_members(node, scope);
}

static bool check_list(struct conf_node *node, uint32_t scope)
{
    bool good = true;
    int n;

    if ((node->option->flags & PST_OPT_SECRET) != 0 &&
        config_setting_type(node->s) == CONFIG_TYPE_STRING) {
        node->bad = true;
        return conf_wrong_type(node->priv, node->s, "a list");
    }
    if (!conf_want_list(node->priv, node->s)) {
        node->bad = true;
        return false;
    }
    n = config_setting_length(node->s);
    for (int i = 0; i < n; i++) {
        struct conf_node *kid = conf_node_kid(node, (unsigned)i);
        if (kid == NULL) {
            return conf_nomem(node->priv);
        }
        good = check_one(kid, scope) && good;
    }
    return good;
}

static bool check_option(struct conf_node *node, uint32_t scope)
{
    const struct pst_option *o = node->option;

    if ((o->flags & PST_OPT_LISTENER_ONLY) != 0 && scope == PST_SCOPE_EDGE) {
        conf_fail(node->priv, node->s, "is only for this module at a listener");
        return false;
    }
    if ((o->flags & PST_OPT_EDGE_ONLY) != 0 && scope == PST_SCOPE_LISTENER) {
        conf_fail(node->priv, node->s, "is only for this module at an edge");
        return false;
    }
    return (o->flags & PST_OPT_LIST) != 0 ? check_list(node, scope) : check_one(node, scope);
}

/* True when an option that is needed here is absent. */
static bool is_missing(struct conf_node *node, const struct pst_option *o, uint32_t scope)
{
    if ((o->flags & PST_OPT_REQUIRED) == 0 ||
        ((o->flags & PST_OPT_LISTENER_ONLY) != 0 && scope == PST_SCOPE_EDGE) ||
        ((o->flags & PST_OPT_EDGE_ONLY) != 0 && scope == PST_SCOPE_LISTENER)) {
        return false;
    }
    return config_setting_get_member(node->s, o->name) == NULL;
}

static bool check_members(struct conf_node *node, uint32_t scope)
{
    int n = config_setting_length(node->s);
    bool good = true;

    for (int i = 0; i < n; i++) {
        const config_setting_t *s = config_setting_get_elem(node->s, (unsigned)i);
        struct conf_node *kid;

        if (conf_node_hidden(node, config_setting_name(s))) {
            continue;
        }
        kid = conf_node_kid(node, (unsigned)i);
        if (kid == NULL) {
            return conf_nomem(node->priv);
        }
        if (kid->option == NULL) {
            unknown_key(node, s);
            good = false;
        } else {
            good = check_option(kid, scope) && good;
        }
    }
    for (uint32_t i = 0; i < node->members.n; i++) {
        const struct pst_option *o = conf_option_at(&node->members, i);
        if (is_missing(node, o, scope)) {
            conf_fail(node->priv, node->s, "\"%s\" is missing", o->name);
            good = false;
        }
    }
    return good;
}

int conf_reader_declare(const pst_cfg *entry, const struct pst_option *options, uint32_t n,
                        uint32_t option_size, uint32_t scope)
{
    struct conf_node *node = conf_node_of(entry);

    assert(node != NULL && config_setting_type(node->s) == CONFIG_TYPE_GROUP);
    node->members = (struct conf_options){ options, n, option_size };
    return check_members(node, scope) ? ERR_OK : ERR_CONFIG;
}
