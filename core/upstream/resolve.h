/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host names of upstreams, resolved by libevent's evdns on the main thread, again and again by
 * their TTL (between a floor and a ceiling). Old answers are kept when a new one cannot be had; a
 * start never waits for them. Workers read under a small lock. The hosts file goes before all
 * servers; search domains are those of resolv.conf, when its servers are used. Questions go by UDP
 * only (evdns has nothing else): an answer that does not fit in 512 bytes counts as failed.
 */
#ifndef POSTERN_UPSTREAM_RESOLVE_H
#define POSTERN_UPSTREAM_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "plugin-api/pst_types.h"

#define RESOLVE_ADDRS_MAX 32

struct conf_resolver;
struct loop;
struct resolver;
struct resolve_name;

/* NULL: out of memory. A missing or unusable server is logged, no more. [main] */
struct resolver *resolver_new(struct loop *main_loop, const struct conf_resolver *conf);
/*
 * New settings at reload; names and answers stay. When the servers (or resolv.conf) have changed
 * all names are asked for again. ERR_NOMEM: the old ones stay. [main]
 */
int resolver_configure(struct resolver *r, const struct conf_resolver *conf);
/*
 * Names still referenced keep their answers. Outside of loop_run(): while questions are under way
 * it turns the loop, without waiting, until evdns has let go of them. NULL is fine. [main]
 */
void resolver_free(struct resolver *r);

/* Take a reference on a name and start resolving it; the same name is shared. [main] */
struct resolve_name *resolve_get(struct resolver *r, const char *host);
void resolve_put(struct resolve_name *n); /* [main] */
/* Copy up to RESOLVE_ADDRS_MAX addresses (ports 0), IPv6 and IPv4 as answered; 0: none. [any] */
size_t resolve_addrs(struct resolve_name *n, struct pst_addr out[RESOLVE_ADDRS_MAX]);

#endif
