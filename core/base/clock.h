/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in nanoseconds. [any] */
uint64_t clock_ns(void);
/* The time of CLOCK_MONOTONIC that is so many milliseconds away. [any] */
struct timespec clock_after_ms(uint64_t ms);
/* Unix time in microseconds. [any] */
uint64_t clock_wall_us(void);

#endif
