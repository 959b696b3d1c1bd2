/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a worker takes to look at a message, measured once a second with a message of our own:
 * the wait that a new connection has, too. [main]
 */
#ifndef POSTERN_SERVER_LAG_H
#define POSTERN_SERVER_LAG_H

struct lag;
struct server;

/* Define the metric and begin when the loop runs. NULL: out of memory. */
struct lag *lag_new(struct server *s);
/* All workers have ended; what is under way ends when its message comes back. NULL is fine. */
void lag_free(struct lag *l);

#endif
