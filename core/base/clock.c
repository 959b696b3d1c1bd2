/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/clock.h"

uint64_t clock_ns(void)
{
    struct timespec ts = { 0 };

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct timespec clock_after_ms(uint64_t ms)
{
    uint64_t at = clock_ns() + ms * 1000000u;

    return (struct timespec){ .tv_sec = (time_t)(at / 1000000000u),
                              .tv_nsec = (long)(at % 1000000000u) };
}

uint64_t clock_wall_us(void)
{
    struct timespec ts = { 0 };

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}
