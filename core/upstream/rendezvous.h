/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Weighted rendezvous hashing (Thaler, Ravishankar 1998): each target draws an exponentially
 * distributed number from the client's address and its own name, and the smallest for its weight
 * wins. A target that goes takes only its own clients with it. The hash has a fixed key: restarts
 * and other hosts with the same configuration agree. Pure.
 */
#ifndef POSTERN_UPSTREAM_RENDEZVOUS_H
#define POSTERN_UPSTREAM_RENDEZVOUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin-api/pst_types.h"

/* The best offer so far. Zero-initialise. */
struct rendezvous {
    uint64_t draw;
    uint32_t weight; /* 0: none yet */
};

/* The identity of a target, from its address text. */
uint64_t rendezvous_id(const char *text, size_t n);
/* Offer a target (weight 1..256) for a client; its port does not count. True: it leads now. */
bool rendezvous_offer(struct rendezvous *best, uint64_t id, uint32_t weight,
                      const struct pst_addr *client);

#endif
