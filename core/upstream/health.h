/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of one target beyond the configuration: connections in use and passive health.
 * Outlives a reload: the next generation's target takes it over.
 */
#ifndef POSTERN_UPSTREAM_HEALTH_H
#define POSTERN_UPSTREAM_HEALTH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct health {
    unsigned refs; /* [main] only */
    atomic_uint active;
    _Atomic uint64_t connects, failures; /* attempts that succeeded and failed, for people  */
    atomic_uint fails;           /* failures in a row since `since`                        */
    _Atomic uint64_t down_until; /* 0: in; else out until then, and on probation afterwards */
    uint64_t since;              /* when the first of these failures was                   */
    pthread_mutex_t lock;        /* fails, down_until and since change together            */
};

/* When a target is taken out, and for how long. */
struct health_rule {
    uint32_t max_fails; /* 0: never */
    uint64_t timeout;   /* ns       */
};

/* With one reference. NULL: out of memory. [main] */
struct health *health_new(void);
struct health *health_get(struct health *h); /* [main] */
void health_put(struct health *h);           /* NULL is fine. [main] */

/* In, or its time out is over. [any] */
bool health_usable(const struct health *h, const struct health_rule *r, uint64_t now);
/*
 * Take a usable target for a connection. After its time out only one caller gets it, as a
 * probe; for the others it is out for another timeout, unless the probe succeeds before. *probe
 * gets what health_unclaim() needs, 0 when it is no probe. [any]
 */
bool health_claim(struct health *h, const struct health_rule *r, uint64_t now, uint64_t *probe);
/* A probe was given up without a result: another caller may probe now. [any] */
void health_unclaim(struct health *h, uint64_t probe);

/* An attempt failed; true: that took the target out. [any] */
bool health_failed(struct health *h, const struct health_rule *r, uint64_t now);
/* An attempt succeeded, which forgets all failures; true: the target was out. [any] */
bool health_succeeded(struct health *h);

#endif
