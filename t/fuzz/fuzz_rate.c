/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates of conn-limits, one a line: what the parser takes is within its limits, means the same when
 * it is written out again, and a bucket made of it lets exactly its burst through at once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modules/conn-limits/rate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok) {
        abort();
    }
}

static void check_bucket(uint64_t count, uint64_t ms)
{
    struct rate r;
    uint64_t now = UINT64_C(1) << 60, bucket = 0;

    require(rate_make(count, ms, 0, &r));
    require(r.interval > 0 && r.burst == count);
    require(r.burst * r.interval <= RATE_FILL_MAX);
    /* A bucket that lacks all but one token, then one that lacks all. */
    bucket = now + (r.burst - 1) * r.interval;
    require(rate_has(&r, bucket, now));
    bucket = rate_taken(&r, bucket, now);
    require(!rate_has(&r, bucket, now));
    require(!rate_has(&r, bucket, now + r.interval - 1));
    require(rate_has(&r, bucket, now + r.interval));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data, *end = s + size;

    while (s < end) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((nl != NULL ? nl : end) - s);
        uint64_t count = 0, ms = 0, count2 = 0, ms2 = 0;
        char text[64];

        if (rate_parse(s, n, &count, &ms)) {
            int len = snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64 "ms", count, ms);

            require(count >= 1 && count <= RATE_COUNT_MAX && ms >= 1 && ms <= RATE_PERIOD_MAX);
            require(rate_parse(text, (size_t)len, &count2, &ms2) && count2 == count && ms2 == ms);
            check_bucket(count, ms);
        }
        s += n + 1;
    }
    return 0;
}
