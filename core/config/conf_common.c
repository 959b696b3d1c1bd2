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

const struct conf_key conf_timeout_keys[] = {
    { .o = { .name = "hello",
             .type = PST_OPT_DURATION,
             .def = "3s",
             .min = 1,
             .max = MS_MAX,
             .help = "from accept to a complete ClientHello" },
      .offset = offsetof(struct conf_timeouts, hello) },
    { .o = { .name = "handshake",
             .type = PST_OPT_DURATION,
             .def = "10s",
             .min = 1,
             .max = MS_MAX,
             .help = "a TLS handshake with the client or the upstream" },
      .offset = offsetof(struct conf_timeouts, handshake) },
    { .o = { .name = "connect",
             .type = PST_OPT_DURATION,
             .def = "5s",
             .min = 1,
             .max = MS_MAX,
             .help = "connecting to one target" },
      .offset = offsetof(struct conf_timeouts, connect) },
    { .o = { .name = "idle",
             .type = PST_OPT_DURATION,
             .def = "5m",
             .min = 0,
             .max = MS_MAX,
             .help = "no byte in either direction" },
      .offset = offsetof(struct conf_timeouts, idle) },
    { .o = { .name = "half_close",
             .type = PST_OPT_DURATION,
             .def = "60s",
             .min = 0,
             .max = MS_MAX,
             .help = "one end is done, the other is not" },
      .offset = offsetof(struct conf_timeouts, half_close) },
    { .o = { .name = "pending",
             .type = PST_OPT_DURATION,
             .def = "10s",
             .min = 1,
             .max = MS_MAX,
             .help = "a module that suspended the connection" },
      .offset = offsetof(struct conf_timeouts, pending) },
    { .o = { .name = "drain",
             .type = PST_OPT_DURATION,
             .def = "30s",
             .min = 1,
             .max = MS_MAX,
             .help = "connections that are left after TERM or USR2" },
      .offset = offsetof(struct conf_timeouts, drain) },
    { .o = { .name = "upgrade",
             .type = PST_OPT_DURATION,
             .def = "60s",
             .min = 1,
             .max = MS_MAX,
             .help = "until the new process of an upgrade serves" },
      .offset = offsetof(struct conf_timeouts, upgrade) },
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
    if (!conf_keys_read(p, s, conf_timeout_keys, COUNT(conf_timeout_keys), t)) {
        return false;
    }
    if (level != CONF_AT_TOP) {
        misplaced_timeouts(p, s, level);
    }
    return true;
}

const struct conf_key conf_tcp_keys[] = {
    { .o = { .name = "keepalive",
             .type = PST_OPT_DURATION,
             .def = "0",
             .min = 0,
             .max = KEEPALIVE_MAX,
             .help = "idleness before keepalive probes; 0: none" },
      .offset = offsetof(struct conf_tcp, keepalive) },
    { .o = { .name = "user_timeout",
             .type = PST_OPT_DURATION,
             .def = "0",
             .min = 0,
             .max = USER_TIMEOUT_MAX,
             .help = "TCP_USER_TIMEOUT; 0: off" },
      .offset = offsetof(struct conf_tcp, user_timeout) },
};

bool conf_tcp_read(struct conf_priv *p, const config_setting_t *s, struct conf_tcp *t)
{
    const config_setting_t *keepalive;

    if (!conf_keys_read(p, s, conf_tcp_keys, COUNT(conf_tcp_keys), t)) {
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

const struct conf_key conf_resolver_keys[] = {
    { .o = { .name = "nameservers",
             .type = PST_OPT_ADDR,
             .flags = PST_OPT_LIST,
             .help = "whom to ask; default: whom the system asks" },
      .fn = servers_read },
    { .o = { .name = "min_ttl",
             .type = PST_OPT_DURATION,
             .def = "5s",
             .min = 1,
             .max = MS_MAX,
             .help = "an answer counts at least as long" },
      .offset = offsetof(struct conf_resolver, min_ttl) },
    { .o = { .name = "max_ttl",
             .type = PST_OPT_DURATION,
             .def = "5m",
             .min = 1,
             .max = MS_MAX,
             .help = "and at most" },
      .offset = offsetof(struct conf_resolver, max_ttl) },
    { .o = { .name = "timeout",
             .type = PST_OPT_DURATION,
             .def = "2s",
             .min = 1,
             .max = MS_MAX,
             .help = "of one query" },
      .offset = offsetof(struct conf_resolver, timeout) },
};

bool conf_resolver_read(struct conf_priv *p, const config_setting_t *s, struct conf_resolver *r)
{
    char low[32], high[32];

    if (!conf_keys_read(p, s, conf_resolver_keys, COUNT(conf_resolver_keys), r)) {
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

/* What the core reads of an entry of a modules list. */
struct entry {
    const char *name;
    bool enabled, enforce;
};

static bool read_module_name(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct entry *e = base;

    if (!conf_name_read(p, s, &e->name)) {
        return false;
    }
    if (e->name[0] == '.') {
        conf_fail(p, s, "the name of a module cannot begin with a dot");
        e->name = NULL;
        return false;
    }
    return true;
}

const struct conf_key conf_entry_keys[] = {
    { .o = { .name = "module",
             .type = PST_OPT_STR,
             .choices = "name",
             .flags = PST_OPT_REQUIRED,
             .help = "the file name.so in module_dir" },
      .fn = read_module_name },
    { .o = { .name = "enabled",
             .type = PST_OPT_BOOL,
             .def = "true",
             .help = "false: as if the entry were not there" },
      .offset = offsetof(struct entry, enabled) },
    { .o = { .name = "enforce",
             .type = PST_OPT_BOOL,
             .def = "true",
             .help = "false: log what it would have denied, and let it through" },
      .offset = offsetof(struct entry, enforce) },
};

/* One entry of a modules list. False: switched off or wrong. */
static bool module_read(struct conf_priv *p, const config_setting_t *s, struct conf_module *m)
{
    struct entry e = { .name = NULL };

    if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
        return conf_wrong_type(p, s, "a group with the key \"module\"");
    }
    conf_keys_default(conf_entry_keys, COUNT(conf_entry_keys), &e);
    conf_keys_read_own(p, s, conf_entry_keys, COUNT(conf_entry_keys), &e);
    if (e.name == NULL || !e.enabled) {
        return false;
    }
    m->name = e.name;
    m->enforce = e.enforce;
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
