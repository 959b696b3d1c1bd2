/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line of a reply: one flat JSON object. What it says comes from clients of the daemon in the
 * end, so nothing in a value can do anything to a terminal: control characters come out as \xNN.
 * Pure.
 */
#ifndef POSTERN_CTL_ROW_H
#define POSTERN_CTL_ROW_H

#include <stdbool.h>
#include <stddef.h>

#define ROW_FIELDS_MAX 32

struct row {
    size_t n;
    struct {
        const char *key, *value; /* arrays: joined with "," */
    } field[ROW_FIELDS_MAX];
};

/*
 * Parse a line without its newline, in place: keys and values point into it. ERR_INVALID: not an
 * object as the daemon writes them. More fields than fit are dropped.
 */
int row_parse(char *line, struct row *r);
/* The value of a key, NULL: absent. */
const char *row_get(const struct row *r, const char *key);
bool row_is_true(const struct row *r, const char *key);

#endif
