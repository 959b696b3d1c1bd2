/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One non-blocking connect with a deadline. */
#ifndef POSTERN_UPSTREAM_DIAL_H
#define POSTERN_UPSTREAM_DIAL_H

#include <stdint.h>

#include "plugin-api/pst_types.h"

struct dial;
struct loop;

struct dial_opts {
    uint64_t timeout_ms;
    uint64_t keepalive_ms;    /* 0: off */
    uint64_t user_timeout_ms; /* 0: off */
};

/*
 * Connect to addr, or to the unix socket path when addr->family is PST_AF_UNIX. done runs
 * from the loop, never inside this call: fd >= 0 (non-blocking, TCP_NODELAY, the caller's from
 * then on) or -1 with err an errno (ETIMEDOUT for the deadline). NULL: out of memory. [worker]
 */
struct dial *dial_start(struct loop *l, const struct pst_addr *addr, const char *path,
                        const struct dial_opts *o, void (*done)(void *arg, int fd, int err),
                        void *arg);
/* Give up; done will not run. NULL is fine. After done the dial is freed by itself. [worker] */
void dial_cancel(struct dial *d);

#endif
