/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kit/check/heap.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define FOREIGN_ALLOCATOR
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define FOREIGN_ALLOCATOR
#endif

static struct {
    int64_t live;
    uintptr_t from, to;
    uint64_t fail, asked;
} heap;

int64_t heap_live(void)
{
    return heap.live;
}

void heap_module(uintptr_t from, uintptr_t to)
{
    heap.from = from;
    heap.to = to;
}

void heap_fail(uint64_t k)
{
    heap.fail = k;
    heap.asked = 0;
}

uint64_t heap_asked(void)
{
    return heap.asked;
}

#ifdef FOREIGN_ALLOCATOR

bool heap_works(void)
{
    return false;
}

#else

bool heap_works(void)
{
    return true;
}

/* glibc's own allocator under the names that stay when a program defines malloc() and the rest. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static bool refuse(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;

    if (at < heap.from || at >= heap.to) {
        return false;
    }
    if (++heap.asked != heap.fail) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    heap.live += p != NULL;
    return p;
}

#define CALLER __builtin_return_address(0)

/* The module and the C library are to find these, though the program hides what it defines. */
#pragma GCC visibility push(default)

void *malloc(size_t n)
{
    return refuse(CALLER) ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    return refuse(CALLER) ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    void *fresh;

    if (n > 0 && refuse(CALLER)) {
        return NULL;
    }
    fresh = __libc_realloc(p, n);
    heap.live += p == NULL && fresh != NULL;
    heap.live -= p != NULL && n == 0 && fresh == NULL;
    return fresh;
}

void free(void *p)
{
    heap.live -= p != NULL;
    __libc_free(p);
}

void *memalign(size_t align, size_t n);
void *memalign(size_t align, size_t n)
{
    return refuse(CALLER) ? NULL : counted(__libc_memalign(align, n));
}

void *aligned_alloc(size_t align, size_t n)
{
    return refuse(CALLER) ? NULL : counted(__libc_memalign(align, n));
}

int posix_memalign(void **out, size_t align, size_t n)
{
    void *p = refuse(CALLER) ? NULL : counted(__libc_memalign(align, n));

    if (p == NULL) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

#pragma GCC visibility pop

#endif
