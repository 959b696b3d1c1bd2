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

const struct conf_key conf_listener_keys[] = {
    { .o = { .name = "name",
             .type = PST_OPT_STR,
             .choices = "name",
             .flags = PST_OPT_REQUIRED,
             .help = "unique" },
      .fn = read_name },
    { .o = { .name = "address",
             .type = PST_OPT_ADDR,
             .choices = "address|unix:path",
             .flags = PST_OPT_REQUIRED | PST_OPT_LIST,
             .help = "where to listen; one or a list" },
      .fn = read_address },
    { .o = { .name = "dual_stack",
             .type = PST_OPT_BOOL,
             .def = "true",
             .help = "[::]:port takes IPv4, too" },
      .offset = offsetof(struct conf_listener, dual_stack) },
    { .o = { .name = "mode",
             .type = PST_OPT_STR,
             .choices = "octal",
             .def = CONF_TEXT(CONF_SOCKET_MODE),
             .help = "permissions of a unix socket" },
      .fn = read_mode },
    { .o = { .name = "backlog",
             .type = PST_OPT_U64,
             .def = "4096",
             .min = 1,
             .max = 65535,
             .help = "of the listening socket" },
      .offset = offsetof(struct conf_listener, backlog) },
    { .o = { .name = "no_sni",
             .type = PST_OPT_STR,
             .choices = "refuse|close|edge",
             .def = "refuse",
             .help = "a client that sends no name" },
      .fn = read_no_sni },
    { .o = { .name = "unknown_sni",
             .type = PST_OPT_STR,
             .choices = "refuse|close|edge",
             .def = "refuse",
             .help = "a name that no edge has" },
      .fn = read_unknown_sni },
    { .o = { .name = "not_tls",
             .type = PST_OPT_STR,
             .choices = "refuse|close|edge",
             .def = "refuse",
             .help = "something else than TLS" },
      .fn = read_not_tls },
    { .o = { .name = "on_deny",
             .type = PST_OPT_STR,
             .choices = CONF_DENY_CHOICES,
             .def = "close",
             .help = "what a client sees that a module denies" },
      .offset = offsetof(struct conf_listener, on_deny) },
    { .o = { .name = "tcp", .type = PST_OPT_GROUP, .help = "as at the top level, for clients" },
      .fn = read_tcp },
    { .o = { .name = "timeouts", .type = PST_OPT_GROUP, .help = "hello and pending" },
      .fn = read_timeouts },
    { .o = { .name = "modules",
             .type = PST_OPT_GROUP,
             .flags = PST_OPT_LIST,
             CONF_MEMBERS(conf_entry_keys),
             .help = "before an edge is chosen" },
      .fn = read_modules },
};

bool conf_listener_read(struct conf_priv *p, const config_setting_t *s, struct conf_listener *l)
{
    l->where = conf_where_dup(p, s);
    conf_keys_default(conf_listener_keys, COUNT(conf_listener_keys), l);
    l->unix_mode = CONF_SOCKET_MODE;
    l->tcp = p->conf->tcp;
    l->timeouts = p->conf->timeouts;
    return conf_keys_read(p, s, conf_listener_keys, COUNT(conf_listener_keys), l);
}
