/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is freed all at once. Chunks grow as needed; an unused arena holds none. */
#ifndef POSTERN_BASE_ARENA_H
#define POSTERN_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *head;
};

void arena_init(struct arena *a);
/* Zeroed memory, aligned for any type; NULL on out of memory. Lives until arena_free. */
void *arena_alloc(struct arena *a, size_t n);
/* A NUL-terminated copy. */
char *arena_strndup(struct arena *a, const char *p, size_t n);
/* Free everything; the arena is as after arena_init. */
void arena_free(struct arena *a);

#endif
