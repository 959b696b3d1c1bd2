/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of networks and the search for the most specific one that contains an address.
 *
 * Networks nest or are disjoint, never anything between. So they are sorted by address and, for
 * equal addresses, wide before narrow, and each remembers the next wider one around it. The last
 * network that begins at or before an address either contains it, or one of those around it
 * does, or none.
 *
 * To find it is to wait for memory, so little is read: an index names the few keys among which
 * to look. The keys of IPv4 are 4 bytes each; of IPv6 every 16th has a copy in a fence, which
 * stays in the cache, and leads to 16 rules. At most 37 bytes per network; read-only after
 * finish, so any thread may search.
 */
#ifndef POSTERN_IP_RESTRICTIONS_LOOKUP_H
#define POSTERN_IP_RESTRICTIONS_LOOKUP_H

#include <stdint.h>

#include "cidr.h"

/* 32 bytes: two in a cache line. */
struct rule {
    uint64_t hi, lo;
    uint32_t line;   /* position in its source: line of a file, index of a list */
    uint32_t around; /* index of the next wider network around it, set by finish */
    uint16_t source; /* what the caller numbers its sources with                */
    uint8_t prefix;
    uint8_t family;
};

struct rule_key {
    uint64_t hi, lo;
};

/*
 * Where the keys begin that have the same (key - base) >> shift. The base lies above the lowest
 * sixteenth of the keys, and the highest sixteenth may share the last entry: networks often have
 * their first bits in common, but for a few, which must not make the index coarse.
 */
struct rule_index {
    uint64_t hi, lo; /* the base                                  */
    uint32_t shift, last;
    uint32_t *starts; /* last + 2 of them, the last is the number of keys */
};

struct rule_family {
    struct rule *rules;
    uint32_t n, room;
    uint32_t *keys;         /* IPv4: the addresses, indexed               */
    struct rule_key *fence; /* IPv6: every 16th address, indexed          */
    struct rule_index index;
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
