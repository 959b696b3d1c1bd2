/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process and its surroundings: limits, user, inherited sockets, service manager. [main] */
#ifndef POSTERN_SERVER_PROC_H
#define POSTERN_SERVER_PROC_H

#include <stddef.h>
#include <stdint.h>

struct conf_addr;

/* Listening sockets handed over by a service manager (LISTEN_FDS, sd_listen_fds(3)). */
struct inherited {
    int first;
    int n;
    uint64_t taken; /* bit per descriptor, at most 64 are looked at */
};

/* Read and clear LISTEN_PID and LISTEN_FDS. */
void inherited_init(struct inherited *i);
/* The listening socket bound to this address, now the caller's; -1: none. */
int inherited_take(struct inherited *i, const struct conf_addr *a);
/* How many were not taken by any listener; they are closed. */
int inherited_close_rest(struct inherited *i);

/* Tell the service manager (sd_notify(3)): "READY=1". Nothing happens without NOTIFY_SOCKET. */
void notify(const char *state);
/* "RELOADING=1" with the time stamp that Type=notify-reload wants. */
void notify_reloading(void);

/* Raise the soft limit of descriptors to the hard one; answers it. */
uint64_t proc_nofile(void);
/* CPUs this process may run on, at least 1. */
unsigned proc_cpus(void);

/* Do this user and group exist? NULL: nothing to look for. ERR_NOT_FOUND with why. */
int proc_check(const char *user, const char *group, char *why, size_t why_n);
/*
 * Switch to a user and group for good. NULL: unchanged. ERR_NOT_FOUND, ERR_SYS with why.
 */
int proc_drop(const char *user, const char *group, char *why, size_t why_n);

#endif
