/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

/*
 * The first chunk is as large as what is asked for first, which often stays alone. Those behind it,
 * heads included, have this size at first and each twice that of the one before, up to CHUNK_MAX.
 * Powers of two: glibc keeps freed blocks of up to 1032 bytes for the thread.
 */
#define CHUNK_MIN 128u
#define CHUNK_MAX (64u * 1024u)

struct arena_chunk {
    struct arena_chunk *next;
    uint32_t used;
    uint32_t size;
    alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *a)
{
    a->head = NULL;
}

static struct arena_chunk *chunk_new(const struct arena *a, size_t n)
{
    const size_t need = sizeof(struct arena_chunk) + n;
    size_t size = a->head ? CHUNK_MIN : need;

    /* More than the last one, so that what is small and follows will fit, too. */
    while (a->head && size < CHUNK_MAX &&
           (size < need || size - sizeof(*a->head) <= a->head->size)) {
        size *= 2;
    }
    size = size < need ? need : size;
    struct arena_chunk *c = mem_zero(size);
    if (c) {
        c->size = (uint32_t)(size - sizeof(*c));
    }
    return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);

    if (n > UINT32_MAX - sizeof(struct arena_chunk) - align) {
        return NULL;
    }
    n = n == 0 ? 1 : n;
    size_t at = a->head ? (a->head->used + align - 1) & ~(align - 1) : 0;

    if (!a->head || at > a->head->size || a->head->size - at < n) {
        struct arena_chunk *c = chunk_new(a, n);

        if (!c) {
            return NULL;
        }
        c->next = a->head;
        a->head = c;
        at = 0;
    }
    a->head->used = (uint32_t)(at + n);
    return a->head->data + at;
}

char *arena_strndup(struct arena *a, const char *p, size_t n)
{
    if (n == SIZE_MAX) {
        return NULL;
    }
    char *copy = arena_alloc(a, n + 1);
    if (copy && n > 0) {
        memcpy(copy, p, n);
    }
    return copy;
}

void arena_free(struct arena *a)
{
    while (a->head) {
        struct arena_chunk *c = a->head;

        a->head = c->next;
        free(c);
    }
}
