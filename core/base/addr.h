/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network addresses: pst_addr to and from text and sockaddr. Pure. */
#ifndef POSTERN_BASE_ADDR_H
#define POSTERN_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "plugin-api/pst_types.h"

/* Longest text of an address with port, NUL included: "[v6%scope]:65535". */
#define ADDR_TEXT_MAX 64

/* From a socket address. IPv4-mapped IPv6 becomes IPv4. Unknown families: PST_AF_NONE. */
void addr_from_sockaddr(struct pst_addr *a, const struct sockaddr *sa, socklen_t n);
/*
 * From a module, as pst_types.h promises addresses to others: IPv4-mapped IPv6 becomes IPv4, unused
 * members are zero. ERR_INVALID for an unknown family; *a is PST_AF_NONE then. a may be from.
 */
int addr_from_module(struct pst_addr *a, const struct pst_addr *from);
/* To a socket address; answers its length, 0 for families that have none (UNIX, NONE). */
socklen_t addr_to_sockaddr(const struct pst_addr *a, struct sockaddr_storage *ss);
/* "192.0.2.1", "2001:db8::1", "unix", "-". Writes at most ADDR_TEXT_MAX bytes; answers out. */
const char *addr_ip_text(const struct pst_addr *a, char out[ADDR_TEXT_MAX]);
/* The same with the port: "192.0.2.1:80", "[2001:db8::1]:80". */
const char *addr_text(const struct pst_addr *a, char out[ADDR_TEXT_MAX]);
/* "127.0.0.1:80" or "[::1]:80"; no names. ERR_INVALID otherwise. */
int addr_parse(const char *z, struct pst_addr *a);
/* "127.0.0.1" or "::1", no port. ERR_INVALID otherwise. */
int addr_parse_ip(const char *z, struct pst_addr *a);
bool addr_equal(const struct pst_addr *a, const struct pst_addr *b); /* port included */

/*
 * "10.0.0.0/8", "2001:db8::/32" or a single address. IPv4-mapped networks become IPv4.
 * ERR_INVALID: not a network; ERR_EXISTS: host bits are set, and *out is the network that was
 * probably meant.
 */
int addr_parse_net(const char *z, struct pst_net *out);
/* "10.0.0.0/8". cap >= ADDR_TEXT_MAX. */
const char *addr_net_text(const struct pst_net *n, char out[ADDR_TEXT_MAX]);

#endif
