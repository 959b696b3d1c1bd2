/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

#define NO_RULE UINT32_MAX

/* IPv6: of every STRIDE rules the key of one stands in the fence. */
#define STRIDE 16u

/* About this many keys share an entry of the index, when they are spread evenly. */
#define PER_ENTRY 4u

static int key_cmp(uint64_t ahi, uint64_t alo, uint64_t bhi, uint64_t blo)
{
    if (ahi != bhi) {
        return ahi < bhi ? -1 : 1;
    }
    return (alo > blo) - (alo < blo);
}

/* Sources and lines break ties, so that the order does not depend on the sort. */
static int rule_cmp(const void *pa, const void *pb)
{
    const struct rule *a = pa, *b = pb;
    int c = key_cmp(a->hi, a->lo, b->hi, b->lo);

    if (c == 0) {
        c = (a->prefix > b->prefix) - (a->prefix < b->prefix);
    }
    if (c == 0) {
        c = (a->source > b->source) - (a->source < b->source);
    }
    if (c == 0) {
        c = (a->line > b->line) - (a->line < b->line);
    }
    return c;
}

static bool rule_contains(const struct rule *r, uint64_t hi, uint64_t lo)
{
    struct cidr net = { r->hi, r->lo, r->prefix, r->family };
    return cidr_contains(&net, hi, lo);
}

int rule_set_add(struct rule_set *set, const struct cidr *net, uint16_t source, uint32_t line)
{
    struct rule_family *f = net->family == PST_AF_INET ? &set->v4 : &set->v6;

    if (f->n == f->room) {
        uint32_t room = f->room == 0 ? 16 : f->room + f->room / 2;
        struct rule *p;

        if (room >= NO_RULE / 2 || (p = realloc(f->rules, room * sizeof(*p))) == NULL) {
            return -1;
        }
        f->rules = p;
        f->room = room;
    }
    f->rules[f->n++] = (struct rule){ .hi = net->hi,
                                      .lo = net->lo,
                                      .line = line,
                                      .source = source,
                                      .prefix = net->prefix,
                                      .family = net->family };
    return 0;
}

static void drop_duplicates(struct rule_family *f)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < f->n; i++) {
        const struct rule *r = &f->rules[i], *last = kept > 0 ? &f->rules[kept - 1] : NULL;

        if (last != NULL && last->hi == r->hi && last->lo == r->lo && last->prefix == r->prefix) {
            continue;
        }
        f->rules[kept++] = *r;
    }
    f->n = kept;
}

/* Each network remembers the next wider one around it. */
static void nest(struct rule_family *f)
{
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t up = i > 0 ? i - 1 : NO_RULE;

        while (up != NO_RULE && !rule_contains(&f->rules[up], f->rules[i].hi, f->rules[i].lo)) {
            up = f->rules[up].around;
        }
        f->rules[i].around = up;
    }
}

/* The entry for a key: the higher the key the higher the entry, whatever the keys are. */
static uint32_t entry_of(const struct rule_index *x, uint64_t hi, uint64_t lo)
{
    if (key_cmp(hi, lo, x->hi, x->lo) <= 0) {
        return 0;
    }
    hi -= x->hi + (lo < x->lo);
    lo -= x->lo;
    if (x->shift >= 64) {
        lo = hi >> (x->shift - 64);
        hi = 0;
    } else if (x->shift > 0) {
        lo = lo >> x->shift | hi << (64 - x->shift);
        hi >>= x->shift;
    }
    return hi != 0 || lo > x->last ? x->last : (uint32_t)lo;
}

/* Index the keys of n rules, `apart` from each other; see struct rule_index. */
static int make_index(struct rule_index *x, const struct rule *rules, uint32_t n, uint32_t apart)
{
    const struct rule *low = &rules[(size_t)(n / 16) * apart];
    const struct rule *high = &rules[(size_t)(n - 1 - n / 16) * apart];
    uint32_t entry = 0;

    x->hi = low->hi;
    x->lo = low->lo;
    x->last = n / PER_ENTRY + 1;
    while (x->shift < 127 && entry_of(x, high->hi, high->lo) == x->last) {
        x->shift++;
    }
    x->starts = malloc(((size_t)x->last + 2) * sizeof(*x->starts));
    if (x->starts == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct rule *r = &rules[(size_t)i * apart];

        while (entry <= entry_of(x, r->hi, r->lo)) {
            x->starts[entry++] = i;
        }
    }
    while (entry <= x->last + 1) {
        x->starts[entry++] = n;
    }
    return 0;
}

static int index_v4(struct rule_family *f)
{
    f->keys = malloc(f->n * sizeof(*f->keys));
    if (f->keys == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < f->n; i++) {
        f->keys[i] = (uint32_t)f->rules[i].lo;
    }
    return make_index(&f->index, f->rules, f->n, 1);
}

static int index_v6(struct rule_family *f)
{
    uint32_t n = (f->n + STRIDE - 1) / STRIDE;

    f->fence = malloc(n * sizeof(*f->fence));
    if (f->fence == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct rule *r = &f->rules[(size_t)i * STRIDE];

        f->fence[i] = (struct rule_key){ r->hi, r->lo };
    }
    return make_index(&f->index, f->rules, n, STRIDE);
}

static int finish_family(struct rule_family *f)
{
    struct rule *p;

    if (f->n == 0) {
        return 0;
    }
    qsort(f->rules, f->n, sizeof(*f->rules), rule_cmp);
    drop_duplicates(f);
    p = realloc(f->rules, f->n * sizeof(*p));
    if (p != NULL) {
        f->rules = p;
        f->room = f->n;
    }
    nest(f);
    return f->rules[0].family == PST_AF_INET ? index_v4(f) : index_v6(f);
}

int rule_set_finish(struct rule_set *set)
{
    return finish_family(&set->v4) != 0 || finish_family(&set->v6) != 0 ? -1 : 0;
}

/*
 * The searches answer the index of the last rule that begins at or before the address, or
 * NO_RULE, which is one before the first. They guess with branches, so that the processor reads
 * ahead: what they wait for is memory.
 */
static uint32_t last_v4(const struct rule_family *f, uint64_t lo)
{
    uint32_t entry = entry_of(&f->index, 0, lo), addr = (uint32_t)lo;
    uint32_t from = f->index.starts[entry], n = f->index.starts[entry + 1] - from;

    while (n > 0) {
        uint32_t half = n / 2;

        if (f->keys[from + half] <= addr) {
            from += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return from - 1;
}

static uint32_t last_v6(const struct rule_family *f, uint64_t hi, uint64_t lo)
{
    uint32_t entry = entry_of(&f->index, hi, lo);
    uint32_t from = f->index.starts[entry], n = f->index.starts[entry + 1] - from;

    while (n > 0) {
        uint32_t half = n / 2;
        const struct rule_key *k = &f->fence[from + half];

        if (key_cmp(k->hi, k->lo, hi, lo) <= 0) {
            from += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    if (from == 0) {
        return NO_RULE;
    }
    from = (from - 1) * STRIDE;
    n = f->n - from < STRIDE ? f->n - from : STRIDE;
    while (n > 1) {
        uint32_t half = n / 2;
        const struct rule *r = &f->rules[from + half];

        if (key_cmp(r->hi, r->lo, hi, lo) <= 0) {
            from += half;
            n -= half;
        } else {
            n = half;
        }
    }
    return from;
}

const struct rule *rule_set_find(const struct rule_set *set, const struct cidr *addr)
{
    bool v4 = addr->family == PST_AF_INET;
    const struct rule_family *f = v4 ? &set->v4 : &set->v6;
    uint32_t i = NO_RULE;

    if (f->n > 0) {
        i = v4 ? last_v4(f, addr->lo) : last_v6(f, addr->hi, addr->lo);
    }
    while (i != NO_RULE) {
        const struct rule *r = &f->rules[i];

        if (rule_contains(r, addr->hi, addr->lo)) {
            return r;
        }
        i = r->around;
    }
    return NULL;
}

static void free_family(struct rule_family *f)
{
    free(f->rules);
    free(f->keys);
    free(f->fence);
    free(f->index.starts);
}

void rule_set_free(struct rule_set *set)
{
    free_family(&set->v4);
    free_family(&set->v6);
    memset(set, 0, sizeof(*set));
}
