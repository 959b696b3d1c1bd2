/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The descriptors of a loop: an epoll set. What the kernel reports is a number and a generation,
 * never a pointer, so that a report for something that has been forgotten meanwhile - earlier in
 * the same batch, or because another process held a copy of the descriptor when it was closed -
 * reaches nobody. Internal to loop.c. [own thread]
 */
#ifndef POSTERN_BASE_POLLER_H
#define POSTERN_BASE_POLLER_H

#include <stdint.h>

#include "core/base/loop.h"

struct poller_slot {
    struct loop_fd *f;   /* NULL: free                   */
    uint32_t generation; /* of whom this place is now    */
    uint32_t next;       /* free: the next free place + 1 */
};

struct poller {
    int fd;
    struct poller_slot *slots;
    uint32_t n, cap;
    uint32_t free; /* a free place + 1, 0: none */
};

/* ERR_SYS when there is no epoll. */
int poller_init(struct poller *p);
void poller_free(struct poller *p);
/* ERR_NOMEM; ERR_SYS: see errno. */
int poller_add(struct poller *p, struct loop_fd *f, uint32_t events);
int poller_change(struct poller *p, const struct loop_fd *f, uint32_t events);
/* Nothing is reported from now on. */
void poller_forget(struct poller *p, struct loop_fd *f);
/* Wait ms (-1: for good) and call whoever is reported. ERR_SYS. */
int poller_wait(struct poller *p, int ms);

#endif
