/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 (Aumasson, Bernstein 2012) under a random per-process key, for keys that peers
 * choose; and a string map on top of it.
 */
#ifndef POSTERN_BASE_HASH_H
#define POSTERN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 of n bytes under an explicit key. Pure; published test vectors apply. */
uint64_t hash_sip(const uint8_t key[16], const void *p, size_t n);
/* The same under the process key (drawn once from getrandom). [any] */
uint64_t hash_bytes(const void *p, size_t n);

/*
 * An open-addressing map from bytes to pointers. Keys are borrowed and must outlive the map.
 * Built by one thread, then read by many without locks.
 */
struct map;
struct map *map_new(size_t expected);
void map_free(struct map *m);
/* ERR_EXISTS when the key is present (the value stays), ERR_NOMEM. value must not be NULL. */
int map_put(struct map *m, const char *key, size_t n, void *value);
void *map_get(const struct map *m, const char *key, size_t n); /* NULL: absent */
size_t map_count(const struct map *m);

#endif
