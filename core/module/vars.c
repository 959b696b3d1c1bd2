/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/vars.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/str.h"
#include "core/module/load.h"

#define VARS_MAX      256
#define VAR_NAME_MAX  63
#define NOTE_SIZE_MAX 65536

/* A longer value is handed out as the getter gave it, never copied into the arena. */
#define CACHED_SIZE_MAX 4096

/* Values a connection has room for at first: as many as its modules usually ask for. */
#define FIRST_ENTRIES 8

/* Names within this distance count as misspelled. */
#define NEAR_ENOUGH 3

struct var {
    char name[VAR_NAME_MAX + 1];
    uint32_t type;
    bool core;
    pst_var_get get; /* NULL: only ever set as a note */
    void *ctx;
    atomic_bool wanted;
};

_Static_assert(VARS_MAX <= UINT8_MAX + 1, "an id fits a byte of the cache");

/*
 * The main thread appends while workers read: entries below n_vars never change again, and
 * the release store of n_vars publishes them.
 */
static struct var vars[VARS_MAX];
static atomic_uint n_vars;

static int32_t find(const char *name)
{
    unsigned n = atomic_load_explicit(&n_vars, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(vars[i].name, name) == 0) {
            return (int32_t)i;
        }
    }
    return PST_ERR_NOT_FOUND;
}

static struct var *var_at(int32_t id)
{
    unsigned n = atomic_load_explicit(&n_vars, memory_order_acquire);
    return id >= 0 && (unsigned)id < n ? &vars[id] : NULL;
}

static int32_t add(const char *name, uint32_t type, bool core, pst_var_get get, void *ctx)
{
    unsigned n = atomic_load_explicit(&n_vars, memory_order_relaxed);
    size_t len = strlen(name);
    if (len > VAR_NAME_MAX || len == 0 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != len || type < PST_VALUE_STR ||
        type > PST_VALUE_BOOL) {
        return PST_ERR_INVALID;
    }
    int32_t known = find(name);
    if (known >= 0) {
        /* Two modules may leave notes under one conn.tls.* name; values have one source. */
        const struct var *v = &vars[known];
        bool same = !v->core && !core && v->type == type && v->get == get && v->ctx == ctx;
        return same ? known : PST_ERR_STATE;
    }
    if (n == VARS_MAX) {
        return PST_ERR_LIMIT;
    }
    struct var *v = &vars[n];
    memcpy(v->name, name, len + 1);
    v->type = type;
    v->core = core;
    v->get = get;
    v->ctx = ctx;
    atomic_store_explicit(&v->wanted, false, memory_order_relaxed);
    atomic_store_explicit(&n_vars, n + 1, memory_order_release);
    return (int32_t)n;
}

int32_t vars_register_core(const char *name, uint32_t type, pst_var_get get, void *ctx)
{
    return add(name, type, true, get, ctx);
}

static bool begins(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && name[n] != '\0';
}

/* A module's names begin with its own; transports speak for the TLS of their side too. */
static bool may_declare(const char *module, const char *name)
{
    size_t n = strlen(module);
    if (strncmp(name, module, n) == 0 && name[n] == '.' && name[n + 1] != '\0') {
        return true;
    }
    const struct module *m = module_find(module);
    uint32_t roles = m == NULL ? 0 : m->desc.roles;
    return (begins(name, "conn.tls.") && (roles & PST_ROLE_CLIENT_TRANSPORT) != 0) ||
           (begins(name, "upstream.tls.") && (roles & PST_ROLE_UPSTREAM_TRANSPORT) != 0);
}

int32_t vars_register(const char *module, const char *name, uint32_t type, pst_var_get get,
                      void *ctx)
{
    if (module == NULL || name == NULL || !may_declare(module, name)) {
        return PST_ERR_INVALID;
    }
    return add(name, type, false, get, ctx);
}

int32_t vars_id(const char *name)
{
    int32_t id = name != NULL ? find(name) : PST_ERR_INVALID;
    if (id >= 0) {
        atomic_store_explicit(&vars[id].wanted, true, memory_order_relaxed);
    }
    return id;
}

const char *vars_suggest(const char *name)
{
    const char *best = NULL;
    unsigned best_distance = NEAR_ENOUGH + 1;
    unsigned n = atomic_load_explicit(&n_vars, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        unsigned d = str_distance(name, vars[i].name);
        if (d < best_distance) {
            best = vars[i].name;
            best_distance = d;
        }
    }
    return best;
}

int vars_wanted(int32_t id)
{
    struct var *v = var_at(id);
    return v != NULL && atomic_load_explicit(&v->wanted, memory_order_relaxed);
}

/* Together, so that one glance tells of a variable that nothing is cached, as of most. */
static uint8_t *ids_of(const struct var_cache *cache)
{
    return (uint8_t *)(cache->values + cache->room);
}

/* What is cached of a variable; NULL: nothing. */
static struct pst_value *cached(const struct var_cache *cache, int32_t id)
{
    if (cache->n == 0) {
        return NULL;
    }
    const uint8_t *ids = ids_of(cache), *at = memchr(ids, id, cache->n);
    return at == NULL ? NULL : &cache->values[at - ids];
}

/* The place for a value that was not cached before; NULL: out of memory. */
static struct pst_value *new_entry(struct var_cache *cache, struct arena *arena, int32_t id)
{
    if (cache->n == cache->room) {
        uint32_t room = cache->room == 0 ? FIRST_ENTRIES : 2 * cache->room;
        struct var_cache larger = { .n = cache->n, .room = room };
        larger.values = arena_alloc(arena, room * (sizeof(*larger.values) + 1));
        if (larger.values == NULL) {
            return NULL;
        }
        if (cache->n > 0) {
            memcpy(larger.values, cache->values, cache->n * sizeof(*larger.values));
            memcpy(ids_of(&larger), ids_of(cache), cache->n);
        }
        *cache = larger;
    }
    ids_of(cache)[cache->n] = (uint8_t)id;
    return &cache->values[cache->n++];
}

static bool has_bytes(const struct pst_value *v)
{
    return v->type == PST_VALUE_STR || v->type == PST_VALUE_BYTES;
}

/* Keep a value of its own in the cache. */
static int32_t keep(struct var_cache *cache, struct arena *arena, int32_t id,
                    const struct pst_value *v)
{
    struct pst_value copy = *v;
    copy.reserved = 0;
    if (has_bytes(v)) {
        char *p = arena_strndup(arena, v->u.str.n > 0 ? v->u.str.p : "", v->u.str.n);
        if (p == NULL) {
            return PST_ERR_NOMEM;
        }
        copy.u.str.p = p;
    }
    struct pst_value *at = cached(cache, id);
    if (at == NULL) {
        at = new_entry(cache, arena, id);
    }
    if (at == NULL) {
        return PST_ERR_NOMEM;
    }
    *at = copy;
    return PST_OK;
}

int32_t vars_get(struct var_cache *cache, struct arena *arena, pst_conn *conn, int32_t id,
                 struct pst_value *out)
{
    memset(out, 0, sizeof(*out));
    const struct var *v = var_at(id);
    if (v == NULL) {
        return PST_ERR_NOT_FOUND;
    }
    const struct pst_value *known = cached(cache, id);
    if (known != NULL && known->type != PST_VALUE_NONE) {
        *out = *known;
        return PST_OK;
    }
    if (v->get == NULL) {
        return PST_OK;
    }
    struct pst_value got;
    memset(&got, 0, sizeof(got));
    int32_t rc = v->get(v->ctx, conn, &got);
    if (rc < 0 || got.type == PST_VALUE_NONE) {
        return rc < 0 ? rc : PST_OK;
    }
    if (got.type != v->type) {
        return PST_ERR;
    }
    if (has_bytes(&got) && got.u.str.n > CACHED_SIZE_MAX) {
        *out = got;
        return PST_OK;
    }
    rc = keep(cache, arena, id, &got);
    if (rc == PST_OK) {
        *out = *cached(cache, id);
    }
    return rc;
}

/* Setting the same value again costs no memory. */
static bool same_value(const struct pst_value *a, const struct pst_value *b)
{
    if (a->type != b->type || !has_bytes(a)) {
        return false;
    }
    return a->u.str.n == b->u.str.n &&
           (a->u.str.n == 0 || memcmp(a->u.str.p, b->u.str.p, a->u.str.n) == 0);
}

int32_t vars_set(struct var_cache *cache, struct arena *arena, int32_t id,
                 const struct pst_value *v)
{
    const struct var *var = var_at(id);
    if (var == NULL) {
        return PST_ERR_NOT_FOUND;
    }
    if (v->type != var->type && v->type != PST_VALUE_NONE) {
        return PST_ERR_INVALID;
    }
    if (has_bytes(v) && v->u.str.n > NOTE_SIZE_MAX) {
        return PST_ERR_LIMIT;
    }
    const struct pst_value *known = cached(cache, id);
    if (known != NULL && same_value(known, v)) {
        return PST_OK;
    }
    return keep(cache, arena, id, v);
}

int32_t vars_note(struct var_cache *cache, struct arena *arena, int32_t id,
                  const struct pst_value *v)
{
    const struct var *var = var_at(id);
    if (var != NULL && var->core) {
        return PST_ERR_INVALID;
    }
    return vars_set(cache, arena, id, v);
}

void vars_reset(void)
{
    atomic_store(&n_vars, 0);
    memset(vars, 0, sizeof(vars));
}
