/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies for people: which command is shown how. */
#ifndef POSTERN_CTL_SHOW_H
#define POSTERN_CTL_SHOW_H

#include <stdbool.h>
#include <stddef.h>

struct row;
struct show;

/* For a command; NULL: out of memory. */
struct show *show_new(const char *command);
/* One object of a reply that is not its last. ERR_NOMEM. */
int show_row(struct show *s, const struct row *r);
/* The reply is over; ok: it was not refused. */
void show_end(struct show *s, bool ok);
void show_free(struct show *s); /* NULL is fine */

#endif
