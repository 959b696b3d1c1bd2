/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: what posternctl(8) talks to. A request is a line, a reply is JSON objects,
 * one per line; the last one has the member "end". All functions run on main, and take NULL for
 * "none".
 *
 *   control_request.c  a line to a request
 *   control.c          the socket, who may connect, commands to calls
 *   control_rows.c     replies that main makes by itself: status, edges, upstreams, plan, modules
 *   control_walk.c     replies for which the workers are asked: connections, kill
 *   control_feed.c     connections as they end
 *   control_tell.c     reloads and the end, for those who wait for them
 */
#ifndef POSTERN_SERVER_CONTROL_H
#define POSTERN_SERVER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct conf_errors;
struct control;
struct handover;
struct server;

/*
 * Open what the configuration asks for, while still privileged. False: errors say why. *out stays
 * NULL when there is nothing to serve.
 */
bool control_open(struct server *s, const struct conf *conf, struct conf_errors *errors,
                  struct control **out);
/* Where its socket is or would be, NULL: nowhere. */
const char *control_path(const struct conf *conf);
/* Tell those who wait for the end, close, and remove the socket. All workers have ended. */
void control_close(struct control *ctl);

/* A reload begins: those who asked for it since the last one get its outcome. */
void control_reload_begins(struct control *ctl);
/* What is wrong with the configuration, or worth a warning. */
void control_reload_problems(struct control *ctl, const struct conf_errors *errors);
/* It is over, with this generation in force. why: NULL when it is the new one. */
void control_reload_over(struct control *ctl, uint64_t generation, const char *why);
/* The new process of an upgrade says something. */
void control_upgrade_says(struct control *ctl, const char *text);
/* It serves, with this number; or why it does not. */
void control_upgrade_over(struct control *ctl, uint64_t pid, const char *why);
/* Add its socket to what an upgrade gets. False: no memory. */
bool control_handover(const struct control *ctl, struct handover *h);
/* This process serves: the file of a socket that a predecessor has lent is its own now. */
void control_own(struct control *ctl);
/* The other process has the socket now. */
void control_disown(struct control *ctl);
/* The end has begun: nothing may hold up a generation any more. */
void control_drains(struct control *ctl);

#endif
