/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service manager's watchdog (sd_watchdog_enabled(3)): it hears of this process while the main
 * loop turns and every worker answers; otherwise it ends and restarts it. [main]
 */
#ifndef POSTERN_SERVER_WATCHDOG_H
#define POSTERN_SERVER_WATCHDOG_H

struct server;
struct watchdog;

/* Begin, when the environment asks for it. NULL: it does not, or there is no memory. */
struct watchdog *watchdog_new(struct server *s);
/* NULL is fine. Before the workers are freed. */
void watchdog_free(struct watchdog *w);

#endif
