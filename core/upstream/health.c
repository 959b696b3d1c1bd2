/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/upstream/health.h"

#include <stdlib.h>

/* On probation: a time that has passed for certain. */
#define TIME_OUT_OVER 1

struct health *health_new(void)
{
    struct health *h = calloc(1, sizeof(*h));

    if (!h) {
        return NULL;
    }
    if (pthread_mutex_init(&h->lock, NULL) != 0) {
        free(h);
        return NULL;
    }
    h->refs = 1;
    return h;
}

struct health *health_get(struct health *h)
{
    h->refs++;
    return h;
}

void health_put(struct health *h)
{
    if (!h || --h->refs > 0) {
        return;
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
}

bool health_usable(const struct health *h, const struct health_rule *r, uint64_t now)
{
    return r->max_fails == 0 || now >= atomic_load(&h->down_until);
}

bool health_claim(struct health *h, const struct health_rule *r, uint64_t now, uint64_t *probe)
{
    uint64_t until = atomic_load(&h->down_until);

    *probe = 0;
    if (r->max_fails == 0 || until == 0) {
        return true;
    }
    if (now < until || !atomic_compare_exchange_strong(&h->down_until, &until, now + r->timeout)) {
        return false;
    }
    *probe = now + r->timeout;
    return true;
}

void health_unclaim(struct health *h, uint64_t probe)
{
    /* Not when somebody's result has changed it since. */
    if (probe != 0) {
        atomic_compare_exchange_strong(&h->down_until, &probe, TIME_OUT_OVER);
    }
}

bool health_failed(struct health *h, const struct health_rule *r, uint64_t now)
{
    bool out = false;
    uint64_t until = 0;

    if (r->max_fails == 0) {
        return false;
    }
    pthread_mutex_lock(&h->lock);
    until = atomic_load(&h->down_until);
    if (until != 0) {
        /* A probe or a last resort. One failure is enough to stay out. */
        if (now >= until) {
            atomic_store(&h->down_until, now + r->timeout);
        }
    } else {
        /* Workers' clocks differ by a turn of their loops: `since` may lie ahead of now. */
        if (now > h->since && now - h->since > r->timeout) {
            atomic_store(&h->fails, 0);
        }
        if (atomic_fetch_add(&h->fails, 1) == 0) {
            h->since = now;
        }
        if (atomic_load(&h->fails) >= r->max_fails) {
            atomic_store(&h->down_until, now + r->timeout);
            out = true;
        }
    }
    pthread_mutex_unlock(&h->lock);
    return out;
}

bool health_succeeded(struct health *h)
{
    bool was_out = false;

    /* The common case costs two loads and no lock. */
    if (atomic_load(&h->fails) == 0 && atomic_load(&h->down_until) == 0) {
        return false;
    }
    pthread_mutex_lock(&h->lock);
    was_out = atomic_load(&h->down_until) != 0;
    atomic_store(&h->fails, 0);
    atomic_store(&h->down_until, 0);
    pthread_mutex_unlock(&h->lock);
    return was_out;
}
