/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/upstream/rendezvous.h"

#include <string.h>

#include "core/base/hash.h"

#define FRACTION_BITS 32

static const uint8_t hash_key[16] = "postern-targets";

uint64_t rendezvous_id(const char *text, size_t n)
{
    return hash_sip(hash_key, text, n);
}

/*
 * -log2(h / 2^64) in fixed point, h > 0: evenly distributed in, exponentially out. By repeated
 * squaring, so that all machines answer the same and libm is not needed.
 */
static uint64_t negative_log2(uint64_t h)
{
    unsigned zeros = (unsigned)__builtin_clzll(h);
    uint64_t mantissa = (h << zeros) >> 32; /* 1.31 fixed point, 1 <= m < 2 */
    uint64_t log = 63 - zeros;

    for (int i = 0; i < FRACTION_BITS; i++) {
        uint64_t square = mantissa * mantissa; /* 2.62 */

        log <<= 1;
        if (square >> 63) {
            log |= 1;
            mantissa = square >> 32;
        } else {
            mantissa = square >> 31;
        }
    }
    return (UINT64_C(64) << FRACTION_BITS) - log;
}

bool rendezvous_offer(struct rendezvous *best, uint64_t id, uint32_t weight,
                      const struct pst_addr *client)
{
    uint8_t key[sizeof(id) + 1 + sizeof(client->ip)] = { 0 };
    uint64_t draw = 0;

    for (size_t i = 0; i < sizeof(id); i++) {
        key[i] = (uint8_t)(id >> (8 * i));
    }
    key[sizeof(id)] = client->family;
    memcpy(key + sizeof(id) + 1, client->ip, sizeof(client->ip));
    draw = negative_log2(hash_sip(hash_key, key, sizeof(key)) | 1);
    if (best->weight != 0 && draw * best->weight >= best->draw * weight) {
        return false;
    }
    best->draw = draw;
    best->weight = weight;
    return true;
}
