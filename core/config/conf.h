/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file as plain structs. Reading it has no side effects; every problem found is
 * an entry of the error list (conf_error.h) and a conf with errors is never used.
 *
 * All strings and arrays live in the conf's arena and are freed with it. Module entries keep
 * their libconfig nodes, which modules read through the opaque pst_cfg (conf_reader.c).
 */
#ifndef POSTERN_CONFIG_CONF_H
#define POSTERN_CONFIG_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/log.h"
#include "plugin-api/pst_types.h"

struct conf_errors;
struct pst_cfg;

/* Milliseconds. 0 means "no limit" and is only accepted for idle and half_close. */
struct conf_timeouts {
    uint64_t hello;     /* from accept to a routed hello, preface included */
    uint64_t handshake; /* client's and upstream's TLS handshake */
    uint64_t connect;   /* one upstream target */
    uint64_t idle;
    uint64_t half_close;
    uint64_t drain;   /* after TERM; global only */
    uint64_t upgrade; /* until the new process is ready; global only */
    uint64_t pending; /* one suspended hook */
};

struct conf_tcp {
    uint64_t keepalive;    /* ms of idleness before the first probe; 0: off */
    uint64_t user_timeout; /* TCP_USER_TIMEOUT in ms; 0: off */
};

enum conf_outcome { CONF_REFUSE, CONF_CLOSE, CONF_ROUTE };

/* What happens to a hello without a name, with an unknown one, or to something that is no TLS. */
struct conf_fallback {
    enum conf_outcome outcome;
    const char *edge; /* CONF_ROUTE: the name of an edge (checked to exist) */
};

/* How a DENY looks on the wire. */
enum conf_deny { CONF_DENY_CLOSE, CONF_DENY_ALERT, CONF_DENY_RESET };

struct conf_module {
    const char *name;          /* "ip-restrictions"                                  */
    const char *where;         /* "edges[2].modules[0]"                              */
    const struct pst_cfg *cfg; /* the entry, without the core's own keys module, enabled, enforce */
    bool enforce;              /* entries with enabled = false are not in the array  */
    const char *implied_by;    /* "tls://": it is not in the file; NULL: it is       */
};

enum conf_addr_kind { CONF_ADDR_IP, CONF_ADDR_HOST, CONF_ADDR_UNIX };

/* "127.0.0.1:80" "[::1]:80" "host:80" "unix:/path", each with "tls://" in front for targets. */
struct conf_addr {
    enum conf_addr_kind kind;
    const char *text;   /* as written, normalised: the identity of an address */
    struct pst_addr ip; /* IP: whole; HOST: only the port                     */
    const char *host;   /* HOST: normalised name                              */
    const char *path;   /* UNIX                                               */
    bool tls;           /* "tls://"                                           */
};

struct conf_listener {
    const char *name, *where;
    struct conf_addr *addrs; /* at least one; IP or UNIX */
    size_t n_addrs;
    bool dual_stack;    /* "[::]:port" takes IPv4 too */
    uint32_t unix_mode; /* of a unix socket */
    uint32_t backlog;
    struct conf_fallback no_sni, unknown_sni, not_tls;
    enum conf_deny on_deny;
    struct conf_tcp tcp;
    struct conf_timeouts timeouts;
    struct conf_module *modules;
    size_t n_modules;
};

struct conf_target {
    struct conf_addr addr;
    const char *where;
    uint32_t weight; /* 1..256 */
    bool backup;
};

enum conf_balance { CONF_ROUND_ROBIN, CONF_LEAST_CONN, CONF_SOURCE_HASH };

struct conf_upstream {
    struct conf_target *targets;
    size_t n_targets;
    enum conf_balance balance;
    uint32_t max_fails;    /* failures within fail_timeout that take a target out; 0: never */
    uint64_t fail_timeout; /* ms */
    uint32_t tries;        /* attempts per connection; 0: all */
};

struct conf_edge {
    const char *name, *where;
    const char **domains; /* normalised; wildcards as "*.suffix" or "*" */
    size_t n_domains;
    const char **alpn; /* narrows the match; NULL-free, may be empty */
    size_t n_alpn;
    bool has_upstream; /* may be absent when a module with role UPSTREAM is attached */
    struct conf_upstream upstream;
    enum conf_deny on_deny;
    uint32_t max_pending; /* suspended connections at once */
    struct conf_tcp tcp;
    struct conf_timeouts timeouts;
    struct conf_module *modules;
    size_t n_modules;
};

struct conf_resolver {
    const char **servers; /* "127.0.0.1:53"; empty: the system's */
    size_t n_servers;
    uint64_t min_ttl, max_ttl; /* ms */
    uint64_t timeout;          /* ms for one query */
};

/* The control socket. */
struct conf_control {
    bool enabled;
    const char *socket; /* NULL: the default one, when its folder exists       */
    const char *group;  /* may connect besides root and the daemon; NULL: none */
    uint32_t mode;
};

/* What the process gives up when it has started. */
struct conf_sandbox {
    bool enabled;
    const char **writable; /* folders, beside those that other keys need    */
    size_t n_writable;
};

/* Metrics over HTTP; off unless an address is given. */
struct conf_metrics {
    bool enabled;
    struct conf_addr addr; /* IP or UNIX                             */
    uint32_t unix_mode;
    const char *user, *password; /* both or neither */
    const char *where;
};

struct conf {
    const char *path;
    uint32_t workers;         /* 0: one per usable CPU */
    const char *user, *group; /* NULL: unchanged */
    enum log_target log_target;
    const char *log_path;
    int log_level;
    uint32_t max_connections; /* 0: from RLIMIT_NOFILE */
    const char *module_dir;   /* NULL: the compiled-in one */
    struct conf_timeouts timeouts;
    struct conf_tcp tcp;
    struct conf_resolver resolver;
    struct conf_control control;
    struct conf_metrics metrics;
    struct conf_sandbox sandbox;
    struct conf_listener *listeners;
    size_t n_listeners;
    struct conf_edge *edges;
    size_t n_edges;
    struct conf_priv *priv; /* files, arena */
};

/*
 * Read path and everything it includes. Always answers a conf (NULL only when out of memory),
 * to be freed with conf_free(); it may only be used when no error was added. [main]
 */
struct conf *conf_load(const char *path, struct conf_errors *errors);
/*
 * The conf is accepted: from here on nothing is added to the errors it was loaded with, which
 * may be freed. Before, they must outlive every use of a pst_cfg. [main]
 */
void conf_detach(struct conf *c);
/* NULL is fine. [main] */
void conf_free(struct conf *c);

#endif
