/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/config/conf_priv.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool read_name(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_name_read(p, s, &((struct conf_listener *)base)->name);
}

static bool read_address(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_listener *l = base;
    bool single = config_setting_type(s) == CONFIG_TYPE_STRING;
    int n;

    if (!single && config_setting_type(s) != CONFIG_TYPE_LIST &&
        config_setting_type(s) != CONFIG_TYPE_ARRAY) {
        return conf_wrong_type(p, s, "an address such as \"[::]:443\" or a list of them");
    }
    n = single ? 1 : config_setting_length(s);
    if (n == 0) {
        conf_fail(p, s, "needs at least one address");
        return false;
    }
    l->addrs = arena_alloc(&p->arena, (size_t)n * sizeof(*l->addrs));
    if (l->addrs == NULL) {
        return conf_nomem(p);
    }
    for (int i = 0; i < n; i++) {
        const config_setting_t *one = single ? s : conf_elem(s, i);
        if (conf_value_addr(p, one, CONF_ADDR_OF_LISTENER, &l->addrs[l->n_addrs])) {
            l->n_addrs++;
        }
    }
    return true;
}

static bool read_mode(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_value_mode(p, s, 0777, &((struct conf_listener *)base)->unix_mode);
}

/* "refuse", "close" or the name of an edge, which conf_check() looks up. */
static bool read_fallback(struct conf_priv *p, const config_setting_t *s, struct conf_fallback *f)
{
    const char *z;

    if (!conf_value_str(p, s, &z)) {
        return false;
    }
    if (strcmp(z, "refuse") == 0) {
        f->outcome = CONF_REFUSE;
    } else if (strcmp(z, "close") == 0) {
        f->outcome = CONF_CLOSE;
    } else {
        f->outcome = CONF_ROUTE;
        f->edge = z;
    }
    return true;
}

static bool read_no_sni(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return read_fallback(p, s, &((struct conf_listener *)base)->no_sni);
}

static bool read_unknown_sni(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return read_fallback(p, s, &((struct conf_listener *)base)->unknown_sni);
}

static bool read_not_tls(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return read_fallback(p, s, &((struct conf_listener *)base)->not_tls);
}

static bool read_tcp(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_tcp_read(p, s, &((struct conf_listener *)base)->tcp);
}

static bool read_timeouts(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_timeouts_read(p, s, CONF_AT_LISTENER, &((struct conf_listener *)base)->timeouts);
}

static bool read_modules(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_listener *l = base;
    return conf_modules_read(p, s, &l->modules, &l->n_modules);
}

static const struct conf_key keys[] = {
    { .name = "name", .kind = CONF_KEY_FN, .fn = read_name, .required = true },
    { .name = "address", .kind = CONF_KEY_FN, .fn = read_address, .required = true },
    { .name = "dual_stack",
      .kind = CONF_KEY_BOOL,
      .offset = offsetof(struct conf_listener, dual_stack) },
    { .name = "mode", .kind = CONF_KEY_FN, .fn = read_mode },
    { .name = "backlog",
      .kind = CONF_KEY_U32,
      .offset = offsetof(struct conf_listener, backlog),
      .min = 1,
      .max = 65535 },
    { .name = "no_sni", .kind = CONF_KEY_FN, .fn = read_no_sni },
    { .name = "unknown_sni", .kind = CONF_KEY_FN, .fn = read_unknown_sni },
    { .name = "not_tls", .kind = CONF_KEY_FN, .fn = read_not_tls },
    { .name = "on_deny",
      .kind = CONF_KEY_CHOICE,
      .offset = offsetof(struct conf_listener, on_deny),
      .choices = CONF_DENY_CHOICES },
    { .name = "tcp", .kind = CONF_KEY_FN, .fn = read_tcp },
    { .name = "timeouts", .kind = CONF_KEY_FN, .fn = read_timeouts },
    { .name = "modules", .kind = CONF_KEY_FN, .fn = read_modules },
};

bool conf_listener_read(struct conf_priv *p, const config_setting_t *s, struct conf_listener *l)
{
    l->where = conf_where_dup(p, s);
    l->dual_stack = true;
    l->unix_mode = 0660;
    l->backlog = 4096;
    l->tcp = p->conf->tcp;
    l->timeouts = p->conf->timeouts;
    return conf_keys_read(p, s, keys, COUNT(keys), l);
}
