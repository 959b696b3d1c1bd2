/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/config/conf_reader.h"

#include <string.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/base/str.h"
#include "core/config/conf_node.h"

/* More of a module's message is cut. */
#define MESSAGE_MAX 600

static bool read_any(struct conf_priv *p, const config_setting_t *s, uint32_t type,
                     const struct pst_option *o, union conf_scalar *out)
{
    uint64_t min = o != NULL ? o->min : 0, max = o != NULL ? o->max : 0;
    struct conf_addr addr;
    unsigned index;

    switch (type) {
    case PST_OPT_STR:
        if (o != NULL && o->choices != NULL && !conf_value_choice(p, s, o->choices, &index)) {
            return false;
        }
        return conf_value_str(p, s, &out->str);
    case PST_OPT_U64:
        return conf_value_u64(p, s, min, max, &out->u64);
    case PST_OPT_BOOL:
        return conf_value_bool(p, s, &out->boolean);
    case PST_OPT_DURATION:
        return conf_value_ms(p, s, min, max, &out->u64);
    case PST_OPT_SIZE:
        return conf_value_size(p, s, min, max, &out->u64);
    case PST_OPT_NET:
        return conf_value_net(p, s, &out->net);
    case PST_OPT_ADDR:
        if (!conf_value_addr(p, s, CONF_ADDR_OF_MODULE, &addr)) {
            return false;
        }
        out->addr = addr.ip;
        return true;
    case PST_OPT_PATH:
        return conf_value_path(p, s, &out->str);
    default:
        return false;
    }
}

bool conf_scalar_read(struct conf_priv *p, const config_setting_t *s, uint32_t type,
                      const struct pst_option *o, union conf_scalar *out)
{
    struct conf_errors *errors = p->errors;
    bool good;

    if (o == NULL || (o->flags & PST_OPT_SECRET) == 0) {
        return read_any(p, s, type, o, out);
    }
    /* What is wrong with a value is told by quoting it, which a secret must not be. */
    p->errors = NULL;
    good = read_any(p, s, type, o, out);
    p->errors = errors;
    if (!good) {
        conf_fail(p, s, "is not a value that this key takes (not shown, it is a secret)");
    }
    return good;
}

/* The declared default of an absent key. */
static int32_t default_read(const struct conf_node *node, const struct pst_option *o, uint32_t type,
                            union conf_scalar *out)
{
    int rc = ERR_INVALID;

    switch (type) {
    case PST_OPT_STR:
        out->str = o->def;
        return PST_OK;
    case PST_OPT_U64:
        rc = str_to_u64(o->def, UINT64_MAX, &out->u64);
        break;
    case PST_OPT_BOOL:
        out->boolean = strcmp(o->def, "true") == 0;
        rc = out->boolean || strcmp(o->def, "false") == 0 ? ERR_OK : ERR_INVALID;
        break;
    case PST_OPT_DURATION:
        rc = str_to_ms(o->def, &out->u64);
        break;
    case PST_OPT_SIZE:
        rc = str_to_size(o->def, &out->u64);
        break;
    case PST_OPT_NET:
        rc = addr_parse_net(o->def, &out->net);
        break;
    case PST_OPT_ADDR:
        rc = addr_parse(o->def, &out->addr);
        break;
    case PST_OPT_PATH:
        out->str = conf_path_from(node->priv, node->s, o->def);
        return out->str != NULL ? PST_OK : PST_ERR_NOMEM;
    }
    return rc == ERR_OK ? PST_OK : PST_ERR_INVALID;
}

static int32_t read_scalar(const pst_cfg *cfg, const char *key, uint32_t type,
                           union conf_scalar *out)
{
    struct conf_node *node = conf_node_of(cfg), *at = node;
    const struct pst_option *o;

    if (node == NULL || (key != NULL && config_setting_type(node->s) != CONFIG_TYPE_GROUP)) {
        return PST_ERR_INVALID;
    }
    if (key != NULL) {
        at = conf_node_member(node, key);
    }
    if (at == NULL) {
        o = conf_option_find(&node->members, key);
        if (o == NULL || o->def == NULL || (o->flags & PST_OPT_LIST) != 0) {
            return PST_ERR_NOT_FOUND;
        }
        return default_read(node, o, type, out);
    }
    if (at->bad) {
        return PST_ERR_CONFIG;
    }
    o = at->option != NULL && at->option->type == type ? at->option : NULL;
    if (!conf_scalar_read(node->priv, at->s, type, o, out)) {
        at->bad = true;
        return PST_ERR_CONFIG;
    }
    return PST_OK;
}

static int32_t read_text(const pst_cfg *node, const char *key, uint32_t type, struct pst_str *out)
{
    union conf_scalar v;
    int32_t rc = read_scalar(node, key, type, &v);

    if (rc == PST_OK) {
        *out = (struct pst_str){ v.str, strlen(v.str) };
    }
    return rc;
}

static int32_t read_number(const pst_cfg *node, const char *key, uint32_t type, uint64_t *out)
{
    union conf_scalar v;
    int32_t rc = read_scalar(node, key, type, &v);

    if (rc == PST_OK) {
        *out = v.u64;
    }
    return rc;
}

int32_t conf_reader_str(const pst_cfg *node, const char *key, struct pst_str *out)
{
    return read_text(node, key, PST_OPT_STR, out);
}

int32_t conf_reader_path(const pst_cfg *node, const char *key, struct pst_str *out)
{
    return read_text(node, key, PST_OPT_PATH, out);
}

int32_t conf_reader_u64(const pst_cfg *node, const char *key, uint64_t *out)
{
    return read_number(node, key, PST_OPT_U64, out);
}

int32_t conf_reader_duration(const pst_cfg *node, const char *key, uint64_t *ms)
{
    return read_number(node, key, PST_OPT_DURATION, ms);
}

int32_t conf_reader_size(const pst_cfg *node, const char *key, uint64_t *bytes)
{
    return read_number(node, key, PST_OPT_SIZE, bytes);
}

int32_t conf_reader_bool(const pst_cfg *node, const char *key, uint32_t *out)
{
    union conf_scalar v;
    int32_t rc = read_scalar(node, key, PST_OPT_BOOL, &v);

    if (rc == PST_OK) {
        *out = v.boolean ? 1 : 0;
    }
    return rc;
}

int32_t conf_reader_net(const pst_cfg *node, const char *key, struct pst_net *out)
{
    union conf_scalar v;
    int32_t rc = read_scalar(node, key, PST_OPT_NET, &v);

    if (rc == PST_OK) {
        *out = v.net;
    }
    return rc;
}

int32_t conf_reader_addr(const pst_cfg *node, const char *key, struct pst_addr *out)
{
    union conf_scalar v;
    int32_t rc = read_scalar(node, key, PST_OPT_ADDR, &v);

    if (rc == PST_OK) {
        *out = v.addr;
    }
    return rc;
}

static const pst_cfg *handle_of(const struct conf_node *node)
{
    return node != NULL ? &node->handle : NULL;
}

const pst_cfg *conf_reader_get(const pst_cfg *node, const char *key)
{
    struct conf_node *n = conf_node_of(node);
    return n != NULL && key != NULL ? handle_of(conf_node_member(n, key)) : NULL;
}

uint32_t conf_reader_type(const pst_cfg *node)
{
    const struct conf_node *n = conf_node_of(node);

    if (n == NULL) {
        return PST_CFG_NONE;
    }
    switch (config_setting_type(n->s)) {
    case CONFIG_TYPE_STRING:
        return PST_CFG_STR;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return PST_CFG_INT;
    case CONFIG_TYPE_BOOL:
        return PST_CFG_BOOL;
    case CONFIG_TYPE_FLOAT:
        return PST_CFG_FLOAT;
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_ARRAY:
        return PST_CFG_LIST;
    case CONFIG_TYPE_GROUP:
        return PST_CFG_GROUP;
    default:
        return PST_CFG_NONE;
    }
}

static bool is_container(const pst_cfg *node)
{
    uint32_t type = conf_reader_type(node);
    return type == PST_CFG_LIST || type == PST_CFG_GROUP;
}

/* The setting's index of the i-th child that modules see; the number of children when past it. */
static uint32_t visible(const struct conf_node *node, uint32_t i)
{
    uint32_t n = (uint32_t)config_setting_length(node->s), at = 0;

    if (!node->entry) {
        return i < n ? i : n;
    }
    for (; at < n; at++) {
        const config_setting_t *s = config_setting_get_elem(node->s, at);
        if (!conf_node_hidden(node, config_setting_name(s)) && i-- == 0) {
            break;
        }
    }
    return at;
}

uint32_t conf_reader_count(const pst_cfg *node)
{
    const struct conf_node *n = conf_node_of(node);
    uint32_t count;

    if (!is_container(node)) {
        return 0;
    }
    count = (uint32_t)config_setting_length(n->s);
    for (uint32_t i = count; n->entry && i > 0; i--) {
        const config_setting_t *s = config_setting_get_elem(n->s, i - 1);
        count -= conf_node_hidden(n, config_setting_name(s)) ? 1 : 0;
    }
    return count;
}

const pst_cfg *conf_reader_at(const pst_cfg *node, uint32_t i)
{
    struct conf_node *n = conf_node_of(node);
    return is_container(node) ? handle_of(conf_node_kid(n, visible(n, i))) : NULL;
}

int32_t conf_reader_name(const pst_cfg *node, struct pst_str *out)
{
    const struct conf_node *n = conf_node_of(node);

    if (n == NULL || config_setting_name(n->s) == NULL) {
        return PST_ERR_NOT_FOUND;
    }
    *out = (struct pst_str){ config_setting_name(n->s), strlen(config_setting_name(n->s)) };
    return PST_OK;
}

const pst_cfg *conf_reader_shared(const pst_cfg *node, const char *section, const char *name)
{
    const struct conf_node *n = conf_node_of(node);

    if (n == NULL || section == NULL || name == NULL || strcmp(section, "ip_policies") != 0) {
        return NULL;
    }
    return handle_of(map_get(n->priv->policies, name, strlen(name)));
}

/*
 * A policy is read once by each instance that names it: its errors are worth saying once. False:
 * this was the last thing said here.
 */
static bool is_news(struct conf_node *node, const char *text, size_t n)
{
    if (node->said != NULL && strlen(node->said) == n && memcmp(node->said, text, n) == 0) {
        return false;
    }
    node->said = arena_strndup(&node->priv->arena, text, n);
    return true;
}

void conf_reader_error(const pst_cfg *node, const char *text, size_t n)
{
    struct conf_node *at = conf_node_of(node);

    n = n < MESSAGE_MAX ? n : MESSAGE_MAX;
    if (at != NULL && is_news(at, text, n)) {
        conf_fail(at->priv, at->s, "%.*s", (int)n, text);
    }
}

void conf_reader_warn(const pst_cfg *node, const char *text, size_t n)
{
    struct conf_node *at = conf_node_of(node);

    n = n < MESSAGE_MAX ? n : MESSAGE_MAX;
    if (at != NULL && is_news(at, text, n)) {
        conf_warn(at->priv, at->s, "%.*s", (int)n, text);
    }
}
