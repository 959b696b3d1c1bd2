/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

/*
 * The first chunk, its head included; each further one is twice as large, up to CHUNK_MAX. Powers of
 * two: glibc keeps freed blocks of up to 1032 bytes for the thread.
 */
#define CHUNK_MIN 128u
#define CHUNK_MAX (64u * 1024u)

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *a)
{
    a->head = NULL;
}

static struct arena_chunk *chunk_new(const struct arena *a, size_t n)
{
    const size_t need = sizeof(struct arena_chunk) + n;
    size_t size = a->head ? sizeof(struct arena_chunk) + a->head->size : CHUNK_MIN / 2;

    /* Twice what it was, or more: what is small and follows shall fit, too. */
    do {
        size *= 2;
    } while (size < need && size < CHUNK_MAX);
    size = size > CHUNK_MAX ? CHUNK_MAX : size;
    size = size < need ? need : size;
    struct arena_chunk *c = mem_zero(size);
    if (c) {
        c->size = size - sizeof(*c);
    }
    return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);

    if (n > PTRDIFF_MAX - sizeof(struct arena_chunk) - align) {
        return NULL;
    }
    n = n == 0 ? align : (n + align - 1) & ~(align - 1);
    if (!a->head || a->head->size - a->head->used < n) {
        struct arena_chunk *c = chunk_new(a, n);

        if (!c) {
            return NULL;
        }
        c->next = a->head;
        a->head = c;
    }
    void *p = a->head->data + a->head->used;
    a->head->used += n;
    return p;
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
