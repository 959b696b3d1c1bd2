/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups that several places carry: timeouts, tcp, modules; and the resolver. */
#include "core/config/conf_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/base/addr.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Longest wait that can be configured. */
#define MS_MAX (UINT64_C(365) * 24 * 3600 * 1000)

/* What TCP_KEEPIDLE (32767 seconds) and TCP_USER_TIMEOUT (an int of milliseconds) can hold. */
#define KEEPALIVE_MAX    (UINT64_C(9) * 3600 * 1000)
#define USER_TIMEOUT_MAX (UINT64_C(24) * 24 * 3600 * 1000)

#define NAME_LEN_MAX 64

#define TIMEOUT(field, least)                                                                      \
    {                                                                                              \
        .name = #field, .kind = CONF_KEY_MS, .offset = offsetof(struct conf_timeouts, field),      \
        .min = (least), .max = MS_MAX                                                              \
    }

static const struct conf_key timeout_keys[] = {
    TIMEOUT(hello, 1),      TIMEOUT(handshake, 1), TIMEOUT(connect, 1), TIMEOUT(idle, 0),
    TIMEOUT(half_close, 0), TIMEOUT(drain, 1),     TIMEOUT(pending, 1),
    TIMEOUT(upgrade, 1),
};

/* Timeouts that a place does not have are spelled right, so "unknown key" would mislead. */
static void misplaced_timeouts(struct conf_priv *p, const config_setting_t *s,
                               enum conf_level level)
{
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *m = config_setting_get_elem(s, (unsigned)i);
        const char *name = config_setting_name(m);

        if (level == CONF_AT_EDGE && (strcmp(name, "drain") == 0 || strcmp(name, "upgrade") == 0)) {
            conf_warn(p, m, "has no effect at an edge; set it in the top-level timeouts");
        } else if (level == CONF_AT_EDGE && strcmp(name, "hello") == 0) {
            conf_warn(p, m,
                      "has no effect at an edge, which is chosen by the hello; set it at "
                      "the listener or at the top level");
        } else if (level == CONF_AT_LISTENER && strcmp(name, "hello") != 0 &&
                   strcmp(name, "pending") != 0) {
            conf_fail(p, m, "a listener has only the timeouts hello and pending");
        }
    }
}

bool conf_timeouts_read(struct conf_priv *p, const config_setting_t *s, enum conf_level level,
                        struct conf_timeouts *t)
{
    if (!conf_keys_read(p, s, timeout_keys, COUNT(timeout_keys), t)) {
        return false;
    }
    if (level != CONF_AT_TOP) {
        misplaced_timeouts(p, s, level);
    }
    return true;
}

bool conf_tcp_read(struct conf_priv *p, const config_setting_t *s, struct conf_tcp *t)
{
    static const struct conf_key keys[] = {
        { .name = "keepalive",
          .kind = CONF_KEY_MS,
          .offset = offsetof(struct conf_tcp, keepalive),
          .max = KEEPALIVE_MAX },
        { .name = "user_timeout",
          .kind = CONF_KEY_MS,
          .offset = offsetof(struct conf_tcp, user_timeout),
          .max = USER_TIMEOUT_MAX },
    };
    const config_setting_t *keepalive;

    if (!conf_keys_read(p, s, keys, COUNT(keys), t)) {
        return false;
    }
    keepalive = config_setting_get_member(s, "keepalive");
    if (keepalive != NULL && t->keepalive > 0 && t->keepalive < 1000) {
        conf_fail(p, keepalive,
                  "the kernel counts keepalive in seconds: at least \"1s\", or \"0\"");
    }
    return true;
}

/* A name server: an IP address, port 53 unless it says otherwise. */
static bool server_read(struct conf_priv *p, const config_setting_t *s, const char **out)
{
    char text[ADDR_TEXT_MAX];
    struct conf_addr addr;
    struct pst_addr ip;

    if (config_setting_type(s) == CONFIG_TYPE_STRING &&
        addr_parse_ip(config_setting_get_string(s), &ip) == 0) {
        ip.port = 53;
        addr_text(&ip, text);
        *out = arena_strndup(&p->arena, text, strlen(text));
        return *out != NULL || conf_nomem(p);
    }
    if (!conf_value_addr(p, s, CONF_ADDR_OF_MODULE, &addr)) {
        return false;
    }
    *out = addr.text;
    return true;
}

static bool servers_read(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_resolver *r = base;
    int n;

    if (!conf_want_list(p, s)) {
        return false;
    }
    n = config_setting_length(s);
    r->servers = arena_alloc(&p->arena, (size_t)n * sizeof(*r->servers));
    if (r->servers == NULL) {
        return conf_nomem(p);
    }
    for (int i = 0; i < n; i++) {
        if (server_read(p, conf_elem(s, i), &r->servers[r->n_servers])) {
            r->n_servers++;
        }
    }
    return true;
}

bool conf_resolver_read(struct conf_priv *p, const config_setting_t *s, struct conf_resolver *r)
{
    static const struct conf_key keys[] = {
        { .name = "nameservers", .kind = CONF_KEY_FN, .fn = servers_read },
        { .name = "min_ttl",
          .kind = CONF_KEY_MS,
          .offset = offsetof(struct conf_resolver, min_ttl),
          .min = 1,
          .max = MS_MAX },
        { .name = "max_ttl",
          .kind = CONF_KEY_MS,
          .offset = offsetof(struct conf_resolver, max_ttl),
          .min = 1,
          .max = MS_MAX },
        { .name = "timeout",
          .kind = CONF_KEY_MS,
          .offset = offsetof(struct conf_resolver, timeout),
          .min = 1,
          .max = MS_MAX },
    };
    char low[32], high[32];

    if (!conf_keys_read(p, s, keys, COUNT(keys), r)) {
        return false;
    }
    if (r->min_ttl > r->max_ttl) {
        conf_fail(p, s, "min_ttl (%s) is greater than max_ttl (%s)", conf_ms_text(r->min_ttl, low),
                  conf_ms_text(r->max_ttl, high));
    }
    return true;
}

bool conf_name_read(struct conf_priv *p, const config_setting_t *s, const char **out)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";

    if (!conf_value_str(p, s, out)) {
        return false;
    }
    if (**out == '\0' || strlen(*out) > NAME_LEN_MAX || strspn(*out, allowed) != strlen(*out)) {
        conf_fail(p, s,
                  "\"%s\" is not a name; names are 1 to %d letters, digits, \".\", \"_\" or "
                  "\"-\"",
                  *out, NAME_LEN_MAX);
        *out = NULL;
        return false;
    }
    return true;
}

/* One entry of a modules list. False: switched off or wrong. */
static bool module_read(struct conf_priv *p, const config_setting_t *s, struct conf_module *m)
{
    const config_setting_t *name, *enabled, *enforce;
    bool on = true, good = true;

    if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
        return conf_wrong_type(p, s, "a group with the key \"module\"");
    }
    name = config_setting_get_member(s, "module");
    enabled = config_setting_get_member(s, "enabled");
    enforce = config_setting_get_member(s, "enforce");
    m->enforce = true;
    if (name == NULL) {
        conf_fail(p, s, "\"module\" is missing");
        good = false;
    } else {
        good = conf_name_read(p, name, &m->name);
        if (good && m->name[0] == '.') {
            conf_fail(p, name, "the name of a module cannot begin with a dot");
            good = false;
        }
    }
    good = (enabled == NULL || conf_value_bool(p, enabled, &on)) && good;
    good = (enforce == NULL || conf_value_bool(p, enforce, &m->enforce)) && good;
    if (!good || !on) {
        return false;
    }
    m->where = conf_where_dup(p, s);
    m->cfg = conf_node_new(p, s, true);
    return m->cfg != NULL || conf_nomem(p);
}

bool conf_modules_read(struct conf_priv *p, const config_setting_t *s, struct conf_module **mods,
                       size_t *n)
{
    int len;

    if (!conf_want_list(p, s)) {
        return false;
    }
    len = config_setting_length(s);
    if (len == 0) {
        return true;
    }
    *mods = arena_alloc(&p->arena, (size_t)len * sizeof(**mods));
    if (*mods == NULL) {
        return conf_nomem(p);
    }
    for (int i = 0; i < len; i++) {
        if (module_read(p, conf_elem(s, i), &(*mods)[*n])) {
            (*n)++;
        }
    }
    return true;
}

/* The list "modules" of a group; NULL: out of memory. */
static config_setting_t *modules_of(config_setting_t *group)
{
    config_setting_t *list = config_setting_get_member(group, "modules");

    /* An array holds no groups: this one is empty, or it would have been refused. */
    if (list != NULL && config_setting_type(list) == CONFIG_TYPE_ARRAY) {
        (void)config_setting_remove(group, "modules");
        list = NULL;
    }
    return list != NULL ? list : config_setting_add(group, "modules", CONFIG_TYPE_LIST);
}

static bool add_string(config_setting_t *group, const char *key, const char *value)
{
    config_setting_t *s = config_setting_add(group, key, CONFIG_TYPE_STRING);
    return s != NULL && config_setting_set_string(s, value) == CONFIG_TRUE;
}

bool conf_modules_imply(struct conf_priv *p, config_setting_t *because, const char *name,
                        const char *key, const char *value, struct conf_module **mods, size_t *n)
{
    config_setting_t *list = modules_of(because->parent), *entry = NULL;
    struct conf_module *all = arena_alloc(&p->arena, (*n + 1) * sizeof(*all));

    if (list != NULL) {
        entry = config_setting_add(list, NULL, CONFIG_TYPE_GROUP);
    }
    if (all == NULL || entry == NULL || !add_string(entry, "module", name) ||
        !add_string(entry, key, value)) {
        return conf_nomem(p);
    }
    entry->line = because->line;
    entry->file = because->file;
    if (*n > 0) {
        memcpy(all, *mods, *n * sizeof(*all));
    }
    *mods = all;
    if (!module_read(p, entry, &all[*n])) {
        return false;
    }
    (*n)++;
    return true;
}
