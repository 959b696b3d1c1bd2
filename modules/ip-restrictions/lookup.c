/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

#define FENCE   256u
#define NO_RULE UINT32_MAX

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
    f->rules[f->n++] = (struct rule){ net->hi, net->lo, line, source, net->prefix, net->family };
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

static int index_family(struct rule_family *f)
{
    f->around = malloc(f->n * sizeof(*f->around));
    f->n_fence = (f->n + FENCE - 1) / FENCE;
    f->fence = malloc(f->n_fence * sizeof(*f->fence));
    if (f->around == NULL || f->fence == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t up = i > 0 ? i - 1 : NO_RULE;

        while (up != NO_RULE && !rule_contains(&f->rules[up], f->rules[i].hi, f->rules[i].lo)) {
            up = f->around[up];
        }
        f->around[i] = up;
        if (i % FENCE == 0) {
            f->fence[i / FENCE] = (struct rule_key){ f->rules[i].hi, f->rules[i].lo };
        }
    }
    return 0;
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
    return index_family(f);
}

int rule_set_finish(struct rule_set *set)
{
    return finish_family(&set->v4) != 0 || finish_family(&set->v6) != 0 ? -1 : 0;
}

/* Index of the last rule that begins at or before hi:lo, or NO_RULE. */
static uint32_t last_before(const struct rule_family *f, uint64_t hi, uint64_t lo)
{
    uint32_t from = 0, n = f->n_fence;

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
    from = (from - 1) * FENCE;
    n = f->n - from < FENCE ? f->n - from : FENCE;
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
    const struct rule_family *f = addr->family == PST_AF_INET ? &set->v4 : &set->v6;
    uint32_t i = last_before(f, addr->hi, addr->lo);

    while (i != NO_RULE) {
        if (rule_contains(&f->rules[i], addr->hi, addr->lo)) {
            return &f->rules[i];
        }
        i = f->around[i];
    }
    return NULL;
}

static void free_family(struct rule_family *f)
{
    free(f->rules);
    free(f->around);
    free(f->fence);
}

void rule_set_free(struct rule_set *set)
{
    free_family(&set->v4);
    free_family(&set->v6);
    memset(set, 0, sizeof(*set));
}
