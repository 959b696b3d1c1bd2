/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clients that are known: a hash table of fixed size, allocated once, shared by all workers and
 * by the generations of a configuration.
 *
 * It is cut into shards with a lock each. When a shard is full its oldest client makes room:
 *
 *   1. one whose penalty is over;
 *   2. one without connections, the one seen longest ago;
 *   3. one under penalty, the one seen longest ago.
 *
 * A client with connections never goes: its connections are counted exactly.
 */
#ifndef POSTERN_CONN_LIMITS_TABLE_H
#define POSTERN_CONN_LIMITS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define TABLE_SIZE_MIN 256
#define TABLE_SIZE_MAX (16 * 1024 * 1024)

/* A network of clients: an address with the bits behind its prefix cleared, IPv4 as mapped. */
struct client_key {
    uint64_t hi, lo;
};

/* One cache line. Read and written between table_find() or table_at() and table_leave() only. */
struct client {
    struct client_key key;
    uint64_t bucket;      /* of new connections, see rate.h                 */
    uint64_t failures;    /* bucket of failed handshakes                    */
    uint64_t penalty_end; /* monotonic nanoseconds                          */
    uint32_t conns;       /* connections open                               */
    uint32_t preread;     /* connections that have not sent their hello yet */
    /* The table's own: indices inside the shard plus 1, 0 ends a list. */
    uint32_t next;
    uint32_t older, newer;
    uint32_t list;
};

struct table;

/* Room for at least n clients; one reference. NULL: no memory. [any] */
struct table *table_new(uint32_t n);
void table_ref(struct table *t);
/*
 * Give a reference back; with the last the table is freed. Answers how many clients it knew then.
 */
uint32_t table_unref(struct table *t);
/* How many clients fit. */
uint32_t table_room(const struct table *t);

/* What table_find() did to have room. */
enum {
    TABLE_NEW = 1,    /* the client was not known                                     */
    TABLE_GREW = 2,   /* there was room                                               */
    TABLE_FORGOT = 4, /* somebody was forgotten about whom something was remembered  */
    TABLE_FULL = 8    /* there was no room: all in this shard have connections        */
};

/*
 * The client, its shard locked until table_leave(). With `make` an unknown one is added. NULL and
 * no lock: unknown, or there is no room. [any]
 */
struct client *table_find(struct table *t, const struct client_key *k, uint64_t now, bool make,
                          unsigned *what);
/* The client that table_index() named, locked; it must have had connections ever since. [any] */
struct client *table_at(struct table *t, uint32_t index);
uint32_t table_index(const struct table *t, const struct client *c);
/* Done: c counts as seen just now. [any] */
void table_leave(struct table *t, struct client *c, uint64_t now);

#endif
