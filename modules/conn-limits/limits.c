/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "limits.h"

#include <stdlib.h>

/* --- life ------------------------------------------------------------------------------------- */

bool limits_per_client(const struct limits *l)
{
    return l->max_conns_per_client > 0 || l->max_preread_per_client > 0 ||
           l->rate_per_client.interval > 0 || l->failures.interval > 0;
}

bool limits_prepare(struct limits *l, uint32_t table_size)
{
    bool per_client = limits_per_client(l);

    l->totals = calloc(1, sizeof(*l->totals));
    if (l->totals == NULL) {
        return false;
    }
    atomic_init(&l->totals->refs, 1);
    l->table = per_client ? table_new(table_size) : NULL;
    return l->table != NULL || !per_client;
}

static void totals_unref(struct totals *t)
{
    if (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        free(t);
    }
}

uint32_t limits_release(struct limits *l)
{
    uint32_t known = l->table == NULL ? 0 : table_unref(l->table);

    totals_unref(l->totals);
    l->totals = NULL;
    l->table = NULL;
    return known;
}

void limits_adopt(struct limits *l, const struct limits *prev)
{
    totals_unref(l->totals);
    l->totals = prev->totals;
    atomic_fetch_add_explicit(&l->totals->refs, 1, memory_order_relaxed);
    /* Another size or other networks make another table: clients are known anew. */
    if (l->table == NULL || prev->table == NULL ||
        table_room(l->table) != table_room(prev->table) || l->ipv4_prefix != prev->ipv4_prefix ||
        l->ipv6_prefix != prev->ipv6_prefix) {
        return;
    }
    (void)table_unref(l->table);
    l->table = prev->table;
    table_ref(l->table);
}

/* --- addresses -------------------------------------------------------------------------------- */

static uint64_t load_be64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

/* An address of 128 bits. */
static struct client_key wide(const struct pst_addr *a)
{
    struct client_key k = { load_be64(a->ip), load_be64(a->ip + 8) };

    if (a->family == PST_AF_INET) {
        k.lo = UINT64_C(0xffff00000000) | k.hi >> 32;
        k.hi = 0;
    }
    return k;
}

static struct client_key mask(struct client_key k, uint32_t prefix)
{
    k.hi &= prefix >= 64 ? UINT64_MAX : prefix == 0 ? 0 : UINT64_MAX << (64 - prefix);
    k.lo &= prefix >= 128 ? UINT64_MAX : prefix <= 64 ? 0 : UINT64_MAX << (128 - prefix);
    return k;
}

struct client_key limits_network(const struct pst_addr *addr, uint32_t prefix)
{
    return mask(wide(addr), prefix);
}

bool limits_key(const struct limits *l, const struct pst_addr *addr, struct client_key *out)
{
    struct client_key k = wide(addr);
    bool v4 = k.hi == 0 && k.lo >> 32 == 0xffff;

    if (addr->family != PST_AF_INET && addr->family != PST_AF_INET6) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_exempt; i++) {
        struct client_key in = mask(k, l->exempt[i].prefix);

        if (in.hi == l->exempt[i].net.hi && in.lo == l->exempt[i].net.lo) {
            return false;
        }
    }
    *out = mask(k, v4 ? 96 + l->ipv4_prefix : l->ipv6_prefix);
    return true;
}

/* --- judging ---------------------------------------------------------------------------------- */

/* One more of a counter that has a limit; it is never above, not even for a moment. */
static bool count_up(atomic_uint *n, uint32_t max)
{
    unsigned old = atomic_load_explicit(n, memory_order_relaxed);

    do {
        if (max > 0 && old >= max) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(n, &old, old + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void count_down(atomic_uint *n)
{
    atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
}

static enum refusal preread_totals(const struct limits *l, struct hold *h)
{
    if (!count_up(&l->totals->preread, l->max_preread)) {
        return REFUSE_PREREAD;
    }
    h->preread = 1;
    return REFUSE_NOT;
}

struct outcome limits_accepted(const struct limits *l, const struct client_key *key, uint64_t now,
                               struct hold *h)
{
    const bool counts = l->max_preread_per_client > 0;
    struct outcome o = { REFUSE_NOT, 0 };
    struct client *c;

    if (key == NULL || l->table == NULL) {
        o.refusal = preread_totals(l, h);
        return o;
    }
    c = table_find(l->table, key, now, counts, &o.table);
    if (c == NULL) {
        o.refusal = o.table & TABLE_FULL ? REFUSE_TABLE : preread_totals(l, h);
        return o;
    }
    if (c->penalty_end > now) {
        o.refusal = REFUSE_PENALTY;
    } else if (counts && c->preread >= l->max_preread_per_client) {
        o.refusal = REFUSE_PREREAD_CLIENT;
    } else {
        o.refusal = preread_totals(l, h);
    }
    if (o.refusal == REFUSE_NOT && counts) {
        c->preread++;
        h->preread_client = table_index(l->table, c) + 1;
    }
    table_leave(l->table, c, now);
    return o;
}

void limits_read(const struct limits *l, uint64_t now, struct hold *h)
{
    if (h->preread_client != 0) {
        struct client *c = table_at(l->table, h->preread_client - 1);

        c->preread--;
        table_leave(l->table, c, now);
        h->preread_client = 0;
    }
    if (h->preread != 0) {
        count_down(&l->totals->preread);
        h->preread = 0;
    }
}

/* The limits of all together, last: whoever is refused by his own takes nothing from others. */
static enum refusal admit_totals(const struct limits *l, uint64_t now, struct hold *h)
{
    if (!count_up(&l->totals->conns, l->max_conns)) {
        return REFUSE_CONNS;
    }
    if (!rate_take_shared(&l->rate, &l->totals->bucket, now)) {
        count_down(&l->totals->conns);
        return REFUSE_RATE;
    }
    h->conns = 1;
    return REFUSE_NOT;
}

struct outcome limits_admit(const struct limits *l, const struct client_key *key, uint64_t now,
                            struct hold *h)
{
    const bool counts = l->max_conns_per_client > 0, rates = l->rate_per_client.interval > 0;
    struct outcome o = { REFUSE_NOT, 0 };
    struct client *c;

    if (key == NULL || l->table == NULL) {
        o.refusal = admit_totals(l, now, h);
        return o;
    }
    c = table_find(l->table, key, now, counts || rates, &o.table);
    if (c == NULL) {
        o.refusal = o.table & TABLE_FULL ? REFUSE_TABLE : admit_totals(l, now, h);
        return o;
    }
    c->bucket = rate_fit(&l->rate_per_client, c->bucket, now);
    if (c->penalty_end > now) {
        o.refusal = REFUSE_PENALTY;
    } else if (counts && c->conns >= l->max_conns_per_client) {
        o.refusal = REFUSE_CONNS_CLIENT;
    } else if (!rate_has(&l->rate_per_client, c->bucket, now)) {
        o.refusal = REFUSE_RATE_CLIENT;
    } else {
        o.refusal = admit_totals(l, now, h);
    }
    if (o.refusal == REFUSE_NOT && rates) {
        c->bucket = rate_taken(&l->rate_per_client, c->bucket, now);
    }
    if (o.refusal == REFUSE_NOT && counts) {
        c->conns++;
        h->conns_client = table_index(l->table, c) + 1;
    }
    table_leave(l->table, c, now);
    return o;
}

void limits_over(const struct limits *l, uint64_t now, struct hold *h)
{
    limits_read(l, now, h);
    if (h->conns_client != 0) {
        struct client *c = table_at(l->table, h->conns_client - 1);

        c->conns--;
        table_leave(l->table, c, now);
        h->conns_client = 0;
    }
    if (h->conns != 0) {
        count_down(&l->totals->conns);
        h->conns = 0;
    }
}

bool limits_failed(const struct limits *l, const struct client_key *key, uint64_t now,
                   unsigned *what)
{
    struct client *c;
    bool begins = false;

    *what = 0;
    if (key == NULL || l->table == NULL || l->failures.interval == 0) {
        return false;
    }
    c = table_find(l->table, key, now, true, what);
    if (c == NULL) {
        return false;
    }
    c->failures = rate_fit(&l->failures, c->failures, now);
    if (rate_has(&l->failures, c->failures, now)) {
        c->failures = rate_taken(&l->failures, c->failures, now);
    } else if (c->penalty_end <= now) {
        c->penalty_end = now + l->penalty_ns;
        c->failures = 0;
        begins = true;
    }
    table_leave(l->table, c, now);
    return begins;
}
