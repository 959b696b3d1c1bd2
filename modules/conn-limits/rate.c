/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rate.h"

#include <string.h>

/* Nanoseconds by which the time of one thread may be behind that of another. */
#define CLOCKS_APART UINT64_C(1000000000)

/* Digits up to `max`; how many characters, 0: none, or too large a number. */
static size_t parse_number(const char *s, size_t n, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0;

    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++) {
        v = v * 10 + (uint64_t)(s[i] - '0');
        if (v > max) {
            return 0;
        }
    }
    *out = v;
    return i;
}

bool rate_parse(const char *s, size_t n, uint64_t *count, uint64_t *period_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {
        { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 86400 * 1000 },
    };
    uint64_t events = 0, number = 1;
    size_t at = parse_number(s, n, RATE_COUNT_MAX, &events);

    if (at == 0 || events == 0 || at == n || s[at] != '/') {
        return false;
    }
    at++;
    if (at < n && s[at] >= '0' && s[at] <= '9') {
        size_t digits = parse_number(s + at, n - at, RATE_PERIOD_MAX, &number);

        if (digits == 0 || number == 0) {
            return false;
        }
        at += digits;
    }
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        if (strlen(units[u].name) == n - at && memcmp(units[u].name, s + at, n - at) == 0 &&
            number <= RATE_PERIOD_MAX / units[u].ms) {
            *count = events;
            *period_ms = number * units[u].ms;
            return true;
        }
    }
    return false;
}

bool rate_make(uint64_t count, uint64_t period_ms, uint64_t burst, struct rate *out)
{
    uint64_t interval = period_ms * 1000000 / count;

    out->interval = interval > 0 ? interval : 1;
    out->burst = burst > 0 ? burst : count;
    return out->burst <= RATE_FILL_MAX / out->interval;
}

uint64_t rate_fit(const struct rate *r, uint64_t bucket, uint64_t now)
{
    uint64_t most = now + r->burst * r->interval;

    /* Threads do not agree about `now`: what is a little above owes to a clock that is ahead. */
    return r->interval != 0 && bucket > most + CLOCKS_APART ? most : bucket;
}

bool rate_has(const struct rate *r, uint64_t bucket, uint64_t now)
{
    uint64_t missing = bucket > now ? bucket - now : 0;

    return r->interval == 0 || missing + r->interval <= r->burst * r->interval;
}

uint64_t rate_taken(const struct rate *r, uint64_t bucket, uint64_t now)
{
    return (bucket > now ? bucket : now) + r->interval;
}

bool rate_take_shared(const struct rate *r, _Atomic uint64_t *bucket, uint64_t now)
{
    uint64_t old = atomic_load_explicit(bucket, memory_order_relaxed), fit, next;
    bool has;

    if (r->interval == 0) {
        return true;
    }
    do {
        fit = rate_fit(r, old, now);
        has = rate_has(r, fit, now);
        next = has ? rate_taken(r, fit, now) : fit;
    } while (next != old && !atomic_compare_exchange_weak_explicit(
                                bucket, &old, next, memory_order_relaxed, memory_order_relaxed));
    return has;
}
