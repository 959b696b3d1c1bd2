/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of networks and the search for the most specific one that contains an address.
 *
 * Networks nest or are disjoint, never anything between. So they are sorted by address and, for
 * equal addresses, wide before narrow, and each remembers the next wider one around it. The last
 * network that begins at or before an address either contains it, or one of those around it
 * does, or none. A fence of every FENCE-th key keeps the upper half of the binary search in the
 * cache. 28 bytes per network; read-only after finish, so any thread may search.
 */
#ifndef POSTERN_IP_RESTRICTIONS_LOOKUP_H
#define POSTERN_IP_RESTRICTIONS_LOOKUP_H

#include <stdint.h>

#include "cidr.h"

struct rule {
    uint64_t hi, lo;
    uint32_t line;   /* position in its source: line of a file, index of a list */
    uint16_t source; /* what the caller numbers its sources with                */
    uint8_t prefix;
    uint8_t family;
};

struct rule_key {
    uint64_t hi, lo;
};

struct rule_family {
    struct rule *rules;
    uint32_t *around; /* index of the next wider network, or NO_RULE */
    struct rule_key *fence;
    uint32_t n, room, n_fence;
};

/* Zeroed: empty. */
struct rule_set {
    struct rule_family v4, v6;
};

/* Add a network; 0, or -1 without memory. [main] */
int rule_set_add(struct rule_set *set, const struct cidr *net, uint16_t source, uint32_t line);

/* Sort and index; of equal networks the first added stays. 0, or -1 without memory. [main] */
int rule_set_finish(struct rule_set *set);

/* The most specific network that contains `addr`, NULL: none. Borrowed from the set. [any] */
const struct rule *rule_set_find(const struct rule_set *set, const struct cidr *addr);

/* Free what the set owns and make it empty. [main] */
void rule_set_free(struct rule_set *set);

#endif
