/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/err.h"

static inline uint64_t rotl(uint64_t v, int n)
{
    return (v << n) | (v >> (64 - n));
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static inline void sip_absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t hash_sip(const uint8_t key[16], const void *p, size_t n)
{
    const uint8_t *in = p;
    uint64_t k0 = load64(key), k1 = load64(key + 8);
    uint64_t v[4] = {
        k0 ^ 0x736f6d6570736575u,
        k1 ^ 0x646f72616e646f6du,
        k0 ^ 0x6c7967656e657261u,
        k1 ^ 0x7465646279746573u,
    };
    uint64_t last = (uint64_t)n << 56;

    for (; n >= 8; n -= 8, in += 8) {
        sip_absorb(v, load64(in));
    }
    for (size_t i = 0; i < n; i++) {
        last |= (uint64_t)in[i] << (8 * i);
    }
    sip_absorb(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint8_t process_key[16];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void process_key_draw(void)
{
    size_t have = 0;

    while (have < sizeof(process_key)) {
        ssize_t n = getrandom(process_key + have, sizeof(process_key) - have, 0);

        if (n < 0 && errno != EINTR) {
            /* A predictable key would let peers pick colliding names. */
            fprintf(stderr, "postern: error: no random bytes: %s\n", strerror(errno));
            _exit(EXIT_FAILURE);
        }
        have += n > 0 ? (size_t)n : 0;
    }
}

uint64_t hash_bytes(const void *p, size_t n)
{
    pthread_once(&process_key_once, process_key_draw);
    return hash_sip(process_key, p, n);
}

struct map_slot {
    uint64_t hash;
    const char *key;
    size_t n;
    void *value; /* NULL: the slot is free */
};

struct map {
    struct map_slot *slots;
    size_t mask; /* number of slots - 1; a power of two minus one */
    size_t count;
};

/* At most 3/4 of the slots are used, so that probes stay short and always end. */
static size_t slots_for(size_t expected)
{
    size_t slots = 8;

    while (slots / 4 * 3 < expected && slots <= SIZE_MAX / 4) {
        slots *= 2;
    }
    return slots;
}

struct map *map_new(size_t expected)
{
    struct map *m = calloc(1, sizeof(*m));

    if (!m) {
        return NULL;
    }
    size_t slots = slots_for(expected);
    m->slots = calloc(slots, sizeof(*m->slots));
    if (!m->slots) {
        free(m);
        return NULL;
    }
    m->mask = slots - 1;
    return m;
}

void map_free(struct map *m)
{
    if (m) {
        free(m->slots);
        free(m);
    }
}

/* The slot that holds the key, or the free one where it belongs. */
static struct map_slot *map_find(const struct map *m, uint64_t hash, const char *key, size_t n)
{
    for (size_t i = hash & m->mask;; i = (i + 1) & m->mask) {
        struct map_slot *s = &m->slots[i];

        if (!s->value ||
            (s->hash == hash && s->n == n && (n == 0 || memcmp(s->key, key, n) == 0))) {
            return s;
        }
    }
}

static int map_grow(struct map *m)
{
    struct map bigger = { .count = m->count, .mask = m->mask * 2 + 1 };

    bigger.slots = calloc(bigger.mask + 1, sizeof(*bigger.slots));
    if (!bigger.slots) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i <= m->mask; i++) {
        const struct map_slot *s = &m->slots[i];

        if (s->value) {
            *map_find(&bigger, s->hash, s->key, s->n) = *s;
        }
    }
    free(m->slots);
    *m = bigger;
    return ERR_OK;
}

int map_put(struct map *m, const char *key, size_t n, void *value)
{
    uint64_t hash = hash_bytes(key, n);
    struct map_slot *s = map_find(m, hash, key, n);

    if (s->value) {
        return ERR_EXISTS;
    }
    if (m->count + 1 > (m->mask + 1) / 4 * 3) {
        if (map_grow(m) < 0) {
            return ERR_NOMEM;
        }
        s = map_find(m, hash, key, n);
    }
    *s = (struct map_slot){ .hash = hash, .key = key, .n = n, .value = value };
    m->count++;
    return ERR_OK;
}

void *map_get(const struct map *m, const char *key, size_t n)
{
    return map_find(m, hash_bytes(key, n), key, n)->value;
}

size_t map_count(const struct map *m)
{
    return m->count;
}
