/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The timers of a loop: a pairing heap of which NULL is the empty one. Its links are in the timers,
 * so that arming one takes no memory. Internal to loop.c. [own thread]
 */
#ifndef POSTERN_BASE_TIMERS_H
#define POSTERN_BASE_TIMERS_H

#include <stdint.h>

#include "core/base/loop.h"

/* Add a timer, or move it, to the time `at`. *heap is the next one to fire. */
void timers_set(struct loop_timer **heap, struct loop_timer *t, uint64_t at);
/* Take it out; a no-op when it is not in. */
void timers_remove(struct loop_timer **heap, struct loop_timer *t);

#endif
