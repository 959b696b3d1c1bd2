/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/edge/tally.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

/* Written by one thread, so plain loads and stores suffice; atomic for those who read. */
struct shard {
    _Atomic uint64_t begun, bytes_in, bytes_out;
    _Atomic uint64_t ended[2][TALLY_REASONS];
};

struct tally {
    unsigned refs; /* [main] */
    unsigned n_workers;
    struct shard *_Atomic shard[];
};

struct tally *tally_new(unsigned n_workers)
{
    struct tally *t = calloc(1, sizeof(*t) + n_workers * sizeof(t->shard[0]));

    if (t != NULL) {
        t->refs = 1;
        t->n_workers = n_workers;
    }
    return t;
}

struct tally *tally_get(struct tally *t)
{
    t->refs++;
    return t;
}

void tally_put(struct tally *t)
{
    if (t == NULL || --t->refs > 0) {
        return;
    }
    for (unsigned i = 0; i < t->n_workers; i++) {
        free(atomic_load_explicit(&t->shard[i], memory_order_relaxed));
    }
    free(t);
}

static uint64_t get(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static void add(_Atomic uint64_t *n, uint64_t more)
{
    atomic_store_explicit(n, get(n) + more, memory_order_relaxed);
}

void tally_begin(struct tally *t, unsigned worker)
{
    struct shard *s = atomic_load_explicit(&t->shard[worker], memory_order_relaxed);

    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL) {
            return;
        }
        /* Readers follow the pointer: what it points at is zeroed before they see it. */
        atomic_store_explicit(&t->shard[worker], s, memory_order_release);
    }
    add(&s->begun, 1);
}

void tally_end(struct tally *t, unsigned worker, bool relayed, uint32_t reason, uint64_t in,
               uint64_t out)
{
    struct shard *s = atomic_load_explicit(&t->shard[worker], memory_order_relaxed);

    if (s == NULL) {
        return;
    }
    add(&s->ended[relayed][reason < TALLY_REASONS ? reason : 0], 1);
    add(&s->bytes_in, in);
    add(&s->bytes_out, out);
}

void tally_read(const struct tally *t, struct tally_sum *out)
{
    *out = (struct tally_sum){ 0 };
    for (unsigned i = 0; i < t->n_workers; i++) {
        const struct shard *s = atomic_load_explicit(&t->shard[i], memory_order_acquire);

        if (s == NULL) {
            continue;
        }
        for (int k = 0; k < TALLY_REASONS; k++) {
            out->ended[0][k] += get(&s->ended[0][k]);
            out->ended[1][k] += get(&s->ended[1][k]);
            out->ended_all += get(&s->ended[0][k]) + get(&s->ended[1][k]);
        }
        out->bytes_in += get(&s->bytes_in);
        out->bytes_out += get(&s->bytes_out);
        out->begun += get(&s->begun);
    }
    if (out->begun < out->ended_all) {
        out->begun = out->ended_all;
    }
}
