/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. Nothing outside includes it, but for tests and fuzzers. */
#ifndef POSTERN_CONFIG_CONF_PRIV_H
#define POSTERN_CONFIG_CONF_PRIV_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/config/conf.h"
#include "plugin-api/pst_config.h"

struct conf_errors;
struct map;

/* One parsed file. Kept as long as the conf: strings and module nodes point into it. */
struct conf_file {
    struct conf_file *next;
    config_t cfg;
};

/* What a conf owns, and what its parts need while it is being read. */
struct conf_priv {
    struct conf *conf;
    struct arena arena;
    struct conf_errors *errors; /* borrowed; NULL after conf_detach() */
    struct conf_file *files;    /* the main file first, then include_dir in lexical order */
    bool incomplete;            /* a file could not be read: what is missing proves nothing */
    const char *cwd;            /* absolute; relative file names start here */
    struct map *policies;       /* name of an ip_policies group -> struct pst_cfg */
    const config_setting_t **listener_settings; /* by index of conf->listeners */
    const config_setting_t **edge_settings;     /* by index of conf->edges */
};

/* --- conf_report.c: errors that know their place --------------------------------------------- */

/* Longest "edges[2].modules[0].allow[3]"; deeper or longer ones lose their beginning. */
#define CONF_WHERE_MAX 256

/*
 * Element i of a list or array. Remembers the index in the setting, so that conf_where() need not
 * search for it: lists of edges are long.
 */
const config_setting_t *conf_elem(const config_setting_t *list, int i);
/* "edges[2].name" of a setting; out is NUL-terminated. Answers out. */
const char *conf_where(const config_setting_t *s, char out[CONF_WHERE_MAX]);
/* A copy of that in the arena; "" when out of memory. */
const char *conf_where_dup(struct conf_priv *p, const config_setting_t *s);
/* " (conf.d/a.conf:12)" of a setting, for "... is already used by". Answers out. */
const char *conf_place(const config_setting_t *s, char *out, size_t n);
/* Add an error or a warning at a setting. */
void conf_fail(struct conf_priv *p, const config_setting_t *s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void conf_warn(struct conf_priv *p, const config_setting_t *s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Add the error that memory ran out; always answers false. */
bool conf_nomem(struct conf_priv *p);
/* "a string", "an integer", ...: what was found. */
const char *conf_type_text(const config_setting_t *s);
/* Report a wrong type: "expected <expected>, found a list". Always answers false. */
bool conf_wrong_type(struct conf_priv *p, const config_setting_t *s, const char *expected);
/* True when `known` is near enough to `given` to be what was meant; *best is the bar so far. */
bool conf_near(const char *given, const char *known, unsigned *best);

/* --- conf_value.c: one setting to one value. False: an error was added ------------------------ */

bool conf_value_str(struct conf_priv *p, const config_setting_t *s, const char **out);
bool conf_value_bool(struct conf_priv *p, const config_setting_t *s, bool *out);
bool conf_value_u64(struct conf_priv *p, const config_setting_t *s, uint64_t min, uint64_t max,
                    uint64_t *out);
bool conf_value_ms(struct conf_priv *p, const config_setting_t *s, uint64_t min, uint64_t max,
                   uint64_t *out);
bool conf_value_size(struct conf_priv *p, const config_setting_t *s, uint64_t min, uint64_t max,
                     uint64_t *out);
bool conf_value_net(struct conf_priv *p, const config_setting_t *s, struct pst_net *out);
/* Permission bits: an octal number in quotes, of these bits at most. */
bool conf_value_mode(struct conf_priv *p, const config_setting_t *s, uint32_t most, uint32_t *out);
/* A file name made absolute, relative to the file that the setting stands in. */
bool conf_value_path(struct conf_priv *p, const config_setting_t *s, const char **out);
/* The same for a text from elsewhere. NULL: out of memory. */
const char *conf_path_from(struct conf_priv *p, const config_setting_t *s, const char *text);
/* One of "a|b|c": *index says which. */
bool conf_value_choice(struct conf_priv *p, const config_setting_t *s, const char *choices,
                       unsigned *index);
/* Which of "a|b|c" a word is; false: none. */
bool conf_choice_find(const char *choices, const char *word, unsigned *index);
/* A duration in its largest whole unit: "5m". */
const char *conf_ms_text(uint64_t ms, char out[32]);

/* --- conf_addr.c ------------------------------------------------------------------------------ */

enum conf_addr_use {
    CONF_ADDR_OF_LISTENER, /* IP or unix */
    CONF_ADDR_OF_TARGET,   /* names and tls:// as well */
    CONF_ADDR_OF_MODULE    /* IP alone */
};
/* An address of a setting that must be a string. */
bool conf_value_addr(struct conf_priv *p, const config_setting_t *s, enum conf_addr_use use,
                     struct conf_addr *out);

/* --- conf_keys.c: groups with a fixed set of keys --------------------------------------------- */

/*
 * A key of the core's own, declared like an option of a module, so that conf_describe() and the
 * manual tell what is read here. Without fn the type of the option is that of the member:
 *
 *   STR       const char *, not empty; with choices an enum that counts from 0
 *   PATH      const char *, absolute
 *   BOOL      bool
 *   U64       uint32_t
 *   DURATION  uint64_t, milliseconds
 *
 * With fn, choices are words for people, and fn and whoever sets the member's default heed them.
 */
struct conf_key {
    struct pst_option o;
    size_t offset; /* into base */
    bool (*fn)(struct conf_priv *p, const config_setting_t *s, void *base);
};

/* The members of a group, for a key of type GROUP. */
#define CONF_MEMBERS(table) .sub = &(table)[0].o, .n_sub = sizeof(table) / sizeof((table)[0])

/* A mode as it is written: "0660". */
#define CONF_TEXT(n)      CONF_TEXT_OF(n)
#define CONF_TEXT_OF(n)   #n
#define CONF_SOCKET_MODE  0660
#define CONF_CONTROL_MODE 0600

/* Set the members of base that have a default in a table of n keys and no fn. */
void conf_keys_default(const struct conf_key *keys, size_t n, void *base);
/*
 * Read the members of group s into base by a table of n keys; absent ones leave base as it is.
 * Unknown keys, wrong types, and absence of required ones are added to the errors.
 * False: s is not a group.
 */
bool conf_keys_read(struct conf_priv *p, const config_setting_t *s, const struct conf_key *keys,
                    size_t n, void *base);
/* The same where further keys are somebody else's. */
bool conf_keys_read_own(struct conf_priv *p, const config_setting_t *s, const struct conf_key *keys,
                        size_t n, void *base);
/* An array or list; a single value instead is an error that says how to write it. */
bool conf_want_list(struct conf_priv *p, const config_setting_t *s);

/* --- the parts -------------------------------------------------------------------------------- */

/* conf_include.c: read path and what its include_dir names into p->files. */
void conf_files_read(struct conf_priv *p, const char *path);
/* The same from memory, without include_dir. For tests and fuzzers. */
void conf_files_read_text(struct conf_priv *p, const char *text);

/* conf_scan.c: what libconfig would get wrong or die of. False: an error was added. */
bool conf_scan_file(struct conf_priv *p, const char *path, const char *include_dir);
bool conf_scan_text(struct conf_priv *p, const char *path, const char *text, size_t n,
                    const char *include_dir, unsigned depth);

/* The keys of postern.conf; those of the groups in it are their members. */
extern const struct conf_key conf_top_keys[16];
extern const struct conf_key conf_timeout_keys[8];
extern const struct conf_key conf_tcp_keys[2];
extern const struct conf_key conf_entry_keys[3]; /* of an entry of modules, beside the module's */
extern const struct conf_key conf_resolver_keys[4];
extern const struct conf_key conf_sandbox_keys[2];
extern const struct conf_key conf_control_keys[4];
extern const struct conf_key conf_metrics_keys[4];
extern const struct conf_key conf_policy_keys[2];
extern const struct conf_key conf_listener_keys[12];
extern const struct conf_key conf_edge_keys[9];
extern const struct conf_key conf_upstream_keys[5];

/* conf_common.c: groups that several places carry. */
enum conf_level { CONF_AT_TOP, CONF_AT_LISTENER, CONF_AT_EDGE };
bool conf_timeouts_read(struct conf_priv *p, const config_setting_t *s, enum conf_level level,
                        struct conf_timeouts *t);
bool conf_tcp_read(struct conf_priv *p, const config_setting_t *s, struct conf_tcp *t);
bool conf_resolver_read(struct conf_priv *p, const config_setting_t *s, struct conf_resolver *r);
/* conf_admin.c: the daemon's own services. */
bool conf_sandbox_read(struct conf_priv *p, const config_setting_t *s, struct conf_sandbox *c);
bool conf_control_read(struct conf_priv *p, const config_setting_t *s, struct conf_control *c);
bool conf_metrics_read(struct conf_priv *p, const config_setting_t *s, struct conf_metrics *m);
bool conf_modules_read(struct conf_priv *p, const config_setting_t *s, struct conf_module **mods,
                       size_t *n);
/*
 * Add a module to a list as if { module = "<name>"; <key> = "<value>"; } stood at the end of the
 * "modules" of `group`. Its errors are told at the place of `because`, a member of the group.
 */
bool conf_modules_imply(struct conf_priv *p, config_setting_t *because, const char *name,
                        const char *key, const char *value, struct conf_module **mods, size_t *n);
/* A name for people and logs: letters, digits, "." "_" "-", at most 64. */
bool conf_name_read(struct conf_priv *p, const config_setting_t *s, const char **out);
#define CONF_DENY_CHOICES "close|alert|reset"

/* conf_listener.c, conf_edge.c, conf_upstream.c: one element into a struct with defaults set. */
bool conf_listener_read(struct conf_priv *p, const config_setting_t *s, struct conf_listener *l);
bool conf_edge_read(struct conf_priv *p, const config_setting_t *s, struct conf_edge *e);
bool conf_upstream_read(struct conf_priv *p, const config_setting_t *s, struct conf_upstream *u);

/* conf_check.c: what can only be judged when everything is read. */
void conf_check(struct conf_priv *p);

/* conf_node.c */
struct pst_cfg *conf_node_new(struct conf_priv *p, const config_setting_t *s, bool entry);
/* conf_policy.c: check the ip_policies of one file and make them known to conf_reader_shared(). */
void conf_policies_read(struct conf_priv *p, const config_setting_t *list);

/* conf.c: conf_load() from memory; file names of errors are left out. */
struct conf *conf_load_text(const char *text, struct conf_errors *errors);

#endif
