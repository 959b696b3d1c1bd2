/* SPDX-License-Identifier: GPL-2.0-or-later */
/* upstream: one target, a list of them, or a group with targets and how to choose. */
#include "core/config/conf_priv.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define FAIL_TIMEOUT_MAX (UINT64_C(24) * 3600 * 1000)

static bool read_address(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_target *t = base;

    return conf_value_addr(p, s, CONF_ADDR_OF_TARGET, &t->addr);
}

static const struct conf_key target_keys[] = {
    { .name = "address", .kind = CONF_KEY_FN, .fn = read_address, .required = true },
    { .name = "weight",
      .kind = CONF_KEY_U32,
      .offset = offsetof(struct conf_target, weight),
      .min = 1,
      .max = 256 },
    { .name = "backup", .kind = CONF_KEY_BOOL, .offset = offsetof(struct conf_target, backup) },
};

static bool target_read(struct conf_priv *p, const config_setting_t *s, struct conf_target *t)
{
    t->where = conf_where_dup(p, s);
    t->weight = 1;
    if (config_setting_type(s) == CONFIG_TYPE_STRING) {
        return read_address(p, s, t);
    }
    if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
        return conf_wrong_type(p, s, "an address or a group with the key \"address\"");
    }
    return conf_keys_read(p, s, target_keys, COUNT(target_keys), t);
}

static bool targets_alloc(struct conf_priv *p, struct conf_upstream *u, int n)
{
    u->targets = arena_alloc(&p->arena, (size_t)n * sizeof(*u->targets));
    return u->targets != NULL || conf_nomem(p);
}

static bool read_targets(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_upstream *u = base;
    int n;

    if (!conf_want_list(p, s)) {
        return false;
    }
    n = config_setting_length(s);
    if (n == 0) {
        conf_fail(p, s, "needs at least one target");
        return false;
    }
    if (!targets_alloc(p, u, n)) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (target_read(p, conf_elem(s, i), &u->targets[u->n_targets])) {
            u->n_targets++;
        }
    }
    return true;
}

static const struct conf_key upstream_keys[] = {
    { .name = "targets", .kind = CONF_KEY_FN, .fn = read_targets, .required = true },
    { .name = "balance",
      .kind = CONF_KEY_CHOICE,
      .offset = offsetof(struct conf_upstream, balance),
      .choices = "round-robin|least-conn|source-hash" },
    { .name = "max_fails",
      .kind = CONF_KEY_U32,
      .offset = offsetof(struct conf_upstream, max_fails),
      .max = 1000 },
    { .name = "fail_timeout",
      .kind = CONF_KEY_MS,
      .offset = offsetof(struct conf_upstream, fail_timeout),
      .min = 1,
      .max = FAIL_TIMEOUT_MAX },
    { .name = "tries",
      .kind = CONF_KEY_U32,
      .offset = offsetof(struct conf_upstream, tries),
      .max = 1000 },
};

bool conf_upstream_read(struct conf_priv *p, const config_setting_t *s, struct conf_upstream *u)
{
    u->max_fails = 3;
    u->fail_timeout = 10000;
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
        if (!targets_alloc(p, u, 1) || !target_read(p, s, &u->targets[0])) {
            return false;
        }
        u->n_targets = 1;
        return true;
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_ARRAY:
        return read_targets(p, s, u);
    case CONFIG_TYPE_GROUP:
        return conf_keys_read(p, s, upstream_keys, COUNT(upstream_keys), u);
    default:
        return conf_wrong_type(p, s, "an address, a list of them, or a group with \"targets\"");
    }
}
