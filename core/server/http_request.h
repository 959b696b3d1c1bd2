/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The head of an HTTP/1.x request (RFC 9112), as far as serving one document needs it: nothing in
 * it but method, path and credentials means anything here, and a body is never read. Pure.
 */
#ifndef POSTERN_SERVER_HTTP_REQUEST_H
#define POSTERN_SERVER_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "plugin-api/pst_types.h"

enum http_status { HTTP_MORE, HTTP_DONE, HTTP_BAD };

/* All borrowed from the bytes that were parsed. */
struct http_request {
    struct pst_str method, path; /* the path without its query            */
    struct pst_str credentials;  /* of Authorization; p NULL: there is none */
    bool is_1_0;                 /* HTTP/1.0: no chunks in the reply        */
};

/* Parse all bytes so far. HTTP_MORE: the head is not complete. */
enum http_status http_request_parse(const char *p, size_t n, struct http_request *r);

/* "Basic <base64 of user:password>" as a client would send it. NULL: out of memory. */
char *http_basic(const char *user, const char *password);
/* Equal, in a time that tells nothing of where they differ. */
bool http_credentials_equal(struct pst_str given, const char *expected);

#endif
