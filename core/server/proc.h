/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process and its surroundings: limits, user, service manager. [main] */
#ifndef POSTERN_SERVER_PROC_H
#define POSTERN_SERVER_PROC_H

#include <stddef.h>
#include <stdint.h>

/* Tell the service manager (sd_notify(3)): "READY=1". Nothing happens without NOTIFY_SOCKET. */
void notify(const char *state);
/* "RELOADING=1" with the time stamp that Type=notify-reload wants. */
void notify_reloading(void);
/* This process is not the service any more: nothing is told from here on. */
void notify_no_more(void);

/*
 * Standard streams that are closed lead to /dev/null, or a socket would get their number, and a
 * client the messages. Before anything is opened. ERR_SYS with errno.
 */
int proc_std_streams(void);

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
