/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another process takes over without a connection lost: the same command line is run again with
 * all listening sockets open. When it says that it serves, this process drains and ends. When it
 * does not, this one has never stopped serving.
 *
 *   upgrade.c    the steps, in this process
 *   successor.c  starting the other one
 *   inherited.c  the same seen from the other one
 */
#ifndef POSTERN_SERVER_UPGRADE_H
#define POSTERN_SERVER_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct server;
struct upgrade;

/*
 * What the new process writes when it serves, as a line; its other lines are messages for people,
 */
#define UPGRADE_READY "READY=1"
/*
 * but for this with the path of a unix socket that it does not want: the old one is to remove it.
 */
#define UPGRADE_LEFT "LEFT="

/* A listening socket to be handed over. */
struct handover_fd {
    int fd;
    bool own; /* its file, if any, is the daemon's own */
};

/* All of them. */
struct handover {
    struct handover_fd *at;
    size_t n, room;
};

/* Add one. False: no memory. */
bool handover_add(struct handover *h, int fd, bool own);

/*
 * The program at `path` in a new process with its messages and its word of being ready in *pipe,
 * a non-blocking descriptor of the caller's. -1 with errno; h is sorted by descriptor. [main]
 */
pid_t successor_start(const char *path, char **argv, struct handover *h, int *pipe);

/* Remember how this process was started; both live as long as the process. NULL: no memory. */
struct upgrade *upgrade_new(struct server *s, char **argv);
void upgrade_free(struct upgrade *u);
/*
 * SIGUSR2: begin. What becomes of it is told in the log and on the control socket; or at once why
 * it cannot begin.
 */
const char *server_upgrade(struct server *s);
/* This process is asked to end: the other one does not come to be. */
void upgrade_cancel(struct upgrade *u);

#endif
