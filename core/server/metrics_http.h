/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics over HTTP, in the text format of Prometheus. [main] */
#ifndef POSTERN_SERVER_METRICS_HTTP_H
#define POSTERN_SERVER_METRICS_HTTP_H

#include <stdbool.h>

struct conf;
struct conf_errors;
struct handover;
struct metrics_http;
struct server;

/*
 * Listen where the configuration says, while still privileged. False: errors say why. *out stays
 * NULL when it says nothing.
 */
bool metrics_http_open(struct server *s, const struct conf *conf, struct conf_errors *errors,
                       struct metrics_http **out);
/* Close, and remove a unix socket. NULL is fine. */
void metrics_http_close(struct metrics_http *m);
/* The end has begun: nothing may hold up a generation any more. */
void metrics_http_drains(struct metrics_http *m);

/* Add its socket to what an upgrade gets. False: no memory. */
bool metrics_http_handover(const struct metrics_http *m, struct handover *h);
/* This process serves: the file of a socket that a predecessor has lent is its own now. */
void metrics_http_own(struct metrics_http *m);
/* The other process has the socket now. */
void metrics_http_disown(struct metrics_http *m);

#endif
