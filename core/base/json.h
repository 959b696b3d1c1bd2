/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing JSON objects, one per line, into a buffer. An object that does not fit is taken back
 * whole, so what is in the buffer is always complete lines. Pure.
 */
#ifndef POSTERN_BASE_JSON_H
#define POSTERN_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct pst_addr;

struct json {
    struct buf *b;
    size_t start; /* of this object in b */
    int rc;
};

/* Begin an object at the end of b. */
void json_begin(struct json *j, struct buf *b);
/*
 * Members. Values are escaped; bytes that are no UTF-8 become U+FFFD. NULL: the member is left out.
 */
void json_str(struct json *j, const char *key, const char *z);
void json_strn(struct json *j, const char *key, const char *p, size_t n);
void json_u64(struct json *j, const char *key, uint64_t n);
void json_bool(struct json *j, const char *key, bool on);
void json_addr(struct json *j, const char *key, const struct pst_addr *a); /* with port */
/* An array of strings: begin, items, end. */
void json_array(struct json *j, const char *key);
void json_item(struct json *j, const char *z);
void json_array_end(struct json *j);
/* End the object and its line. ERR_LIMIT, ERR_NOMEM: the object is gone, b is as before. */
int json_end(struct json *j);

#endif
