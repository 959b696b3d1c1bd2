/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POSTERN_BASE_MEM_H
#define POSTERN_BASE_MEM_H

#include <stdlib.h>
#include <string.h>

/*
 * Zeroed memory for what comes and goes with every connection; free() it. NULL: out of memory.
 * glibc's calloc() (before 2.41) does not look into the thread's cache of freed chunks, which
 * malloc() does. Any thread.
 */
static inline void *mem_zero(size_t n)
{
    void *p = malloc(n);

    __asm__("" : "+r"(p)); /* or the compiler makes a calloc() of the two */
    return p == NULL ? NULL : memset(p, 0, n);
}

#endif
