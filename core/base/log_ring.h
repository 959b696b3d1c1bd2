/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue between those who log and the disk: a bounded store of whole lines and a thread
 * that writes them. Internal to log.c.
 */
#ifndef POSTERN_BASE_LOG_RING_H
#define POSTERN_BASE_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/log.h"

/* A line, its newline included, fits in one atomic write to a pipe. */
#define LOG_LINE_MAX 4096
/* Bytes and lines that may wait; as much again can be on its way to the target. */
#define LOG_RING_BYTES (1024u * 1024u)
#define LOG_RING_LINES 16384u
/* Offset of "level=" behind the timestamp, which syslog adds by itself. */
#define LOG_STAMP_LEN 28

/* "2026-11-21T05:00:00.123456Z " of now, NUL-terminated. [any] */
void log_stamp(char out[LOG_STAMP_LEN + 1]);

struct log_ring;

/*
 * Start a writer on a target. fd (LOG_FILE, LOG_STDERR) belongs to the ring from here on when
 * `owned`. NULL: out of memory or threads; fd is still the caller's.
 */
struct log_ring *log_ring_new(enum log_target target, int fd, bool owned);
/*
 * Write what is queued, as far as the target takes it within two seconds, and free the ring.
 * Answers how many lines were dropped in all.
 */
uint64_t log_ring_free(struct log_ring *r);
/* Queue a line of n bytes that ends with a newline; dropped and counted when it does not fit. */
void log_ring_put(struct log_ring *r, int level, const char *line, size_t n);
/* Lines that are not written yet go to this target. Ownership of fd as above; never fails. */
void log_ring_target(struct log_ring *r, enum log_target target, int fd, bool owned);
/* Lines dropped so far. [any] */
uint64_t log_ring_dropped(const struct log_ring *r);

#endif
