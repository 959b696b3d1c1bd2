/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/str.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

#define DISTANCE_MAX 31

char *str_dup(const char *p, size_t n)
{
    if (n == SIZE_MAX) {
        return NULL;
    }
    char *copy = malloc(n + 1);
    if (!copy) {
        return NULL;
    }
    if (n > 0) {
        memcpy(copy, p, n);
    }
    copy[n] = '\0';
    return copy;
}

bool str_eq(struct pst_str s, const char *z)
{
    size_t n = strlen(z);

    return s.n == n && (n == 0 || memcmp(s.p, z, n) == 0);
}

/* Digits at the start of z; answers where they end, NULL without digits or on overflow. */
static const char *digits(const char *z, uint64_t *out)
{
    uint64_t v = 0;
    const char *p = z;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v)) {
            return NULL;
        }
    }
    *out = v;
    return p == z ? NULL : p;
}

/* A number with one of the units of a table; NULL ends the table. */
struct unit {
    const char *name;
    uint64_t factor;
};

static int with_unit(const char *z, const struct unit *units, uint64_t *out)
{
    uint64_t v;
    const char *end = digits(z, &v);

    if (!end) {
        return ERR_INVALID;
    }
    for (; units->name; units++) {
        if (strcmp(end, units->name) == 0) {
            return __builtin_mul_overflow(v, units->factor, out) ? ERR_INVALID : ERR_OK;
        }
    }
    return ERR_INVALID;
}

int str_to_ms(const char *z, uint64_t *ms)
{
    static const struct unit units[] = {
        { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { 0 },
    };

    if (strcmp(z, "0") == 0) {
        *ms = 0;
        return ERR_OK;
    }
    return with_unit(z, units, ms);
}

int str_to_size(const char *z, uint64_t *bytes)
{
    static const struct unit units[] = {
        { "", 1 }, { "k", 1u << 10 }, { "m", 1u << 20 }, { "g", 1u << 30 }, { 0 },
    };

    return with_unit(z, units, bytes);
}

int str_to_u64(const char *z, uint64_t max, uint64_t *out)
{
    uint64_t v;
    const char *end = digits(z, &v);

    if (!end || *end != '\0' || v > max) {
        return ERR_INVALID;
    }
    *out = v;
    return ERR_OK;
}

unsigned str_distance(const char *a, const char *b)
{
    unsigned row[DISTANCE_MAX + 1];
    size_t na = strnlen(a, DISTANCE_MAX), nb = strnlen(b, DISTANCE_MAX);

    for (size_t j = 0; j <= nb; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= na; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned skip = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = change < skip ? change : skip;
        }
    }
    return row[nb];
}

/* One byte, escaped, into out (at least 4 bytes); answers the length. */
static size_t escape_byte(char *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";

    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c >= 0x20 && c < 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex[c >> 4];
    out[3] = hex[c & 15];
    return 4;
}

size_t str_escape(char *out, size_t cap, const char *p, size_t n)
{
    static const char dots[] = "...";
    size_t len = 0;
    size_t cut = 0; /* the longest length that still leaves room for the dots */

    assert(cap >= 8);
    for (size_t i = 0; i < n; i++) {
        char piece[4];
        size_t m = escape_byte(piece, (uint8_t)p[i]);

        if (len + sizeof(dots) <= cap) {
            cut = len;
        }
        if (len + m >= cap) {
            memcpy(out + cut, dots, sizeof(dots));
            return cut + sizeof(dots) - 1;
        }
        memcpy(out + len, piece, m);
        len += m;
    }
    out[len] = '\0';
    return len;
}
