/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/config/conf_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/name.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* RFC 7301 section 3.1. */
#define ALPN_LEN_MAX 255

/* What "tls://" stands for. */
#define TLS_MODULE "upstream-tls"

static bool read_name(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_edge *e = base;

    if (!conf_name_read(p, s, &e->name)) {
        return false;
    }
    if (strcmp(e->name, "refuse") == 0 || strcmp(e->name, "close") == 0) {
        conf_fail(p, s,
                  "an edge cannot be called \"%s\": the word has a meaning in no_sni, "
                  "unknown_sni and not_tls",
                  e->name);
        return false;
    }
    return true;
}

/* Why a domain was refused, in the words of the mistake that was probably made. */
static void domain_error(struct conf_priv *p, const config_setting_t *s, const char *z)
{
    const char *star = strchr(z, '*'), *colon = strrchr(z, ':');

    if (strstr(z, "://") != NULL) {
        conf_fail(p, s, "\"%s\" is a URL; write the host name alone", z);
    } else if (colon != NULL && colon[1 + strspn(colon + 1, "0123456789")] == '\0') {
        conf_fail(p, s, "\"%s\": a domain has no port", z);
    } else if (star != NULL &&
               (star != z || (z[1] != '.' && z[1] != '\0') || strchr(z + 1, '*') != NULL)) {
        conf_fail(p, s, "\"%s\": \"*\" can only be the whole first label: \"*.example.com\"", z);
    } else {
        conf_fail(p, s, "\"%s\" is not a domain name", z);
    }
}

static bool ip_error(struct conf_priv *p, const config_setting_t *s, const char *z)
{
    conf_fail(
        p, s,
        "\"%s\" is an IP address, which a TLS client never sends as a name; use no_sni of the "
        "listener",
        z);
    return false;
}

static bool domain_read(struct conf_priv *p, const config_setting_t *s, const char **out)
{
    char name[NAME_MAX_LEN + 1], text[NAME_MAX_LEN + 3];
    struct pst_addr ip;
    const char *z;
    size_t n;
    bool wildcard = false;

    if (!conf_value_str(p, s, &z)) {
        return false;
    }
    if (addr_parse_ip(z, &ip) == 0 || addr_parse(z, &ip) == 0 || z[0] == '[') {
        return ip_error(p, s, z);
    }
    if (name_normalise_pattern(z, strlen(z), name, &n, &wildcard) != 0) {
        domain_error(p, s, z);
        return false;
    }
    /* Digits of other scripts have become ASCII ones. */
    if (addr_parse_ip(name, &ip) == 0) {
        return ip_error(p, s, z);
    }
    snprintf(text, sizeof(text), "%s%s%s", wildcard ? "*" : "", wildcard && n > 0 ? "." : "", name);
    *out = arena_strndup(&p->arena, text, strlen(text));
    return *out != NULL || conf_nomem(p);
}

static bool alpn_read(struct conf_priv *p, const config_setting_t *s, const char **out)
{
    if (!conf_value_str(p, s, out)) {
        return false;
    }
    if (**out == '\0' || strlen(*out) > ALPN_LEN_MAX) {
        conf_fail(p, s, "an ALPN protocol has 1 to %d bytes", ALPN_LEN_MAX);
        return false;
    }
    return true;
}

/* A list of strings, each through `one`. */
static bool
strings_read(struct conf_priv *p, const config_setting_t *s, const char ***out, size_t *n,
             bool (*one)(struct conf_priv *p, const config_setting_t *s, const char **out))
{
    int len;

    if (!conf_want_list(p, s)) {
        return false;
    }
    len = config_setting_length(s);
    *out = arena_alloc(&p->arena, (size_t)len * sizeof(**out));
    if (*out == NULL) {
        return conf_nomem(p);
    }
    for (int i = 0; i < len; i++) {
        if (one(p, conf_elem(s, i), &(*out)[*n])) {
            (*n)++;
        }
    }
    return true;
}

static bool read_domains(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_edge *e = base;
    return strings_read(p, s, &e->domains, &e->n_domains, domain_read);
}

static bool read_alpn(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_edge *e = base;

    if (!strings_read(p, s, &e->alpn, &e->n_alpn, alpn_read)) {
        return false;
    }
    /* No protocol at all would narrow nothing: the opposite of what the key is for. */
    if (config_setting_length(s) == 0) {
        conf_fail(p, s, "needs at least one protocol");
        return false;
    }
    return true;
}

static bool read_upstream(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_edge *e = base;
    e->has_upstream = true;
    return conf_upstream_read(p, s, &e->upstream);
}

static bool read_tcp(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_tcp_read(p, s, &((struct conf_edge *)base)->tcp);
}

static bool read_timeouts(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_timeouts_read(p, s, CONF_AT_EDGE, &((struct conf_edge *)base)->timeouts);
}

static bool read_modules(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_edge *e = base;
    return conf_modules_read(p, s, &e->modules, &e->n_modules);
}

const struct conf_key conf_edge_keys[] = {
    { .o = { .name = "name",
             .type = PST_OPT_STR,
             .choices = "name",
             .flags = PST_OPT_REQUIRED,
             .help = "unique" },
      .fn = read_name },
    { .o = { .name = "domains",
             .type = PST_OPT_STR,
             .flags = PST_OPT_LIST,
             .help = "names that clients send, *.suffix or *" },
      .fn = read_domains },
    { .o = { .name = "alpn",
             .type = PST_OPT_STR,
             .flags = PST_OPT_LIST,
             .help = "only for clients that offer one of these" },
      .fn = read_alpn },
    { .o = { .name = "upstream",
             .type = PST_OPT_GROUP,
             .choices = "target|list of targets|group",
             CONF_MEMBERS(conf_upstream_keys),
             .help = "a target, a list of them, or a group" },
      .fn = read_upstream },
    { .o = { .name = "on_deny",
             .type = PST_OPT_STR,
             .choices = CONF_DENY_CHOICES,
             .def = "close",
             .help = "what a client sees that a module denies" },
      .offset = offsetof(struct conf_edge, on_deny) },
    { .o = { .name = "max_pending",
             .type = PST_OPT_U64,
             .def = "10000",
             .min = 1,
             .max = 10000000,
             .help = "connections that modules may hold up at once" },
      .offset = offsetof(struct conf_edge, max_pending) },
    { .o = { .name = "tcp", .type = PST_OPT_GROUP, .help = "as at the top level, for upstreams" },
      .fn = read_tcp },
    { .o = { .name = "timeouts",
             .type = PST_OPT_GROUP,
             .help = "handshake, connect, idle, half_close and pending" },
      .fn = read_timeouts },
    { .o = { .name = "modules",
             .type = PST_OPT_GROUP,
             .flags = PST_OPT_LIST,
             CONF_MEMBERS(conf_entry_keys),
             .help = "in the order they run in" },
      .fn = read_modules },
};

/* "tls://" in front of a target is upstream-tls with its defaults, where it is not in the list. */
static bool tls_targets(struct conf_priv *p, const config_setting_t *s, struct conf_edge *e)
{
    const struct conf_target *tls = NULL;

    for (size_t i = 0; i < e->n_modules; i++) {
        if (strcmp(e->modules[i].name, TLS_MODULE) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < e->upstream.n_targets; i++) {
        const struct conf_target *t = &e->upstream.targets[i];

        tls = t->addr.tls ? t : tls;
        if (t->addr.tls && t->addr.kind == CONF_ADDR_UNIX) {
            conf_fail(p, config_setting_get_member(s, "upstream"),
                      "\"%s\": a unix socket has no name that its certificate could be checked "
                      "for; add the module %s with \"server_name\"",
                      t->addr.text, TLS_MODULE);
            return false;
        }
    }
    if (tls == NULL) {
        return true;
    }
    if (!conf_modules_imply(p, config_setting_get_member(s, "upstream"), TLS_MODULE, "targets",
                            "tls", &e->modules, &e->n_modules)) {
        return false;
    }
    e->modules[e->n_modules - 1].implied_by = "tls://";
    return true;
}

bool conf_edge_read(struct conf_priv *p, const config_setting_t *s, struct conf_edge *e)
{
    e->where = conf_where_dup(p, s);
    conf_keys_default(conf_edge_keys, COUNT(conf_edge_keys), e);
    e->tcp = p->conf->tcp;
    e->timeouts = p->conf->timeouts;
    return conf_keys_read(p, s, conf_edge_keys, COUNT(conf_edge_keys), e) && tls_targets(p, s, e);
}
