/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listeners and edges of one generation: configuration, module chain and upstream, immutable once
 * the generation serves. What counts is atomic.
 */
#ifndef POSTERN_EDGE_EDGE_H
#define POSTERN_EDGE_EDGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config/conf.h"

struct chain;
struct generation;
struct tally;
struct upstream;

/* One edge. Owned by its generation. */
struct edge {
    const struct conf_edge *conf;
    struct chain *chain;       /* NULL: no modules                                     */
    struct upstream *upstream; /* NULL: a module supplies the stream                   */
    struct tally *tally;       /* what was counted of it                               */
    atomic_uint pending;       /* connections suspended in one of its stages           */
};

/* Where a fallback leads: `edge` is NULL unless the outcome is CONF_ROUTE. */
struct route {
    enum conf_outcome outcome;
    struct edge *edge;
};

/* One listener; pst_listener * is the same pointer. Owned by its generation. */
struct listener {
    const struct conf_listener *conf;
    struct chain *chain; /* NULL: no modules */
    struct tally *tally;
    struct route no_sni, unknown_sni, not_tls;
};

#endif
