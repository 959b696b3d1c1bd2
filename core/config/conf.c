/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole configuration: top-level keys, then the lists of all files. */
#include "core/config/conf_priv.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/config/conf_error.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define LOG_LEVELS "error|warning|notice|info|debug"

static bool read_log_target(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf *c = base;
    const char *z;

    if (!conf_value_str(p, s, &z)) {
        return false;
    }
    if (strcmp(z, "stderr") == 0) {
        c->log_target = LOG_STDERR;
        return true;
    }
    if (strcmp(z, "syslog") == 0) {
        c->log_target = LOG_SYSLOG;
        return true;
    }
    if (strncmp(z, "file:", 5) == 0 && z[5] != '\0') {
        z += 5;
    } else if (strchr(z, '/') == NULL) {
        conf_fail(p, s,
                  "\"%s\" is not one of \"stderr\", \"syslog\" or a file such as "
                  "\"file:/var/log/postern.log\"",
                  z);
        return false;
    }
    c->log_target = LOG_FILE;
    c->log_path = conf_path_from(p, s, z);
    return c->log_path != NULL || conf_nomem(p);
}

static bool read_log_level(struct conf_priv *p, const config_setting_t *s, void *base)
{
    static const int levels[] = { PST_LOG_ERROR, PST_LOG_WARNING, PST_LOG_NOTICE, PST_LOG_INFO,
                                  PST_LOG_DEBUG };
    unsigned index;

    if (!conf_value_choice(p, s, LOG_LEVELS, &index)) {
        return false;
    }
    ((struct conf *)base)->log_level = levels[index];
    return true;
}

static const struct conf_key log_keys[] = {
    { .o = { .name = "target",
             .type = PST_OPT_STR,
             .choices = "stderr|syslog|file:path",
             .def = "stderr",
             .help = "where messages go" },
      .fn = read_log_target },
    { .o = { .name = "level",
             .type = PST_OPT_STR,
             .choices = LOG_LEVELS,
             .def = "info",
             .help = "the least that is logged" },
      .fn = read_log_level },
};

static bool read_log(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_keys_read(p, s, log_keys, COUNT(log_keys), base);
}

static bool read_timeouts(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_timeouts_read(p, s, CONF_AT_TOP, &((struct conf *)base)->timeouts);
}

static bool read_tcp(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_tcp_read(p, s, &((struct conf *)base)->tcp);
}

static bool read_resolver(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_resolver_read(p, s, &((struct conf *)base)->resolver);
}

static bool read_sandbox(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_sandbox_read(p, s, &((struct conf *)base)->sandbox);
}

static bool read_control(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_control_read(p, s, &((struct conf *)base)->control);
}

static bool read_metrics(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_metrics_read(p, s, &((struct conf *)base)->metrics);
}

/* Read already, by conf_files_read(); here only its type is judged. */
static bool read_include_dir(struct conf_priv *p, const config_setting_t *s, void *base)
{
    const char *z;

    (void)base;
    if (conf_value_str(p, s, &z) && z[0] == '\0') {
        conf_fail(p, s, "cannot be empty");
    }
    return true;
}

/* Lists are read when the defaults that their elements inherit are known. */
static bool read_later(struct conf_priv *p, const config_setting_t *s, void *base)
{
    (void)base;
    return conf_want_list(p, s);
}

const struct conf_key conf_top_keys[] = {
    { .o = { .name = "include_dir",
             .type = PST_OPT_PATH,
             .help = "a folder of further files, *.conf" },
      .fn = read_include_dir },
    { .o = { .name = "workers",
             .type = PST_OPT_U64,
             .def = "0",
             .min = 0,
             .max = 1024,
             .help = "threads; 0: one for each CPU" },
      .offset = offsetof(struct conf, workers) },
    { .o = { .name = "user", .type = PST_OPT_STR, .help = "what to become after binding" },
      .offset = offsetof(struct conf, user) },
    { .o = { .name = "group",
             .type = PST_OPT_STR,
             .help = "the same; default: the groups of the user" },
      .offset = offsetof(struct conf, group) },
    { .o = { .name = "log", .type = PST_OPT_GROUP, CONF_MEMBERS(log_keys), .help = "messages" },
      .fn = read_log },
    { .o = { .name = "max_connections",
             .type = PST_OPT_U64,
             .def = "0",
             .min = 0,
             .max = INT32_MAX,
             .help = "at once; 0: as many as open files allow" },
      .offset = offsetof(struct conf, max_connections) },
    { .o = { .name = "module_dir", .type = PST_OPT_PATH, .help = "where modules are loaded from" },
      .offset = offsetof(struct conf, module_dir) },
    { .o = { .name = "timeouts",
             .type = PST_OPT_GROUP,
             CONF_MEMBERS(conf_timeout_keys),
             .help = "how long things may take" },
      .fn = read_timeouts },
    { .o = { .name = "tcp",
             .type = PST_OPT_GROUP,
             CONF_MEMBERS(conf_tcp_keys),
             .help = "what the kernel does about silent peers" },
      .fn = read_tcp },
    { .o = { .name = "resolver",
             .type = PST_OPT_GROUP,
             CONF_MEMBERS(conf_resolver_keys),
             .help = "how host names of targets are looked up" },
      .fn = read_resolver },
    { .o = { .name = "sandbox",
             .type = PST_OPT_GROUP,
             CONF_MEMBERS(conf_sandbox_keys),
             .help = "what is given up after the start" },
      .fn = read_sandbox },
    { .o = { .name = "control",
             .type = PST_OPT_GROUP,
             CONF_MEMBERS(conf_control_keys),
             .help = "the socket for posternctl" },
      .fn = read_control },
    { .o = { .name = "metrics",
             .type = PST_OPT_GROUP,
             CONF_MEMBERS(conf_metrics_keys),
             .help = "figures over HTTP" },
      .fn = read_metrics },
    { .o = { .name = "ip_policies",
             .type = PST_OPT_GROUP,
             .flags = PST_OPT_LIST,
             CONF_MEMBERS(conf_policy_keys),
             .help = "rules that edges and listeners share" },
      .fn = read_later },
    { .o = { .name = "listeners",
             .type = PST_OPT_GROUP,
             .flags = PST_OPT_LIST,
             CONF_MEMBERS(conf_listener_keys),
             .help = "where to listen" },
      .fn = read_later },
    { .o = { .name = "edges",
             .type = PST_OPT_GROUP,
             .flags = PST_OPT_LIST,
             CONF_MEMBERS(conf_edge_keys),
             .help = "where connections go" },
      .fn = read_later },
};

static void set_defaults(struct conf *c)
{
    c->log_target = LOG_STDERR;
    c->log_level = PST_LOG_INFO;
    c->control.mode = CONF_CONTROL_MODE;
    conf_keys_default(conf_top_keys, COUNT(conf_top_keys), c);
    conf_keys_default(conf_timeout_keys, COUNT(conf_timeout_keys), &c->timeouts);
    conf_keys_default(conf_tcp_keys, COUNT(conf_tcp_keys), &c->tcp);
    conf_keys_default(conf_resolver_keys, COUNT(conf_resolver_keys), &c->resolver);
    conf_keys_default(conf_sandbox_keys, COUNT(conf_sandbox_keys), &c->sandbox);
    conf_keys_default(conf_control_keys, COUNT(conf_control_keys), &c->control);
}

/* The list called key of a file; NULL when it has none, or something that is no list. */
static const config_setting_t *list_of(const struct conf_file *f, const char *key)
{
    const config_setting_t *s = config_setting_get_member(config_root_setting(&f->cfg), key);

    if (s == NULL || (config_setting_type(s) != CONFIG_TYPE_LIST &&
                      config_setting_type(s) != CONFIG_TYPE_ARRAY)) {
        return NULL;
    }
    return s;
}

static size_t count_all(const struct conf_priv *p, const char *key)
{
    size_t n = 0;

    for (const struct conf_file *f = p->files; f != NULL; f = f->next) {
        const config_setting_t *list = list_of(f, key);
        n += list != NULL ? (size_t)config_setting_length(list) : 0;
    }
    return n;
}

/* True when no file has an element for this list. Something that is no list is no proof. */
static bool is_empty(const struct conf_priv *p, const char *key)
{
    for (const struct conf_file *f = p->files; f != NULL; f = f->next) {
        const config_setting_t *s = config_setting_get_member(config_root_setting(&f->cfg), key);
        if (s != NULL && list_of(f, key) == NULL) {
            return false;
        }
    }
    return count_all(p, key) == 0;
}

static bool read_listeners(struct conf_priv *p)
{
    struct conf *c = p->conf;
    size_t n = count_all(p, "listeners");

    c->listeners = arena_alloc(&p->arena, n * sizeof(*c->listeners));
    p->listener_settings = arena_alloc(&p->arena, n * sizeof(const config_setting_t *));
    if (c->listeners == NULL || p->listener_settings == NULL) {
        return conf_nomem(p);
    }
    for (const struct conf_file *f = p->files; f != NULL; f = f->next) {
        const config_setting_t *list = list_of(f, "listeners");
        int len = list != NULL ? config_setting_length(list) : 0;

        for (int i = 0; i < len; i++) {
            const config_setting_t *s = conf_elem(list, i);
            if (conf_listener_read(p, s, &c->listeners[c->n_listeners])) {
                p->listener_settings[c->n_listeners++] = s;
            }
        }
    }
    return true;
}

static bool read_edges(struct conf_priv *p)
{
    struct conf *c = p->conf;
    size_t n = count_all(p, "edges");

    c->edges = arena_alloc(&p->arena, n * sizeof(*c->edges));
    p->edge_settings = arena_alloc(&p->arena, n * sizeof(const config_setting_t *));
    if (c->edges == NULL || p->edge_settings == NULL) {
        return conf_nomem(p);
    }
    for (const struct conf_file *f = p->files; f != NULL; f = f->next) {
        const config_setting_t *list = list_of(f, "edges");
        int len = list != NULL ? config_setting_length(list) : 0;

        for (int i = 0; i < len; i++) {
            const config_setting_t *s = conf_elem(list, i);
            if (conf_edge_read(p, s, &c->edges[c->n_edges])) {
                p->edge_settings[c->n_edges++] = s;
            }
        }
    }
    return true;
}

/* Lists of the wrong type were reported for the main file by conf_top_keys. */
static void check_part_lists(struct conf_priv *p)
{
    static const char *const lists[] = { "listeners", "edges", "ip_policies" };

    for (const struct conf_file *f = p->files->next; f != NULL; f = f->next) {
        for (size_t k = 0; k < COUNT(lists); k++) {
            const config_setting_t *s =
                config_setting_get_member(config_root_setting(&f->cfg), lists[k]);
            if (s != NULL) {
                conf_want_list(p, s);
            }
        }
    }
}

static void interpret(struct conf_priv *p)
{
    struct conf *c = p->conf;

    if (p->files == NULL) {
        return;
    }
    conf_keys_read(p, config_root_setting(&p->files->cfg), conf_top_keys, COUNT(conf_top_keys), c);
    check_part_lists(p);
    for (const struct conf_file *f = p->files; f != NULL; f = f->next) {
        const config_setting_t *policies = list_of(f, "ip_policies");
        if (policies != NULL) {
            conf_policies_read(p, policies);
        }
    }
    if (!read_listeners(p) || !read_edges(p) || p->incomplete) {
        return;
    }
    if (is_empty(p, "listeners")) {
        conf_error_add(p->errors, c->path, 0, "listeners", "nothing to listen on");
    }
    if (is_empty(p, "edges")) {
        conf_error_add(p->errors, c->path, 0, "edges", "there is no edge");
    }
    conf_check(p);
}

static struct conf *load(const char *path, const char *text, struct conf_errors *errors)
{
    struct conf *c = calloc(1, sizeof(*c));
    struct conf_priv *p = calloc(1, sizeof(*p));
    char cwd[PATH_MAX];

    if (c == NULL || p == NULL) {
        free(c);
        free(p);
        return NULL;
    }
    c->priv = p;
    p->conf = c;
    p->errors = errors;
    arena_init(&p->arena);
    if (getcwd(cwd, sizeof(cwd)) == NULL) {
        cwd[0] = '\0';
    }
    p->cwd = arena_strndup(&p->arena, cwd, strlen(cwd));
    p->policies = map_new(0);
    if (path != NULL) {
        c->path = arena_strndup(&p->arena, path, strlen(path));
    }
    if (p->cwd == NULL || p->policies == NULL || (path != NULL && c->path == NULL)) {
        conf_free(c);
        return NULL;
    }
    set_defaults(c);
    if (path != NULL) {
        conf_files_read(p, c->path);
    } else {
        conf_files_read_text(p, text);
    }
    interpret(p);
    return c;
}

struct conf *conf_load(const char *path, struct conf_errors *errors)
{
    return load(path, NULL, errors);
}

struct conf *conf_load_text(const char *text, struct conf_errors *errors)
{
    return load(NULL, text, errors);
}

void conf_detach(struct conf *c)
{
    c->priv->errors = NULL;
}

void conf_free(struct conf *c)
{
    if (c == NULL) {
        return;
    }
    for (struct conf_file *f = c->priv->files; f != NULL; f = f->next) {
        config_destroy(&f->cfg);
    }
    map_free(c->priv->policies);
    arena_free(&c->priv->arena);
    free(c->priv);
    free(c);
}
