/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows as a table for people. Columns get as wide as what is in them; rows are kept back for that,
 * a bounded number at a time.
 */
#ifndef POSTERN_CTL_TABLE_H
#define POSTERN_CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct row;

enum cell_kind {
    CELL_TEXT,
    CELL_NUMBER, /* to the right */
    CELL_BYTES,  /* "1.2M"       */
    CELL_MS,     /* "3m12s"      */
    CELL_YES     /* "yes" or nothing */
};

struct column {
    const char *title, *key;
    enum cell_kind kind;
};

struct table;

/* Columns end with a NULL title and are borrowed. NULL: out of memory. */
struct table *table_new(const struct column *columns, FILE *out);
/* Add a row; values are copied. Shows what is kept when that is much. ERR_NOMEM. */
int table_add(struct table *t, const struct row *r);
/* Show what is kept; the header comes first, once, also without any row. */
void table_flush(struct table *t);
void table_free(struct table *t); /* NULL is fine */

/* A value as a cell shows it; answers out. Pure. */
const char *cell_text(enum cell_kind kind, const char *value, char *out, size_t n);

#endif
