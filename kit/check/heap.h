/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allocator of the program, wrapped: it counts, and fails one allocation that the module asks
 * for. Not in builds with a sanitizer or without glibc, whose allocators are not ours to wrap;
 * heap_works() tells. One thread.
 */
#ifndef POSTERN_KIT_HEAP_H
#define POSTERN_KIT_HEAP_H

#include <stdbool.h>
#include <stdint.h>

bool heap_works(void);

/* Blocks that are allocated and not freed, whoever asked for them. */
int64_t heap_live(void);

/* Calls from code in [from, to) count as the module's. */
void heap_module(uintptr_t from, uintptr_t to);

/* Let the module's k-th allocation from now on fail, counting from 1; 0: none. */
void heap_fail(uint64_t k);

/* How many the module has asked for since heap_fail(). */
uint64_t heap_asked(void);

#endif
