/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/upstream/upstream.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/config/conf.h"
#include "core/upstream/health.h"
#include "core/upstream/rendezvous.h"
#include "core/upstream/resolve.h"

#define FEW_TARGETS 64

struct target {
    const struct conf_target *conf;
    struct health *health;
    struct resolve_name *name; /* CONF_ADDR_HOST                               */
    atomic_uint next_addr;     /* of a host name: where the next walk starts   */
    uint64_t id;               /* hash of the address text                     */
    int64_t current;           /* smooth round-robin; under the upstream's lock */
};

struct upstream {
    const struct conf_upstream *conf;
    struct health_rule rule;
    pthread_mutex_t lock; /* the round-robin state, for a few loads and stores */
    size_t n_targets;
    struct target targets[];
};

/* The order of preference among targets that this walk has not tried. */
enum pass { PRIMARY, BACKUP, PRIMARY_OUT, BACKUP_OUT, PASSES };

struct upstream *upstream_new(const struct conf_upstream *conf, struct resolver *resolver)
{
    struct upstream *u = calloc(1, sizeof(*u) + conf->n_targets * sizeof(u->targets[0]));

    if (!u || pthread_mutex_init(&u->lock, NULL) != 0) {
        free(u);
        return NULL;
    }
    u->conf = conf;
    u->rule.max_fails = conf->max_fails;
    u->rule.timeout = conf->fail_timeout * 1000000;
    for (size_t i = 0; i < conf->n_targets; i++) {
        const struct conf_addr *a = &conf->targets[i].addr;
        struct target *t = &u->targets[u->n_targets++];

        t->conf = &conf->targets[i];
        t->id = rendezvous_id(a->text, strlen(a->text));
        t->health = health_new();
        t->name = a->kind == CONF_ADDR_HOST ? resolve_get(resolver, a->host) : NULL;
        if (!t->health || (a->kind == CONF_ADDR_HOST && !t->name)) {
            upstream_free(u);
            return NULL;
        }
    }
    return u;
}

void upstream_adopt(struct upstream *u, const struct upstream *prev)
{
    for (size_t i = 0; i < u->n_targets; i++) {
        struct target *t = &u->targets[i];

        for (size_t k = 0; k < prev->n_targets; k++) {
            const struct target *old = &prev->targets[k];

            if (old->id == t->id && strcmp(old->conf->addr.text, t->conf->addr.text) == 0) {
                health_put(t->health);
                t->health = health_get(old->health);
                break;
            }
        }
    }
}

void upstream_free(struct upstream *u)
{
    if (!u) {
        return;
    }
    for (size_t i = 0; i < u->n_targets; i++) {
        health_put(u->targets[i].health);
        if (u->targets[i].name) {
            resolve_put(u->targets[i].name);
        }
    }
    pthread_mutex_destroy(&u->lock);
    free(u);
}

static bool walk_tried(const struct upstream *u, const struct upstream_walk *w, size_t i)
{
    if (u->n_targets <= FEW_TARGETS) {
        return w->tried.few >> i & 1;
    }
    return w->tried.many && w->tried.many[i / 8] >> (i % 8) & 1;
}

static int walk_mark(const struct upstream *u, struct upstream_walk *w, size_t i)
{
    if (u->n_targets <= FEW_TARGETS) {
        w->tried.few |= UINT64_C(1) << i;
        return ERR_OK;
    }
    if (!w->tried.many) {
        w->tried.many = calloc(u->n_targets / 8 + 1, 1);
        if (!w->tried.many) {
            return ERR_NOMEM;
        }
    }
    w->tried.many[i / 8] |= (uint8_t)(1u << (i % 8));
    return ERR_OK;
}

static bool target_eligible(const struct upstream *u, const struct upstream_walk *w, size_t i,
                            enum pass pass, uint64_t now)
{
    const struct target *t = &u->targets[i];

    return t->conf->backup == (pass == BACKUP || pass == BACKUP_OUT) && !walk_tried(u, w, i) &&
           (pass >= PRIMARY_OUT || health_usable(t->health, &u->rule, now));
}

/* True when a has fewer connections for its weight than b. */
static bool target_idler(const struct target *a, const struct target *b)
{
    return (uint64_t)atomic_load(&a->health->active) * b->conf->weight <
           (uint64_t)atomic_load(&b->health->active) * a->conf->weight;
}

/* The highest score for this client: every target keeps its clients while it is usable. */
static struct target *choose_hashed(struct upstream *u, const struct upstream_walk *w,
                                    const struct pst_addr *client, enum pass pass, uint64_t now)
{
    struct rendezvous best = { 0 };
    struct target *chosen = NULL;

    for (size_t i = 0; i < u->n_targets; i++) {
        struct target *t = &u->targets[i];

        if (target_eligible(u, w, i, pass, now) &&
            rendezvous_offer(&best, t->id, t->conf->weight, client)) {
            chosen = t;
        }
    }
    return chosen;
}

/*
 * Smooth weighted round-robin: exact over each cycle of the weights, also when some targets are
 * not eligible. Least-conn restricts it to the idlest targets, so that equals take turns.
 */
static struct target *choose_in_turn(struct upstream *u, const struct upstream_walk *w,
                                     enum pass pass, uint64_t now)
{
    const struct target *idlest = NULL;
    struct target *chosen = NULL;
    int64_t total = 0;

    for (size_t i = 0; u->conf->balance == CONF_LEAST_CONN && i < u->n_targets; i++) {
        if (target_eligible(u, w, i, pass, now) &&
            (!idlest || target_idler(&u->targets[i], idlest))) {
            idlest = &u->targets[i];
        }
    }
    for (size_t i = 0; i < u->n_targets; i++) {
        struct target *t = &u->targets[i];

        if (!target_eligible(u, w, i, pass, now) || (idlest && target_idler(idlest, t))) {
            continue;
        }
        t->current += t->conf->weight;
        total += t->conf->weight;
        if (!chosen || t->current > chosen->current) {
            chosen = t;
        }
    }
    if (chosen) {
        chosen->current -= total;
    }
    return chosen;
}

/* The best target of a pass, counted as in use. NULL: none is eligible. */
static struct target *choose(struct upstream *u, const struct upstream_walk *w,
                             const struct pst_addr *client, enum pass pass, uint64_t now)
{
    bool has_ip = client->family == PST_AF_INET || client->family == PST_AF_INET6;
    struct target *t = NULL;

    /* Clients without an address would all meet at one target. */
    if (u->conf->balance == CONF_SOURCE_HASH && has_ip) {
        t = choose_hashed(u, w, client, pass, now);
        if (t) {
            atomic_fetch_add(&t->health->active, 1);
        }
        return t;
    }
    /* Counted under the lock, or two workers would find the same target idlest. */
    pthread_mutex_lock(&u->lock);
    t = choose_in_turn(u, w, pass, now);
    if (t) {
        atomic_fetch_add(&t->health->active, 1);
    }
    pthread_mutex_unlock(&u->lock);
    return t;
}

static void walk_leave(struct upstream_walk *w)
{
    struct target *t = w->current;

    if (!t) {
        return;
    }
    health_unclaim(t->health, w->probe);
    atomic_fetch_sub(&t->health->active, 1);
    w->probe = 0;
    w->current = NULL;
}

/* Fill in where to connect; false: no (other) address is known. */
static bool target_address(struct target *t, struct upstream_walk *w, struct upstream_choice *out)
{
    const struct conf_addr *a = &t->conf->addr;
    struct pst_addr addrs[RESOLVE_ADDRS_MAX];
    size_t n = 1;

    *out =
        (struct upstream_choice){ .name = a->text, .host = a->host, .addr = a->ip, .tls = a->tls };
    if (a->kind == CONF_ADDR_UNIX) {
        out->addr = (struct pst_addr){ .family = PST_AF_UNIX };
        out->path = a->path;
    } else if (a->kind == CONF_ADDR_HOST) {
        n = resolve_addrs(t->name, addrs);
    }
    if (w->addr_tried >= n) {
        return false;
    }
    if (a->kind == CONF_ADDR_HOST) {
        if (w->addr_tried == 0) {
            w->addr_index = atomic_fetch_add(&t->next_addr, 1);
        }
        out->addr = addrs[w->addr_index++ % n];
        out->addr.port = a->ip.port;
    }
    w->addr_tried++;
    w->tries++;
    return true;
}

int upstream_next(struct upstream *u, struct upstream_walk *w, const struct pst_addr *client,
                  uint64_t now, struct upstream_choice *out)
{
    if (u->conf->tries > 0 && w->tries >= u->conf->tries) {
        return ERR_LIMIT;
    }
    if (w->current && target_address(w->current, w, out)) {
        return ERR_OK;
    }
    walk_leave(w);
    for (enum pass pass = PRIMARY; pass < PASSES;) {
        struct target *t = choose(u, w, client, pass, now);

        if (!t) {
            pass++;
            continue;
        }
        w->current = t;
        w->addr_tried = 0;
        /* Another worker may have begun to probe it meanwhile: then it is as good as out. */
        if (pass >= PRIMARY_OUT || health_claim(t->health, &u->rule, now, &w->probe)) {
            int rc = walk_mark(u, w, (size_t)(t - u->targets));

            if (rc != ERR_OK) {
                return rc;
            }
            if (target_address(t, w, out)) {
                return ERR_OK;
            }
        }
        walk_leave(w);
    }
    return ERR_NOT_FOUND;
}

void upstream_result(struct upstream *u, struct upstream_walk *w, bool ok, uint64_t now)
{
    struct target *t = w->current;

    assert(t);
    w->probe = 0;
    atomic_fetch_add_explicit(ok ? &t->health->connects : &t->health->failures, 1,
                              memory_order_relaxed);
    if (ok) {
        if (health_succeeded(t->health)) {
            LOG(PST_LOG_NOTICE, "upstream target is back", LOGF_Z("target", t->conf->addr.text));
        }
    } else if (health_failed(t->health, &u->rule, now)) {
        LOG(PST_LOG_WARNING, "upstream target is out", LOGF_Z("target", t->conf->addr.text),
            LOGF_U64("fails", u->rule.max_fails), LOGF_U64("for_ms", u->conf->fail_timeout));
    }
}

void upstream_end(struct upstream *u, struct upstream_walk *w)
{
    walk_leave(w);
    if (u->n_targets > FEW_TARGETS) {
        free(w->tried.many);
    }
    w->tried.few = 0;
}

void upstream_each(const struct upstream *u, uint64_t now,
                   void (*cb)(void *arg, const struct upstream_info *t), void *arg)
{
    for (size_t i = 0; i < u->n_targets; i++) {
        const struct target *t = &u->targets[i];
        uint64_t until = u->rule.max_fails == 0 ? 0 : atomic_load(&t->health->down_until);
        const struct upstream_info info = {
            .name = t->conf->addr.text,
            .weight = t->conf->weight,
            .backup = t->conf->backup,
            .state = until == 0    ? UPSTREAM_UP
                     : until > now ? UPSTREAM_DOWN
                                   : UPSTREAM_PROBATION,
            .down_ms = until > now ? (until - now) / 1000000 : 0,
            .active = atomic_load(&t->health->active),
            .fails = atomic_load(&t->health->fails),
            .connects = atomic_load_explicit(&t->health->connects, memory_order_relaxed),
            .failures = atomic_load_explicit(&t->health->failures, memory_order_relaxed),
        };

        cb(arg, &info);
    }
}
