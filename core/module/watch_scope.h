/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside core/module: what watch.c and offload.c know of a scope. */
#ifndef POSTERN_MODULE_WATCH_SCOPE_H
#define POSTERN_MODULE_WATCH_SCOPE_H

#include "core/base/list.h"

struct loop;

struct watch_scope {
    struct loop *loop;
    struct list events; /* struct watch_event          */
    struct list jobs;   /* struct offload_job, not yet done */
};

/*
 * The scope ends: its queued jobs are dropped, running ones finish, done() of all of them runs from
 * the loop with PST_ERR_CANCELLED. [thread of the scope]
 */
void offload_abandon(struct watch_scope *s);

#endif
