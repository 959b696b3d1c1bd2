/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The function table that modules get: the members that need no connection. */
#ifndef POSTERN_MODULE_HOST_H
#define POSTERN_MODULE_HOST_H

#include <stdint.h>

#include "plugin-api/postern_module.h"

struct watch_scope;

/*
 * Clear the table, then fill in size, minor and everything that lives in core/module or below;
 * core/conn fills in the rest. Defines the host's own metrics. [main]
 */
void host_fill(struct pst_host *h);

/*
 * How the connection layer, which stands above, is reached: the scope of a connection (made on
 * first use, NULL: out of memory) and its id. Set once before any worker runs; while unset,
 * connections have neither. [main]
 */
void host_set_conn_scope(struct watch_scope *(*fn)(pst_conn *conn));
void host_set_conn_id(uint64_t (*fn)(pst_conn *conn));

#endif
