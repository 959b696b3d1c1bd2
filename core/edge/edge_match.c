/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/edge/edge_match.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/base/name.h"

/* One edge under a name. No two of one name share an ALPN protocol or have an empty list. */
struct entry {
    struct entry *next;
    void *edge;
    const char *const *alpn;
    size_t n_alpn;
};

/*
 * Names are kept in one map: "a.test" under itself, "*.a.test" under ".a.test" (no normalised name
 * begins with a dot), "*" in a place of its own.
 */
struct edge_match {
    struct map *names;
    struct entry *any;
    struct arena memory;
    uint64_t suffix_lengths[4]; /* bit n: some wildcard key is n bytes long */
};

/* What the map holds; the key lies behind it. */
struct name {
    struct entry *entries;
    char key[];
};

struct edge_match *edge_match_new(size_t expected)
{
    struct edge_match *m = calloc(1, sizeof(*m));

    if (!m) {
        return NULL;
    }
    arena_init(&m->memory);
    m->names = map_new(expected);
    if (!m->names) {
        free(m);
        return NULL;
    }
    return m;
}

void edge_match_free(struct edge_match *m)
{
    if (!m) {
        return;
    }
    map_free(m->names);
    arena_free(&m->memory);
    free(m);
}

static bool entry_has(const struct entry *e, const char *p, size_t n)
{
    for (size_t i = 0; i < e->n_alpn; i++) {
        if (strlen(e->alpn[i]) == n && memcmp(e->alpn[i], p, n) == 0) {
            return true;
        }
    }
    return false;
}

/* The entry that an edge with this list cannot live beside. */
static const struct entry *entry_overlapping(const struct entry *e, const char *const *alpn,
                                             size_t n_alpn)
{
    for (; e; e = e->next) {
        if (n_alpn == 0 && e->n_alpn == 0) {
            return e;
        }
        for (size_t i = 0; i < n_alpn; i++) {
            if (entry_has(e, alpn[i], strlen(alpn[i]))) {
                return e;
            }
        }
    }
    return NULL;
}

/* The list of a key, made when there is none. NULL: out of memory. */
static struct entry **name_entries(struct edge_match *m, const char *key, size_t n)
{
    struct name *name = map_get(m->names, key, n);

    if (name) {
        return &name->entries;
    }
    name = arena_alloc(&m->memory, sizeof(*name) + n + 1);
    if (!name) {
        return NULL;
    }
    memcpy(name->key, key, n);
    if (map_put(m->names, name->key, n, name) < 0) {
        return NULL;
    }
    if (key[0] == '.') {
        m->suffix_lengths[n / 64] |= UINT64_C(1) << (n % 64);
    }
    return &name->entries;
}

int edge_match_add(struct edge_match *m, const char *domain, const char *const *alpn, size_t n_alpn,
                   void *edge, void **other)
{
    struct entry **list = &m->any, *e = NULL;
    const struct entry *clash = NULL;

    if (strcmp(domain, "*") != 0) {
        const char *key = domain[0] == '*' ? domain + 1 : domain;
        size_t n = strlen(key);

        if (n == 0 || n > NAME_MAX_LEN + 1) {
            return ERR_INVALID;
        }
        list = name_entries(m, key, n);
        if (!list) {
            return ERR_NOMEM;
        }
    }
    clash = entry_overlapping(*list, alpn, n_alpn);
    if (clash) {
        if (other) {
            *other = clash->edge;
        }
        return ERR_EXISTS;
    }
    e = arena_alloc(&m->memory, sizeof(*e));
    if (!e) {
        return ERR_NOMEM;
    }
    *e = (struct entry){ .next = *list, .edge = edge, .alpn = alpn, .n_alpn = n_alpn };
    *list = e;
    return ERR_OK;
}

/* The edge for an offer, in the client's order of preference; else the one without a list. */
static void *entry_choose(const struct entry *list, const struct pst_str *alpn, size_t n_alpn)
{
    for (size_t i = 0; i < n_alpn; i++) {
        for (const struct entry *e = list; e; e = e->next) {
            if (entry_has(e, alpn[i].p, alpn[i].n)) {
                return e->edge;
            }
        }
    }
    for (const struct entry *e = list; e; e = e->next) {
        if (e->n_alpn == 0) {
            return e->edge;
        }
    }
    return NULL;
}

static void *find_key(const struct edge_match *m, const char *key, size_t n,
                      const struct pst_str *alpn, size_t n_alpn)
{
    const struct name *name = map_get(m->names, key, n);

    return name ? entry_choose(name->entries, alpn, n_alpn) : NULL;
}

void *edge_match_find(const struct edge_match *m, const char *name, size_t n,
                      const struct pst_str *alpn, size_t n_alpn)
{
    void *edge = NULL;

    if (n == 0 || n > NAME_MAX_LEN) {
        return NULL;
    }
    edge = find_key(m, name, n, alpn, n_alpn);
    /* Lengths that no wildcard has are not hashed: a name of 127 labels costs little more. */
    for (size_t i = 1; !edge && i < n; i++) {
        size_t left = n - i;

        if (name[i] == '.' && (m->suffix_lengths[left / 64] >> (left % 64) & 1)) {
            edge = find_key(m, name + i, left, alpn, n_alpn);
        }
    }
    return edge ? edge : entry_choose(m->any, alpn, n_alpn);
}
