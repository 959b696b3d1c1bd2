/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sharded counters, gauges and histograms: each thread adds to its own shard, readers sum. Adding
 * takes no lock and no atomic read-modify-write; what is read is exact once writers pause.
 */
#ifndef POSTERN_BASE_METRICS_H
#define POSTERN_BASE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers that can be kept: a counter or gauge is one, a histogram its bounds and two more. */
#define METRICS_MAX 1024
/* Most bounds of a histogram. */
#define METRIC_BOUNDS_MAX 24
/* Longest name with its labels, NUL included. */
#define METRIC_NAME_MAX 192

enum metric_type { METRIC_COUNTER = 1, METRIC_GAUGE = 2, METRIC_HISTOGRAM = 3 };

/*
 * Define a counter or gauge: "postern_" + name; answers its id, 0 or more. The same name answers
 * the same id. name and help are copied. Fixed labels may follow in the notation of Prometheus,
 * {key="value",key="value"}; names that differ only in them are one family, and share its
 * type and first help. The family of a counter ends in "_total", which is added when missing.
 * ERR_LIMIT, ERR_INVALID (name outside [a-z0-9_], malformed labels, or a family of another type).
 * Before workers start, or later under the registry's lock. [main]
 */
int metric_define(const char *name, const char *help, enum metric_type type);
/*
 * Define a histogram of durations with n ascending bounds in nanoseconds, which are borrowed for
 * good. Otherwise as above. [main]
 */
int metric_define_histogram(const char *name, const char *help, const uint64_t *bounds, size_t n);
/* Add (or take away) in this thread's shard. Unknown ids are ignored. [any] */
void metric_add(int id, int64_t n);
/* Count a duration in a histogram, in this thread's shard. Unknown ids are ignored. [any] */
void metric_observe(int id, uint64_t ns);
/* Sum over all shards, ended threads included. [any] */
int64_t metric_sum(int id);

/* One metric as readers see it. */
struct metric_view {
    const char *name;   /* of the family, with the prefix              */
    const char *labels; /* `key="value",key="value"`, "" for none      */
    const char *help;
    enum metric_type type;
    bool first;      /* of its family                                            */
    int64_t value;   /* sum; of a histogram: nanoseconds                         */
    size_t n_bounds; /* histogram only, like what follows                        */
    const uint64_t *bounds;
    int64_t counts[METRIC_BOUNDS_MAX + 1]; /* per bucket, not cumulative; last: above all */
};

/* Walk all metrics in order of definition, families together. [main] */
void metric_each(void (*cb)(void *arg, const struct metric_view *m), void *arg);
/* Give every shard back (tests, exit). All other threads are gone. [main] */
void metrics_free(void);

#endif
