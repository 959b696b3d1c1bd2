/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is counted of one edge or listener: connections by how they ended, and bytes. Each worker
 * writes its own shard, which is made when the first connection comes, so an edge without traffic
 * costs a pointer per worker. Outlives a reload: the next generation takes it over.
 */
#ifndef POSTERN_EDGE_TALLY_H
#define POSTERN_EDGE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "plugin-api/pst_hooks.h"

/* Reasons are PST_END_*; 0 stands for those that are not known here. */
#define TALLY_REASONS (PST_END_INTERNAL + 1)

struct tally;

/* For as many workers, with one reference. NULL: out of memory. [main] */
struct tally *tally_new(unsigned n_workers);
struct tally *tally_get(struct tally *t); /* [main] */
void tally_put(struct tally *t);          /* NULL is fine. [main] */

/* A connection came. [that worker] */
void tally_begin(struct tally *t, unsigned worker);
/*
 * It ended: `relayed` when its bytes were passed on, bytes are those of the client. [that worker]
 */
void tally_end(struct tally *t, unsigned worker, bool relayed, uint32_t reason, uint64_t in,
               uint64_t out);

struct tally_sum {
    uint64_t begun, bytes_in, bytes_out;
    uint64_t ended[2][TALLY_REASONS]; /* [relayed][reason] */
    uint64_t ended_all;
};

/* Sum over all workers. begun is never less than ended_all. [main] */
void tally_read(const struct tally *t, struct tally_sum *out);

#endif
