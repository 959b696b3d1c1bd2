/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates as a token bucket, kept as one time stamp: the generic cell rate algorithm (ITU-T I.371).
 * A bucket is the moment at which it will be full again; 0 is a full one.
 */
#ifndef POSTERN_CONN_LIMITS_RATE_H
#define POSTERN_CONN_LIMITS_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What rate_parse() takes: "1000000000/1d" is the least interval, "1/1d" the longest. */
#define RATE_COUNT_MAX  UINT64_C(1000000000)
#define RATE_PERIOD_MAX (UINT64_C(24) * 3600 * 1000) /* milliseconds */
/* Longest time in which a bucket fills: keeps sums of times far from overflow. */
#define RATE_FILL_MAX (UINT64_C(30) * RATE_PERIOD_MAX * 1000000) /* nanoseconds */

struct rate {
    uint64_t interval; /* nanoseconds until a token comes back; 0: no limit */
    uint64_t burst;    /* tokens of a full bucket, at least 1               */
};

/*
 * Parse "100/10s": events per period, units ms s m h d, "100/s" is "100/1s". Nothing but digits
 * around one slash; both numbers at least 1 and within the limits above. Pure. [any]
 */
bool rate_parse(const char *s, size_t n, uint64_t *count, uint64_t *period_ms);

/* The rate with a burst; 0: as many as the rate has events. False: it fills too slowly. [any] */
bool rate_make(uint64_t count, uint64_t period_ms, uint64_t burst, struct rate *out);

/*
 * The bucket as it is under this rate: one that was emptied under a slower one, of an earlier
 * configuration, owes no more than it can hold now. [any]
 */
uint64_t rate_fit(const struct rate *r, uint64_t bucket, uint64_t now);

/* Is there a token at `now`? Nothing is taken. [any] */
bool rate_has(const struct rate *r, uint64_t bucket, uint64_t now);

/* The bucket after one token more was taken; the caller has asked rate_has(). [any] */
uint64_t rate_taken(const struct rate *r, uint64_t bucket, uint64_t now);

/* Both for a bucket that threads share: false when it has no token. [any] */
bool rate_take_shared(const struct rate *r, _Atomic uint64_t *bucket, uint64_t now);

#endif
