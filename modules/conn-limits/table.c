/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define CACHE_LINE 64
/* Shards of a large table; a smaller one has fewer, so that none is tiny. */
#define SHARDS      64
#define SHARD_LEAST 256

/* Values of client.list. */
enum { LIST_NONE, LIST_IDLE, LIST_PENALTY, LISTS };

struct shard {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct client *clients;
    uint32_t *heads; /* by hash */
    uint32_t used;
    uint32_t oldest[LISTS], newest[LISTS];
};

struct table {
    atomic_uint refs;
    uint32_t per_shard;
    uint32_t n_shards; /* a power of two */
    uint32_t mask;     /* of a shard's heads */
    uint64_t secret[2];
    struct client *clients;
    uint32_t *heads;
    struct shard *shards;
};

_Static_assert(sizeof(struct client) == CACHE_LINE, "a client is one cache line");

/* --- hashing ---------------------------------------------------------------------------------- */

static uint64_t rotl(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static void sip_rounds(uint64_t v[4], int n)
{
    for (int i = 0; i < n; i++) {
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
}

/* SipHash-1-3 without the padding: addresses are chosen by attackers, collisions must not be. */
static uint64_t hash_key(const struct table *t, const struct client_key *k)
{
    const uint64_t words[2] = { k->hi, k->lo };
    uint64_t v[4] = { t->secret[0] ^ 0x736f6d6570736575u, t->secret[1] ^ 0x646f72616e646f6du,
                      t->secret[0] ^ 0x6c7967656e657261u, t->secret[1] ^ 0x7465646279746573u };

    for (int i = 0; i < 2; i++) {
        v[3] ^= words[i];
        sip_rounds(v, 1);
        v[0] ^= words[i];
    }
    v[2] ^= 0xff;
    sip_rounds(v, 3);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- life ------------------------------------------------------------------------------------- */

static void table_free(struct table *t)
{
    for (uint32_t i = 0; t->shards != NULL && i < t->n_shards; i++) {
        pthread_mutex_destroy(&t->shards[i].lock);
    }
    if (t->clients != NULL) {
        munmap(t->clients, (size_t)table_room(t) * sizeof(struct client));
    }
    free(t->heads);
    free(t->shards);
    free(t);
}

/* Zeroed, aligned, and without memory behind pages that nobody needs yet. */
static struct client *clients_new(uint32_t n)
{
    void *p = mmap(NULL, (size_t)n * sizeof(struct client), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

struct table *table_new(uint32_t n)
{
    struct table *t = calloc(1, sizeof(*t));
    uint32_t n_heads = 1;

    if (t == NULL || getrandom(t->secret, sizeof(t->secret), 0) != (ssize_t)sizeof(t->secret)) {
        free(t);
        return NULL;
    }
    atomic_init(&t->refs, 1);
    for (t->n_shards = 1; t->n_shards < SHARDS && n / t->n_shards > SHARD_LEAST;) {
        t->n_shards *= 2;
    }
    t->per_shard = (n + t->n_shards - 1) / t->n_shards;
    while (n_heads < t->per_shard) {
        n_heads *= 2;
    }
    t->mask = n_heads - 1;
    t->clients = clients_new(table_room(t));
    t->heads = calloc((size_t)t->n_shards * n_heads, sizeof(uint32_t));
    t->shards = aligned_alloc(CACHE_LINE, t->n_shards * sizeof(struct shard));
    for (uint32_t i = 0; t->shards != NULL && i < t->n_shards; i++) {
        t->shards[i] = (struct shard){ .lock = PTHREAD_MUTEX_INITIALIZER };
    }
    if (t->clients == NULL || t->heads == NULL || t->shards == NULL) {
        table_free(t);
        return NULL;
    }
    for (uint32_t i = 0; i < t->n_shards; i++) {
        t->shards[i].clients = t->clients + (size_t)i * t->per_shard;
        t->shards[i].heads = t->heads + (size_t)i * n_heads;
    }
    return t;
}

void table_ref(struct table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

uint32_t table_unref(struct table *t)
{
    uint32_t known = 0;

    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1) {
        return 0;
    }
    for (uint32_t i = 0; i < t->n_shards; i++) {
        known += t->shards[i].used;
    }
    table_free(t);
    return known;
}

uint32_t table_room(const struct table *t)
{
    return t->n_shards * t->per_shard;
}

/* --- one shard, locked ------------------------------------------------------------------------ */

static void list_take(struct shard *s, struct client *c)
{
    if (c->list == LIST_NONE) {
        return;
    }
    if (c->older != 0) {
        s->clients[c->older - 1].newer = c->newer;
    } else {
        s->oldest[c->list] = c->newer;
    }
    if (c->newer != 0) {
        s->clients[c->newer - 1].older = c->older;
    } else {
        s->newest[c->list] = c->older;
    }
    c->list = LIST_NONE;
}

static void list_put(struct shard *s, struct client *c, uint32_t list)
{
    uint32_t me = (uint32_t)(c - s->clients) + 1;

    c->list = list;
    c->newer = 0;
    c->older = s->newest[list];
    if (c->older != 0) {
        s->clients[c->older - 1].newer = me;
    } else {
        s->oldest[list] = me;
    }
    s->newest[list] = me;
}

static void chain_drop(struct shard *s, uint32_t *head, struct client *c)
{
    uint32_t *at = head;

    while (&s->clients[*at - 1] != c) {
        at = &s->clients[*at - 1].next;
    }
    *at = c->next;
}

/* The one to forget, in the order of table.h; NULL: all have connections. */
static struct client *oldest(const struct shard *s, uint64_t now)
{
    uint32_t idle = s->oldest[LIST_IDLE], held = s->oldest[LIST_PENALTY];

    if (held != 0 && (idle == 0 || s->clients[held - 1].penalty_end <= now)) {
        return &s->clients[held - 1];
    }
    return idle == 0 ? NULL : &s->clients[idle - 1];
}

static bool remembers(const struct client *c, uint64_t now)
{
    return c->bucket > now || c->failures > now || c->penalty_end > now;
}

/* A client of this shard to fill in; NULL: no room. */
static struct client *claim(struct table *t, struct shard *s, uint64_t now, unsigned *what)
{
    struct client *c;

    if (s->used < t->per_shard) {
        *what |= TABLE_GREW;
        return &s->clients[s->used++];
    }
    c = oldest(s, now);
    if (c == NULL) {
        *what |= TABLE_FULL;
        return NULL;
    }
    if (remembers(c, now)) {
        *what |= TABLE_FORGOT;
    }
    list_take(s, c);
    chain_drop(s, &s->heads[hash_key(t, &c->key) & t->mask], c);
    memset(c, 0, sizeof(*c));
    return c;
}

/* --- what others call ------------------------------------------------------------------------- */

struct client *table_find(struct table *t, const struct client_key *k, uint64_t now, bool make,
                          unsigned *what)
{
    uint64_t h = hash_key(t, k);
    struct shard *s = &t->shards[h >> 32 & (t->n_shards - 1)];
    uint32_t *head = &s->heads[h & t->mask];
    struct client *c = NULL;

    *what = 0;
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = *head; i != 0; i = s->clients[i - 1].next) {
        c = &s->clients[i - 1];
        if (c->key.hi == k->hi && c->key.lo == k->lo) {
            list_take(s, c);
            return c;
        }
    }
    c = make ? claim(t, s, now, what) : NULL;
    if (c == NULL) {
        pthread_mutex_unlock(&s->lock);
        return NULL;
    }
    *what |= TABLE_NEW;
    c->key = *k;
    c->next = *head;
    *head = (uint32_t)(c - s->clients) + 1;
    return c;
}

static struct shard *shard_of(struct table *t, uint32_t index)
{
    return &t->shards[index / t->per_shard];
}

uint32_t table_index(const struct table *t, const struct client *c)
{
    return (uint32_t)(c - t->clients);
}

struct client *table_at(struct table *t, uint32_t index)
{
    pthread_mutex_lock(&shard_of(t, index)->lock);
    return &t->clients[index];
}

void table_leave(struct table *t, struct client *c, uint64_t now)
{
    struct shard *s = shard_of(t, table_index(t, c));

    if (c->conns == 0 && c->preread == 0) {
        list_put(s, c, c->penalty_end > now ? LIST_PENALTY : LIST_IDLE);
    }
    pthread_mutex_unlock(&s->lock);
}
