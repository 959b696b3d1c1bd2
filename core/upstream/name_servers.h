/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name servers of the configuration, or the system's, as a libevent evdns_base. [main] */
#ifndef POSTERN_UPSTREAM_NAME_SERVERS_H
#define POSTERN_UPSTREAM_NAME_SERVERS_H

struct conf_resolver;
struct evdns_base;
struct event_base;

/* Ready to ask; perhaps without any server. NULL: out of memory. */
struct evdns_base *name_servers_new(struct event_base *base, const struct conf_resolver *conf);
/* Every request not answered yet gets its callback, from a later turn of the loop. NULL is fine. */
void name_servers_free(struct evdns_base *dns);
/* A text that tells one set of servers from another, to be freed. NULL: out of memory. */
char *name_servers_identity(const struct conf_resolver *conf);

#endif
