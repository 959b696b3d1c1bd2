/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of line writers share: one writer, sinks of it, and a folder for their files. */
#ifndef POSTERN_UNIT_LINE_RIG_H
#define POSTERN_UNIT_LINE_RIG_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/line_ring.h"
#include "core/base/line_writer.h"

#define RIG_RING (2u * LINE_MAX_BYTES)

/* Each test ends it with line_writer_free(). */
extern struct line_writer *rig_writer;

/* Fixtures: a writer and an empty folder. */
void rig_setup(void);
void rig_teardown(void);

/* A name in the folder; four may be in use. */
const char *rig_at(const char *name);

/* "lost N": what a sink's readers are told. */
size_t rig_tell(char *buf, size_t n, uint64_t lost);
/* A sink of the writer that owns the target; tell_lost: rig_tell(), or NULL. */
struct line_sink *rig_sink_on(struct line_target *t, size_t (*tell_lost)(char *, size_t, uint64_t));
struct line_sink *rig_file_sink(const char *path);
/* There is room for this line. */
void rig_put(struct line_sink *s, const char *z);

/* What a file holds; "": there is none. The caller frees it. */
char *rig_slurp(const char *file);
void rig_expect_file(const char *file, const char *want);

/* The cases' own main(): those that `add` adds, with the fixtures; answers the exit status. */
int rig_main(const char *name, void (*add)(TCase *tc));

#endif
