/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole lines on their way to a writer: a batch holds them back to back, a ring is the batch that
 * threads fill while the writer empties another. Internal to line_writer.c and line_target.c.
 */
#ifndef POSTERN_BASE_LINE_RING_H
#define POSTERN_BASE_LINE_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest line, its newline included. */
#define LINE_MAX_BYTES 32768u

struct line {
    uint32_t at;
    uint16_t n; /* its newline included */
    uint8_t level;
};

/* Lines back to back in `text`, each with a newline, described by `line`. */
struct line_batch {
    char *text;
    struct line *line;
    size_t used, size;
    uint32_t lines, max_lines;
};

/* Make an empty batch hold `size` bytes; false: out of memory, it holds what it did before. */
bool line_batch_fit(struct line_batch *b, size_t size);
/* Append a line of n bytes without its newline. False: no room. */
bool line_batch_add(struct line_batch *b, int level, const char *p, size_t n);
void line_batch_clear(struct line_batch *b);
void line_batch_free(struct line_batch *b);

struct line_ring {
    pthread_mutex_t lock;
    pthread_cond_t room; /* lines were taken out */
    struct line_batch in;
    unsigned waiting; /* threads that wait for room */
    bool half;        /* LINE_PUT_HALF was answered */
};

enum line_put {
    LINE_PUT_OK,
    LINE_PUT_FIRST, /* the ring was empty: the writer may be asleep  */
    LINE_PUT_HALF,  /* it is half full: the writer should come soon  */
    LINE_PUT_FULL   /* the line was not taken                        */
};

void line_ring_init(struct line_ring *r);
void line_ring_free(struct line_ring *r);
/*
 * Queue a line, waiting for room until `until` (monotonic ns, 0: not at all). A ring without
 * memory gets `size` bytes first; without success it is full. [any]
 */
enum line_put line_ring_put(struct line_ring *r, size_t size, int level, const char *p, size_t n,
                            uint64_t until);
/* Exchange what waits for the empty batch `out`. False: nothing waits. [writer] */
bool line_ring_take(struct line_ring *r, struct line_batch *out);

#endif
