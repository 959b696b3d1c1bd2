/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One non-blocking connect with a deadline. */
#ifndef POSTERN_UPSTREAM_DIAL_H
#define POSTERN_UPSTREAM_DIAL_H

#include <stdint.h>

#include "plugin-api/pst_types.h"

struct dial;
struct loop;
struct stream;

struct dial_opts {
    uint64_t timeout_ms;
    uint64_t keepalive_ms;    /* 0: off */
    uint64_t user_timeout_ms; /* 0: off */
};

/*
 * Connect to addr, or to the unix socket path when addr->family is PST_AF_UNIX. A peer on this host
 * answers before connect() returns: then *at_once is its stream, the caller's, and the result NULL.
 * Else done runs from the loop, never inside this call, with a stream or with NULL and an errno
 * (ETIMEDOUT for the deadline). Nothing that it is written is delayed (TCP_NODELAY); the peer may
 * not see the connection before the first byte. Both NULL: out of memory. [worker]
 */
struct dial *dial_start(struct loop *l, const struct pst_addr *addr, const char *path,
                        const struct dial_opts *o, struct stream **at_once,
                        void (*done)(void *arg, struct stream *s, int err), void *arg);
/* Give up; done will not run. NULL is fine. After done the dial is freed by itself. [worker] */
void dial_cancel(struct dial *d);

#endif
