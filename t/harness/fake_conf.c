/* SPDX-License-Identifier: MIT */
/* The configuration reader over libconfig. A pst_cfg is a config_setting_t here. */
#include "fake_priv.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static config_setting_t *setting_of(const pst_cfg *node)
{
    config_setting_t *s;

    if (fake_current->configuring == NULL) {
        fake_say("bug: the configuration is read outside of init()");
    }
    memcpy(&s, &node, sizeof(s));
    return s;
}

static const pst_cfg *cfg_of(const config_setting_t *s)
{
    return (const pst_cfg *)(const void *)s;
}

static void path_of(const config_setting_t *s, struct fake_text *out)
{
    config_setting_t *up = config_setting_parent(s);
    char index[16];

    if (up == NULL) {
        return;
    }
    path_of(up, out);
    if (config_setting_name(s) != NULL) {
        fake_append(out, ".", out->n > 0 ? 1 : 0);
        fake_append(out, config_setting_name(s), strlen(config_setting_name(s)));
    } else {
        snprintf(index, sizeof(index), "[%d]", config_setting_index(s));
        fake_append(out, index, strlen(index));
    }
}

static void complain(const char *what, const config_setting_t *s, const char *text, size_t n)
{
    struct fake_text path = { 0 };

    fake_append(&path, "", 0);
    path_of(s, &path);
    fake_say("%s %s: %.*s", what, path.p, (int)n, text);
    free(path.p);
}

int32_t fake_conf_wrong(const config_setting_t *s, const char *text)
{
    complain("error", s, text, strlen(text));
    return PST_ERR_CONFIG;
}

const struct pst_option *fake_conf_option_at(const struct pst_option *table, uint32_t stride,
                                             uint32_t i)
{
    return (const struct pst_option *)(const void *)((const char *)table + (size_t)stride * i);
}

const struct pst_option *fake_conf_option(const struct pst_option *table, uint32_t n,
                                          uint32_t stride, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct pst_option *o = fake_conf_option_at(table, stride, i);

        if (strcmp(o->name, name) == 0) {
            return o;
        }
    }
    return NULL;
}

/* The option that declares `key` of the group `s`; NULL: none. */
static const struct pst_option *option_of(const config_setting_t *s, const char *key)
{
    const struct fake_inst *i = fake_current->configuring;
    const struct pst_module *d = i != NULL ? &i->self.module->desc : NULL;
    const struct pst_option *up;
    config_setting_t *parent = config_setting_parent(s);

    if (d == NULL) {
        return NULL;
    }
    if (parent == NULL) {
        return s == config_root_setting(&i->conf)
                   ? fake_conf_option(d->options, d->n_options, d->option_size, key)
                   : NULL;
    }
    if (config_setting_name(s) == NULL) {
        s = parent;
        parent = config_setting_parent(s);
    }
    if (parent == NULL || config_setting_name(s) == NULL) {
        return NULL;
    }
    up = option_of(parent, config_setting_name(s));
    return up != NULL ? fake_conf_option(up->sub, up->n_sub, d->option_size, key) : NULL;
}

/* What a reader reads: a setting, or the text of a declared default. */
struct found {
    const config_setting_t *s; /* for errors, too */
    const char *text;          /* a string */
    int is_default;
};

static int32_t look(const pst_cfg *node, const char *key, struct found *f)
{
    const config_setting_t *s = setting_of(node);
    const struct pst_option *o;

    memset(f, 0, sizeof(*f));
    f->s = s;
    if (key != NULL) {
        f->s = config_setting_is_group(s) ? config_setting_get_member(s, key) : NULL;
    }
    if (f->s == NULL) {
        o = option_of(s, key);
        f->s = s;
        f->text = o != NULL ? o->def : NULL;
        f->is_default = 1;
        return f->text != NULL ? PST_OK : PST_ERR_NOT_FOUND;
    }
    f->text = config_setting_get_string(f->s);
    return PST_OK;
}

static int32_t host_cfg_str(const pst_cfg *node, const char *key, struct pst_str *out)
{
    struct found f;
    int32_t rc = look(node, key, &f);

    if (rc == PST_OK && f.text == NULL) {
        rc = fake_conf_wrong(f.s, "expected a string");
    }
    if (rc == PST_OK) {
        *out = pst_str_of(f.text);
    }
    return rc;
}

/* A number with one of the given units; 0: none fits. */
static int with_unit(const char *text, const char *const *units, const uint64_t *factors,
                     uint64_t *out)
{
    char *end;
    uint64_t v = strtoull(text, &end, 10);

    if (end == text || text[0] == '-') {
        return 0;
    }
    for (int i = 0; units[i] != NULL; i++) {
        if (strcmp(end, units[i]) == 0) {
            *out = v * factors[i];
            return 1;
        }
    }
    return 0;
}

static int32_t number(const pst_cfg *node, const char *key, const char *const *units,
                      const uint64_t *factors, const char *what, uint64_t *out)
{
    struct found f;
    int32_t rc = look(node, key, &f);
    const struct pst_option *o = key != NULL ? option_of(setting_of(node), key) : NULL;

    if (rc != PST_OK) {
        return rc;
    }
    if (f.text == NULL && config_setting_is_number(f.s) && config_setting_get_int64(f.s) >= 0 &&
        units[0][0] == '\0') {
        *out = (uint64_t)config_setting_get_int64(f.s);
    } else if (f.text == NULL || (units[1] == NULL && !f.is_default) ||
               !with_unit(f.text, units, factors, out)) {
        return fake_conf_wrong(f.s, what);
    }
    if (o != NULL && (*out < o->min || (o->max != 0 && *out > o->max))) {
        return fake_conf_wrong(f.s, "out of range");
    }
    return PST_OK;
}

static int32_t host_cfg_u64(const pst_cfg *node, const char *key, uint64_t *out)
{
    static const char *const units[] = { "", NULL };
    static const uint64_t factors[] = { 1 };

    return number(node, key, units, factors, "expected an integer", out);
}

static int32_t host_cfg_duration(const pst_cfg *node, const char *key, uint64_t *ms)
{
    static const char *const units[] = { "ms", "s", "m", "h", NULL };
    static const uint64_t factors[] = { 1, 1000, 60000, 3600000 };

    return number(node, key, units, factors, "expected a duration like \"3s\"", ms);
}

static int32_t host_cfg_size(const pst_cfg *node, const char *key, uint64_t *bytes)
{
    static const char *const units[] = { "", "k", "m", "g", NULL };
    static const uint64_t factors[] = { 1, 1 << 10, 1 << 20, 1 << 30 };

    return number(node, key, units, factors, "expected a size like \"64k\"", bytes);
}

static int32_t host_cfg_bool(const pst_cfg *node, const char *key, uint32_t *out)
{
    struct found f;
    int32_t rc = look(node, key, &f);

    if (rc != PST_OK) {
        return rc;
    }
    if (f.is_default) {
        *out = strcmp(f.text, "true") == 0;
    } else if (config_setting_type(f.s) == CONFIG_TYPE_BOOL) {
        *out = config_setting_get_bool(f.s) != 0;
    } else {
        return fake_conf_wrong(f.s, "expected true or false");
    }
    return PST_OK;
}

static int parse_ip(const char *text, struct pst_addr *out)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, out->ip) == 1) {
        out->family = PST_AF_INET;
    } else if (inet_pton(AF_INET6, text, out->ip) == 1) {
        out->family = PST_AF_INET6;
    }
    return out->family != PST_AF_NONE;
}

/* An IPv4-mapped network counts as IPv4, as an IPv4-mapped address does. */
static void unmap_net(struct pst_net *net)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    if (net->addr.family == PST_AF_INET6 && net->prefix >= 96 &&
        memcmp(net->addr.ip, mapped, sizeof(mapped)) == 0) {
        memmove(net->addr.ip, net->addr.ip + 12, 4);
        memset(net->addr.ip + 4, 0, 12);
        net->addr.family = PST_AF_INET;
        net->prefix -= 96;
    }
}

/* Where an error about `key` of `node` belongs. */
static const config_setting_t *place_of(const pst_cfg *node, const char *key)
{
    struct found f;

    look(node, key, &f);
    return f.s;
}

static int32_t host_cfg_net(const pst_cfg *node, const char *key, struct pst_net *out)
{
    struct pst_str text;
    int32_t rc = host_cfg_str(node, key, &text);
    char ip[64];
    const char *slash;
    uint32_t bits;

    if (rc != PST_OK) {
        return rc;
    }
    slash = strchr(text.p, '/');
    snprintf(ip, sizeof(ip), "%.*s", (int)(slash != NULL ? (size_t)(slash - text.p) : text.n),
             text.p);
    memset(out, 0, sizeof(*out));
    if (!parse_ip(ip, &out->addr)) {
        return fake_conf_wrong(place_of(node, key), "not a network");
    }
    bits = out->addr.family == PST_AF_INET ? 32 : 128;
    out->prefix = slash != NULL ? (uint32_t)strtoul(slash + 1, NULL, 10) : bits;
    if (out->prefix > bits) {
        return fake_conf_wrong(place_of(node, key), "not a network");
    }
    for (uint32_t i = out->prefix; i < bits; i++) {
        if ((out->addr.ip[i / 8] & (0x80u >> i % 8)) != 0) {
            return fake_conf_wrong(place_of(node, key), "has host bits set");
        }
    }
    unmap_net(out);
    return PST_OK;
}

static int32_t host_cfg_addr(const pst_cfg *node, const char *key, struct pst_addr *out)
{
    struct pst_str text;
    int32_t rc = host_cfg_str(node, key, &text);
    const char *colon, *from, *end;
    char ip[64];

    if (rc != PST_OK) {
        return rc;
    }
    colon = strrchr(text.p, ':');
    from = text.p[0] == '[' ? text.p + 1 : text.p;
    end = text.p[0] == '[' ? strchr(text.p, ']') : colon;
    if (colon == NULL || end == NULL || end > colon) {
        return fake_conf_wrong(place_of(node, key), "expected address and port");
    }
    snprintf(ip, sizeof(ip), "%.*s", (int)(end - from), from);
    if (!parse_ip(ip, out)) {
        return fake_conf_wrong(place_of(node, key), "expected address and port");
    }
    out->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    return PST_OK;
}

/* Relative paths are relative to the working folder of the test. */
static int32_t host_cfg_path(const pst_cfg *node, const char *key, struct pst_str *out)
{
    return host_cfg_str(node, key, out);
}

static const pst_cfg *host_cfg_get(const pst_cfg *node, const char *key)
{
    config_setting_t *s = setting_of(node);

    return config_setting_is_group(s) ? cfg_of(config_setting_get_member(s, key)) : NULL;
}

static uint32_t host_cfg_type(const pst_cfg *node)
{
    switch (config_setting_type(setting_of(node))) {
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

static uint32_t host_cfg_count(const pst_cfg *node)
{
    return (uint32_t)config_setting_length(setting_of(node));
}

static const pst_cfg *host_cfg_at(const pst_cfg *node, uint32_t i)
{
    return cfg_of(config_setting_get_elem(setting_of(node), i));
}

static int32_t host_cfg_name(const pst_cfg *node, struct pst_str *out)
{
    const char *name = config_setting_name(setting_of(node));

    if (name == NULL) {
        return PST_ERR_NOT_FOUND;
    }
    *out = pst_str_of(name);
    return PST_OK;
}

static const pst_cfg *host_cfg_shared(pst_instance *self, const char *section, const char *name)
{
    config_setting_t *list = config_lookup(&fake_current->shared, section);

    (void)self;
    for (int i = 0; list != NULL && i < config_setting_length(list); i++) {
        config_setting_t *s = config_setting_get_elem(list, (unsigned)i);
        const char *called;

        if (config_setting_lookup_string(s, "name", &called) && strcmp(called, name) == 0) {
            return cfg_of(s);
        }
    }
    return NULL;
}

static void host_cfg_error(const pst_cfg *node, const char *text, size_t n)
{
    complain("error", setting_of(node), text, n);
}

static void host_cfg_warn(const pst_cfg *node, const char *text, size_t n)
{
    complain("warning", setting_of(node), text, n);
}

void fake_host_shared(struct fake_host *h, const char *text)
{
    config_destroy(&h->shared);
    config_init(&h->shared);
    if (config_read_string(&h->shared, text) != CONFIG_TRUE) {
        fake_say("error: shared line %d: %s", config_error_line(&h->shared),
                 config_error_text(&h->shared));
    }
}

void fake_conf_table(struct pst_host *t)
{
    t->cfg_str = host_cfg_str;
    t->cfg_u64 = host_cfg_u64;
    t->cfg_bool = host_cfg_bool;
    t->cfg_duration = host_cfg_duration;
    t->cfg_size = host_cfg_size;
    t->cfg_net = host_cfg_net;
    t->cfg_addr = host_cfg_addr;
    t->cfg_path = host_cfg_path;
    t->cfg_get = host_cfg_get;
    t->cfg_type = host_cfg_type;
    t->cfg_count = host_cfg_count;
    t->cfg_at = host_cfg_at;
    t->cfg_name = host_cfg_name;
    t->cfg_shared = host_cfg_shared;
    t->cfg_error = host_cfg_error;
    t->cfg_warn = host_cfg_warn;
}
