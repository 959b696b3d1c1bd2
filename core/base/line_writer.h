/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines from any thread to slow places: one thread that writes, any number of sinks. A sink is a
 * target with a bounded ring for each thread that writes to it, so nobody ever waits for a disk
 * and threads do not wait for each other. What does not fit is counted, and a line of its own in
 * the target tells how many were lost. A target that fails is tried again every second.
 */
#ifndef POSTERN_BASE_LINE_WRITER_H
#define POSTERN_BASE_LINE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/line_target.h"

struct line_writer;
struct line_sink;

/* Longest line that a sink takes, without its newline. */
#define LINE_LONGEST 32000u

struct line_sink_config {
    const char *name; /* for messages; NULL: failures are not logged                     */
    size_t ring;      /* bytes that may wait per ring; as much again may be on its way   */
    unsigned rings;   /* 1: all lines keep their order; more: those of a thread do       */
    /* Make the line (no newline) that tells how many were lost; NULL: they are only counted. */
    size_t (*tell_lost)(char *buf, size_t n, uint64_t lost);
    int written, dropped, errors; /* metrics that count, -1: none */
};

/*
 * Start the thread. Lines wait up to delay_ms for others, so that many are written at once. NULL:
 * out of memory or threads. [main]
 */
struct line_writer *line_writer_new(unsigned delay_ms);
/*
 * Write out what is queued, as far as the targets take it within ms, close all sinks and end.
 * Nobody may write any more. Answers how many lines were dropped in all. [main]
 */
uint64_t line_writer_free(struct line_writer *w, unsigned ms);

/* A sink on a target, which is moved in. NULL: out of memory, the target is still the caller's. */
struct line_sink *line_sink_new(struct line_writer *w, struct line_target *t,
                                const struct line_sink_config *cfg);
/*
 * Queue a line of up to LINE_LONGEST bytes without a newline in it. False: dropped, and counted.
 * With `block` the caller waits for room as long as the target takes anything at all, and never
 * longer than a few seconds. [any]
 */
bool line_sink_put(struct line_sink *s, int level, const char *p, size_t n, bool block);
/* Lines not written yet go to this target, which is moved in. [main] */
void line_sink_target(struct line_sink *s, struct line_target *t);
/* Rings may grow to this size; they never shrink. [main] */
void line_sink_grow(struct line_sink *s, size_t ring);
/* How lost lines are told from now on. [main] */
void line_sink_tell(struct line_sink *s, size_t (*tell_lost)(char *buf, size_t n, uint64_t lost));
/* Lines dropped so far. [any] */
uint64_t line_sink_dropped(const struct line_sink *s);
/*
 * Nobody writes to it any more: once what is queued is out its target is closed and its rings are
 * freed. The sink itself stays until the writer ends, to be used again. [main]
 */
void line_sink_close(struct line_sink *s);
/* Use a closed sink again. False: its target is closed too, give it one before. [main] */
bool line_sink_keep(struct line_sink *s);

#endif
