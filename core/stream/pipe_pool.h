/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pipes for splice(2), pooled per worker because Linux shrinks a user's pipes past 1024. */
#ifndef POSTERN_STREAM_PIPE_POOL_H
#define POSTERN_STREAM_PIPE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pipe_pool;

struct pipe_pair {
    int rd, wr;
    size_t size; /* capacity in bytes                       */
    size_t fill; /* bytes in it now                         */
    struct pipe_pair *next;
};

/* At most max pipes exist at once (in use and idle). NULL: out of memory. [worker] */
struct pipe_pool *pipe_pool_new(size_t max);
void pipe_pool_free(struct pipe_pool *p);
/* Borrow an empty pipe; NULL: none to be had now (limit, EMFILE, too small): copy instead. */
struct pipe_pair *pipe_pool_get(struct pipe_pool *p);
/* Give it back; one that still holds bytes is closed, never reused. */
void pipe_pool_put(struct pipe_pool *p, struct pipe_pair *pp);
/* n bytes have gone through one of its pipes. */
void pipe_pool_count(struct pipe_pool *p, size_t n);
/* Pipes in use now, and bytes that went through all so far: for tests. */
size_t pipe_pool_used(const struct pipe_pool *p);
uint64_t pipe_pool_bytes(const struct pipe_pool *p);

#endif
