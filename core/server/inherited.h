/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listening sockets that were open before this process began: from a service manager (LISTEN_FDS,
 * sd_listen_fds(3)), or from the process that this one is the upgrade of, see upgrade.h. [main]
 */
#ifndef POSTERN_SERVER_INHERITED_H
#define POSTERN_SERVER_INHERITED_H

#include <stdbool.h>

struct conf_addr;

#define INHERITED_FIRST 3 /* SD_LISTEN_FDS_START */
/* Name of a descriptor (LISTEN_FDNAMES) whose socket file is the daemon's own, to be removed. */
#define INHERITED_OWN "postern-own"
/* Tells the upgrade which descriptor leads to its predecessor; behind it is the real stderr. */
#define INHERITED_PREDECESSOR "POSTERN_UPGRADE_FD"

struct inherited_fd {
    bool own; /* its file is ours */
    bool taken;
};

struct inherited {
    struct inherited_fd *fds; /* descriptor INHERITED_FIRST and those after it */
    unsigned n;
    int predecessor; /* -1: none                                           */
    int stderr_fd;   /* the real one while messages go to the predecessor  */
};

/* Read the environment and clear it. */
void inherited_init(struct inherited *i);
/* How many listening sockets bound to this address are there? */
unsigned inherited_count(const struct inherited *i, const struct conf_addr *a);
/* One of them, now the caller's; *own (may be NULL): so is its file. -1: none is left. */
int inherited_take(struct inherited *i, const struct conf_addr *a, bool *own);
/* How many were not taken by any listener; they are closed. */
unsigned inherited_close_rest(struct inherited *i);

/* The log works: messages on stderr go where they went before the upgrade. */
void inherited_log_works(struct inherited *i);
/* Tell the predecessor that this process serves. */
void inherited_ready(struct inherited *i);

#endif
