/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The limits of one listener or edge and how they are judged. Knows nothing of the host, so that
 * tests drive it with clocks of their own. All functions may run on any thread, concurrently.
 */
#ifndef POSTERN_CONN_LIMITS_LIMITS_H
#define POSTERN_CONN_LIMITS_LIMITS_H

#include <stdatomic.h>
#include <stdbool.h>

#include <postern_module.h>

#include "rate.h"
#include "table.h"

/* A network of clients that the limits per client leave alone; prefix of 128 bits. */
struct exempt {
    struct client_key net;
    uint32_t prefix;
};

/* What is counted for all clients together; shared by generations. */
struct totals {
    atomic_uint refs;
    atomic_uint conns;
    atomic_uint preread;
    _Atomic uint64_t bucket;
};

/* Read-only once made, but for what the pointers lead to. A limit of 0 is none. */
struct limits {
    uint32_t max_conns, max_conns_per_client;
    uint32_t max_preread, max_preread_per_client;
    struct rate rate, rate_per_client;
    struct rate failures;
    uint64_t penalty_ns;
    uint32_t ipv4_prefix, ipv6_prefix;
    struct exempt *exempt;
    uint32_t n_exempt;
    struct totals *totals;
    struct table *table; /* NULL: nothing is limited per client */
};

/* What a connection holds, to be given back. All zero: nothing. */
struct hold {
    uint32_t preread_client, conns_client; /* index in the table plus 1, 0: none */
    uint8_t preread, conns;
};

enum refusal {
    REFUSE_NOT,
    REFUSE_PENALTY,
    REFUSE_CONNS_CLIENT,
    REFUSE_CONNS,
    REFUSE_RATE_CLIENT,
    REFUSE_RATE,
    REFUSE_PREREAD_CLIENT,
    REFUSE_PREREAD,
    REFUSE_TABLE /* no room for one more client */
};

/* How it went, beside the answer: what metrics and the log want to know. */
struct outcome {
    enum refusal refusal;
    unsigned table; /* TABLE_* */
};

/* Is anything limited per client? */
bool limits_per_client(const struct limits *l);
/* The shared parts for these limits. False: no memory. */
bool limits_prepare(struct limits *l, uint32_t table_size);
/* Take the shared parts of `prev` over, as far as they fit. */
void limits_adopt(struct limits *l, const struct limits *prev);
/* Give the shared parts back; how many clients the table knew when that freed it. */
uint32_t limits_release(struct limits *l);

/* The network of an address, as 128 bits of which `prefix` stay. */
struct client_key limits_network(const struct pst_addr *addr, uint32_t prefix);
/*
 * The network of an address under these limits. False: the limits per client do not concern it,
 * because it is exempt or no IP address.
 */
bool limits_key(const struct limits *l, const struct pst_addr *addr, struct client_key *out);

/* A connection was accepted; `key` NULL: see limits_key(). Under penalty, too many unread. */
struct outcome limits_accepted(const struct limits *l, const struct client_key *key, uint64_t now,
                               struct hold *h);
/* Its first bytes are read. */
void limits_read(const struct limits *l, uint64_t now, struct hold *h);
/* May it be served? When not refused it counts from now on. */
struct outcome limits_admit(const struct limits *l, const struct client_key *key, uint64_t now,
                            struct hold *h);
/* It is over: all that it holds is given back. */
void limits_over(const struct limits *l, uint64_t now, struct hold *h);
/* Its handshake failed. True: that was once too often, the penalty begins. */
bool limits_failed(const struct limits *l, const struct client_key *key, uint64_t now,
                   unsigned *what);

#endif
