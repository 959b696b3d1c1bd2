/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small string helpers, and parsing of durations and sizes. Pure. */
#ifndef POSTERN_BASE_STR_H
#define POSTERN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin-api/pst_types.h"

/* Copy n bytes into fresh NUL-terminated memory; NULL on out of memory. Free with free(). */
char *str_dup(const char *p, size_t n);

/* True when s equals the C string z. */
bool str_eq(struct pst_str s, const char *z);

/*
 * "500ms" "3s" "5m" "1h" "2d" to milliseconds; "0" is zero. Everything else (no unit, sign,
 * fraction, spaces, overflow) is ERR_INVALID.
 */
int str_to_ms(const char *z, uint64_t *ms);

/* "4096" "64k" "1m" "2g" (binary multiples) to bytes. ERR_INVALID otherwise. */
int str_to_size(const char *z, uint64_t *bytes);

/* Decimal digits only, no sign, at most max. ERR_INVALID otherwise. */
int str_to_u64(const char *z, uint64_t max, uint64_t *out);

/*
 * Edit distance of two short strings (at most 31 bytes compared), for "did you mean". Pure.
 */
unsigned str_distance(const char *a, const char *b);

/*
 * Escape bytes for a log line or a message: printable ASCII stays, `"` and `\` get a
 * backslash, everything else becomes \xNN. Writes at most cap bytes including the NUL, ends
 * with "..." when cut. Answers the length written. cap must be at least 8.
 */
size_t str_escape(char *out, size_t cap, const char *p, size_t n);

#endif
