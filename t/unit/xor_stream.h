/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stacked stream that behaves like TLS without being it: it flips bytes and hides some. */
#ifndef POSTERN_UNIT_XOR_STREAM_H
#define POSTERN_UNIT_XOR_STREAM_H

#include <stddef.h>

#include "core/stream/stream.h"

/*
 * Stack one on inner. It takes all that the stream below has and hands out at most `record`
 * bytes a read. Flipping twice is nothing, so a pair of them is transparent to the far ends that
 * send and expect flipped bytes. NULL: out of memory.
 */
struct stream *xor_stack(struct stream *inner, size_t record);

#endif
