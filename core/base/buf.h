/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing byte buffer with a hard limit. Grows with what is put in, never by a declared
 * length. Single owner, no locking.
 */
#ifndef POSTERN_BASE_BUF_H
#define POSTERN_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *p;
    size_t len;   /* bytes in use        */
    size_t cap;
    size_t limit; /* never grows past it */
};

/* An empty buffer that may grow to limit bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t limit);
/* Free the memory; the buffer is as after buf_init. */
void buf_free(struct buf *b);
/* Append. ERR_LIMIT past the limit (nothing is appended), ERR_NOMEM. */
int buf_add(struct buf *b, const void *p, size_t n);
/* Drop n bytes from the front; n must not exceed len. Moves the rest down. */
void buf_drop(struct buf *b, size_t n);
/* Forget the content, keep the memory. */
void buf_clear(struct buf *b);

#endif
