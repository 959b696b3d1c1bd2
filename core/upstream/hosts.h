/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hosts file (hosts(5)), kept in memory and read again when it has changed. libevent's queries
 * do not look into it, and getaddrinfo() may block.
 */
#ifndef POSTERN_UPSTREAM_HOSTS_H
#define POSTERN_UPSTREAM_HOSTS_H

#include <stddef.h>

#include "plugin-api/pst_types.h"

struct hosts;

/* The path is copied; the file need not exist. NULL: out of memory. */
struct hosts *hosts_new(const char *path);
void hosts_free(struct hosts *h); /* NULL is fine */
/* Copy up to cap addresses (ports 0) of a normalised name, in the file's order. 0: none. */
size_t hosts_find(struct hosts *h, const char *name, struct pst_addr *out, size_t cap);

#endif
