/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection of posternctl to the daemon. */
#ifndef POSTERN_CTL_TALK_H
#define POSTERN_CTL_TALK_H

#include <stddef.h>

/* Longest line of a reply. */
#define TALK_LINE_MAX (1024 * 1024)

struct talk;

/* Connect and send a request, a line with its newline. NULL with errno. */
struct talk *talk_new(const char *path, const char *request);
void talk_free(struct talk *t); /* NULL is fine */

enum talk_result { TALK_LINE, TALK_QUIET, TALK_END, TALK_FAILED };

/*
 * The next line, without its newline, good until the next call. TALK_QUIET: none came within ms
 * (-1: wait for ever). TALK_END: the daemon closed. TALK_FAILED: errno.
 */
enum talk_result talk_line(struct talk *t, int ms, char **line);

#endif
