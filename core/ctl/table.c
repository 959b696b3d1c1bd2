/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/ctl/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/ctl/row.h"

#define COLUMNS_MAX 16
#define ROWS_MAX    500
/* Longest cell that widens its column for the others. */
#define WIDE 48

struct table {
    const struct column *columns;
    size_t n_columns, n_rows;
    FILE *out;
    size_t width[COLUMNS_MAX];
    bool shown; /* the header */
    char *cells[ROWS_MAX][COLUMNS_MAX];
};

/* Columns that bytes of UTF-8 take, wide characters not considered. */
static size_t width_of(const char *z)
{
    size_t n = 0;

    for (; *z != '\0'; z++) {
        n += ((unsigned char)*z & 0xc0) != 0x80;
    }
    return n;
}

static const char *bytes_text(uint64_t v, char *out, size_t n)
{
    static const char units[] = "kMGTPE";
    const char *unit = units;
    uint64_t tenths;

    if (v < 1000) {
        (void)snprintf(out, n, "%" PRIu64, v);
        return out;
    }
    /* In tenths of the unit, rounded down: 999.9k, then 1.0M. */
    for (tenths = v / 100; tenths >= 10000; tenths /= 1000) {
        unit++;
    }
    if (tenths < 1000) {
        (void)snprintf(out, n, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10, *unit);
    } else {
        (void)snprintf(out, n, "%" PRIu64 "%c", tenths / 10, *unit);
    }
    return out;
}

static const char *ms_text(uint64_t ms, char *out, size_t n)
{
    uint64_t s = ms / 1000;

    if (ms < 1000) {
        (void)snprintf(out, n, "%" PRIu64 "ms", ms);
    } else if (s < 60) {
        (void)snprintf(out, n, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
    } else if (s < 3600) {
        (void)snprintf(out, n, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    } else if (s < 86400) {
        (void)snprintf(out, n, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s % 3600 / 60);
    } else {
        (void)snprintf(out, n, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s % 86400 / 3600);
    }
    return out;
}

const char *cell_text(enum cell_kind kind, const char *value, char *out, size_t n)
{
    uint64_t v = 0;

    if (value == NULL || value[0] == '\0') {
        return "-";
    }
    if (kind == CELL_YES) {
        return strcmp(value, "true") == 0 ? "yes" : "";
    }
    if (kind != CELL_TEXT && str_to_u64(value, UINT64_MAX, &v) == ERR_OK) {
        if (kind == CELL_BYTES) {
            return bytes_text(v, out, n);
        }
        if (kind == CELL_MS) {
            return ms_text(v, out, n);
        }
    }
    return value;
}

struct table *table_new(const struct column *columns, FILE *out)
{
    struct table *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        return NULL;
    }
    t->columns = columns;
    t->out = out;
    while (t->n_columns < COLUMNS_MAX && columns[t->n_columns].title != NULL) {
        t->width[t->n_columns] = strlen(columns[t->n_columns].title);
        t->n_columns++;
    }
    return t;
}

int table_add(struct table *t, const struct row *r)
{
    char text[32];

    for (size_t c = 0; c < t->n_columns; c++) {
        const char *z =
            cell_text(t->columns[c].kind, row_get(r, t->columns[c].key), text, sizeof(text));
        size_t w = width_of(z);

        t->cells[t->n_rows][c] = strdup(z);
        if (t->cells[t->n_rows][c] == NULL) {
            return ERR_NOMEM;
        }
        if (w > t->width[c]) {
            t->width[c] = w < WIDE ? w : WIDE > t->width[c] ? WIDE : t->width[c];
        }
    }
    if (++t->n_rows == ROWS_MAX) {
        table_flush(t);
    }
    return ERR_OK;
}

static void put(const struct table *t, size_t c, const char *z)
{
    size_t w = width_of(z);
    int pad = w < t->width[c] ? (int)(t->width[c] - w) : 0;
    bool last = c + 1 == t->n_columns;

    if (t->columns[c].kind == CELL_TEXT || t->columns[c].kind == CELL_YES) {
        (void)fprintf(t->out, "%s%*s", z, last ? 0 : pad, "");
    } else {
        (void)fprintf(t->out, "%*s%s", pad, "", z);
    }
    (void)fputs(last ? "\n" : "  ", t->out);
}

void table_flush(struct table *t)
{
    for (size_t c = 0; !t->shown && c < t->n_columns; c++) {
        put(t, c, t->columns[c].title);
    }
    t->shown = true;
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            put(t, c, t->cells[r][c]);
            free(t->cells[r][c]);
            t->cells[r][c] = NULL;
        }
    }
    t->n_rows = 0;
}

void table_free(struct table *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t r = 0; r < ROWS_MAX; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            free(t->cells[r][c]);
        }
    }
    free(t);
}
