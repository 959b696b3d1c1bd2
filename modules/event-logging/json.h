/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON text (RFC 8259) put together in a buffer of the caller. Whatever bytes a string has, what
 * comes out is valid UTF-8 in one line. Nothing is allocated.
 */
#ifndef POSTERN_EVENT_LOGGING_JSON_H
#define POSTERN_EVENT_LOGGING_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json {
    char *p;
    size_t n, size;
    bool full; /* something did not fit; what is there is no JSON */
};

/* Bytes as they are. */
static inline void json_raw(struct json *j, const char *p, size_t n)
{
    if (n > j->size - j->n) {
        j->full = true;
        return;
    }
    memcpy(j->p + j->n, p, n);
    j->n += n;
}

/* The same for a literal. */
#define json_lit(j, z) json_raw((j), (z), sizeof(z) - 1)

/*
 * Bytes as they are, of an array of JSON_FRAGMENT: copying all of it takes less than looking how
 * much.
 */
#define JSON_FRAGMENT 32
static inline void json_fragment(struct json *j, const char p[JSON_FRAGMENT], size_t n)
{
    if (j->size - j->n < JSON_FRAGMENT) {
        json_raw(j, p, n);
        return;
    }
    memcpy(j->p + j->n, p, JSON_FRAGMENT);
    j->n += n;
}

/*
 * A string, with its quotes. Control characters, those of C1 and the separators of lines and
 * paragraphs are escaped; what is no UTF-8 becomes U+FFFD, one for each maximal part of a sequence
 * (Unicode 15, section 3.9). Of one that would take more than `most` bytes between the quotes as
 * many whole characters as fit remain, and "..." behind them.
 */
void json_str(struct json *j, const char *p, size_t n, size_t most);
/* A number in decimal. */
void json_u64(struct json *j, uint64_t v);
/* Bytes as a string of hexadecimal digits. */
void json_hex(struct json *j, const char *p, size_t n);

#endif
