/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sharded counters: each thread adds to its own shard, readers sum. */
#ifndef POSTERN_BASE_METRICS_H
#define POSTERN_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#define METRICS_MAX 512

enum metric_type { METRIC_COUNTER = 1, METRIC_GAUGE = 2 };

/*
 * Define a metric: "postern_" + name; answers its id, 0 or more. The same name answers the same
 * id. name and help are copied.
 * ERR_LIMIT, ERR_INVALID (name outside [a-z0-9_]). Before workers start, or later under the
 * registry's lock. [main]
 */
int metric_define(const char *name, const char *help, enum metric_type type);
/* Add (or take away) in this thread's shard. Unknown ids are ignored. [any] */
void metric_add(int id, int64_t n);
/* Sum over all shards, ended threads included. [any] */
int64_t metric_sum(int id);
/* Walk all metrics in order of definition; names come with the prefix. [main] */
void metric_each(void (*cb)(void *arg, const char *name, const char *help, enum metric_type type,
                            int64_t value),
                 void *arg);
/* Give every shard back (tests, exit). All other threads are gone. [main] */
void metrics_free(void);

#endif
