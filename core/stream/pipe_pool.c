/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/stream/pipe_pool.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * What a pipe is asked to hold, and the least that makes splice worth its system calls. The first
 * few are large: measured, a third less CPU time per byte. The rest are not, because a user may
 * have 64 MiB of pipes in all, over all workers.
 */
#define PIPE_SIZE_LARGE  ((size_t)1024 * 1024)
#define PIPE_SIZE_WANTED ((size_t)256 * 1024)
#define PIPE_SIZE_LEAST  ((size_t)64 * 1024)
#define PIPES_LARGE      8

struct pipe_pool {
    struct pipe_pair *idle;
    size_t max;
    size_t made; /* in use and idle */
    size_t used;
    uint64_t bytes;
};

struct pipe_pool *pipe_pool_new(size_t max)
{
    struct pipe_pool *p = calloc(1, sizeof(*p));
    if (p != NULL) {
        p->max = max;
    }
    return p;
}

static void pair_close(struct pipe_pair *pp)
{
    close(pp->rd);
    close(pp->wr);
    free(pp);
}

void pipe_pool_free(struct pipe_pool *p)
{
    if (p == NULL) {
        return;
    }
    assert(p->used == 0);
    while (p->idle != NULL) {
        struct pipe_pair *pp = p->idle;
        p->idle = pp->next;
        pair_close(pp);
    }
    free(p);
}

/*
 * Linux refuses to enlarge a pipe beyond the user's share (fs.pipe-user-pages-soft) and, further
 * on, makes new ones smaller than usual: what we got has to be asked.
 */
static struct pipe_pair *pair_new(bool large)
{
    int fd[2];
    if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) != 0) {
        return NULL;
    }
    int size = large ? fcntl(fd[1], F_SETPIPE_SZ, (int)PIPE_SIZE_LARGE) : -1;
    if (size < 0) {
        size = fcntl(fd[1], F_SETPIPE_SZ, (int)PIPE_SIZE_WANTED);
    }
    if (size < 0) {
        size = fcntl(fd[1], F_GETPIPE_SZ);
    }
    struct pipe_pair *pp = NULL;
    if (size >= (int)PIPE_SIZE_LEAST) {
        pp = calloc(1, sizeof(*pp));
    }
    if (pp == NULL) {
        close(fd[0]);
        close(fd[1]);
        return NULL;
    }
    pp->rd = fd[0];
    pp->wr = fd[1];
    pp->size = (size_t)size;
    return pp;
}

struct pipe_pair *pipe_pool_get(struct pipe_pool *p)
{
    struct pipe_pair *pp = p->idle;
    if (pp != NULL) {
        p->idle = pp->next;
        pp->next = NULL;
    } else if (p->made < p->max && (pp = pair_new(p->made < PIPES_LARGE)) != NULL) {
        p->made++;
    }
    if (pp != NULL) {
        p->used++;
    }
    return pp;
}

void pipe_pool_put(struct pipe_pool *p, struct pipe_pair *pp)
{
    assert(p->used > 0);
    p->used--;
    if (pp->fill > 0) {
        p->made--;
        pair_close(pp);
        return;
    }
    pp->next = p->idle;
    p->idle = pp;
}

size_t pipe_pool_used(const struct pipe_pool *p)
{
    return p->used;
}

void pipe_pool_count(struct pipe_pool *p, size_t n)
{
    p->bytes += n;
}

uint64_t pipe_pool_bytes(const struct pipe_pool *p)
{
    return p->bytes;
}
