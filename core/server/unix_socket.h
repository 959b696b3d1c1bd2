/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening unix sockets: what is left of an old one, and how a new one appears. [main] */
#ifndef POSTERN_SERVER_UNIX_SOCKET_H
#define POSTERN_SERVER_UNIX_SOCKET_H

#include <sys/types.h>

/*
 * Remove a socket file that nobody listens on: it is left over from a crash. ERR_SYS with errno:
 * EADDRINUSE when somebody serves it, EEXIST when it is another kind of file, or what went wrong.
 */
int unix_clear_stale(const char *path);

/*
 * Make a listening socket where nothing is. Nobody can connect until its owner, group (-1:
 * unchanged) and mode are set. -1 with errno, and nothing is left.
 */
int unix_listen(const char *path, mode_t mode, uid_t uid, gid_t gid, int backlog);

#endif
