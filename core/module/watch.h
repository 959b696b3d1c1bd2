/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scoped timers, fd watches and offloaded jobs. A scope is owned by a connection, an instance on
 * a worker, or an instance; when it ends everything in it is cancelled, so that a module which
 * forgets cannot crash the host.
 */
#ifndef POSTERN_MODULE_WATCH_H
#define POSTERN_MODULE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "plugin-api/postern_module.h"

struct loop;
struct watch_scope;

/* Made on first use by whoever owns it. NULL: out of memory. [thread of l] */
struct watch_scope *watch_scope_new(struct loop *l);
/* Cancel and free everything in it. NULL is fine. [thread of l] */
void watch_scope_free(struct watch_scope *s);

pst_timer *watch_timer_new(struct watch_scope *s, void (*fire)(void *arg), void *arg);
int32_t watch_timer_start(pst_timer *t, uint64_t ms);
void watch_timer_stop(pst_timer *t);
void watch_timer_free(pst_timer *t);

pst_watch *watch_fd_new(struct watch_scope *s, int32_t fd, uint32_t events,
                        void (*ready)(void *arg, uint32_t events), void *arg);
int32_t watch_fd_change(pst_watch *w, uint32_t events);
void watch_fd_free(pst_watch *w);

/* offload.c: a small thread pool for the whole process. */
/* Start it with n threads (made on the first job). [main] */
void offload_start(unsigned n);
/*
 * Cancel queued jobs, let running ones end, join. Loops must still be able to take messages. False:
 * a job still runs after `ms`; nothing may be freed then. It may be called again. [main]
 */
bool offload_stop(uint64_t ms);
/* done runs on the scope's loop exactly once; PST_ERR_CANCELLED when the scope ended before. */
int32_t offload_run(struct watch_scope *s, void (*job)(void *arg),
                    void (*done)(void *arg, int32_t status), void *arg);

#endif
