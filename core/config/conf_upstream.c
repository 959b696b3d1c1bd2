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
    { .o = { .name = "address",
             .type = PST_OPT_ADDR,
             .choices = "address|unix:path",
             .flags = PST_OPT_REQUIRED,
             .help = "where it is" },
      .fn = read_address },
    { .o = { .name = "weight",
             .type = PST_OPT_U64,
             .def = "1",
             .min = 1,
             .max = 256,
             .help = "its share of the connections" },
      .offset = offsetof(struct conf_target, weight) },
    { .o = { .name = "backup",
             .type = PST_OPT_BOOL,
             .def = "false",
             .help = "used when no other can be reached" },
      .offset = offsetof(struct conf_target, backup) },
};

static bool target_read(struct conf_priv *p, const config_setting_t *s, struct conf_target *t)
{
    t->where = conf_where_dup(p, s);
    conf_keys_default(target_keys, COUNT(target_keys), t);
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

const struct conf_key conf_upstream_keys[] = {
    { .o = { .name = "targets",
             .type = PST_OPT_GROUP,
             .choices = "addresses and groups",
             .flags = PST_OPT_REQUIRED | PST_OPT_LIST,
             CONF_MEMBERS(target_keys),
             .help = "addresses or groups" },
      .fn = read_targets },
    { .o = { .name = "balance",
             .type = PST_OPT_STR,
             .choices = "round-robin|least-conn|source-hash",
             .def = "round-robin",
             .help = "how to choose among them" },
      .offset = offsetof(struct conf_upstream, balance) },
    { .o = { .name = "max_fails",
             .type = PST_OPT_U64,
             .def = "3",
             .min = 0,
             .max = 1000,
             .help = "failures that take a target out; 0: none" },
      .offset = offsetof(struct conf_upstream, max_fails) },
    { .o = { .name = "fail_timeout",
             .type = PST_OPT_DURATION,
             .def = "10s",
             .min = 1,
             .max = FAIL_TIMEOUT_MAX,
             .help = "within which they count, and for how long it is out" },
      .offset = offsetof(struct conf_upstream, fail_timeout) },
    { .o = { .name = "tries",
             .type = PST_OPT_U64,
             .def = "0",
             .min = 0,
             .max = 1000,
             .help = "attempts for one connection; 0: all targets" },
      .offset = offsetof(struct conf_upstream, tries) },
};

bool conf_upstream_read(struct conf_priv *p, const config_setting_t *s, struct conf_upstream *u)
{
    conf_keys_default(conf_upstream_keys, COUNT(conf_upstream_keys), u);
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
        return conf_keys_read(p, s, conf_upstream_keys, COUNT(conf_upstream_keys), u);
    default:
        return conf_wrong_type(p, s, "an address, a list of them, or a group with \"targets\"");
    }
}
