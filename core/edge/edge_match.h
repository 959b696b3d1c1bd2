/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one lookup: name and offered ALPN to an edge. Exact beats wildcard, the longest wildcard
 * suffix wins, "*" last; among edges with the same name one whose alpn list meets the client's
 * offer wins over one without a list. Cost does not grow with the number of names.
 */
#ifndef POSTERN_EDGE_EDGE_MATCH_H
#define POSTERN_EDGE_EDGE_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "plugin-api/pst_types.h"

struct edge_match;

/* An empty table. NULL: out of memory. [main] */
struct edge_match *edge_match_new(size_t expected);
void edge_match_free(struct edge_match *m);

/*
 * Add a normalised domain ("a.test", "*.a.test", "*"). edge is what lookups answer; alpn
 * strings are borrowed. ERR_EXISTS: the same domain with an overlapping alpn set (or none in
 * both) is there, *other (may be NULL) is that edge; ERR_NOMEM.
 */
int edge_match_add(struct edge_match *m, const char *domain, const char *const *alpn,
                   size_t n_alpn, void *edge, void **other);

/*
 * Look up a name that name_normalise() made. NULL: unknown. An edge whose alpn list does not meet
 * the offer is not a match; the search then goes on to the next less specific name. Read-only,
 * any thread.
 */
void *edge_match_find(const struct edge_match *m, const char *name, size_t n,
                      const struct pst_str *alpn, size_t n_alpn);

#endif
