/* SPDX-License-Identifier: MIT-0 */
/* What an authorisation server answers. Pure. */
#ifndef EXT_AUTH_ANSWER_H
#define EXT_AUTH_ANSWER_H

#include <stddef.h>

enum answer {
    ANSWER_BAD = 0, /* not an answer: nobody is let in because of it */
    ANSWER_MORE,    /* the line is not complete                      */
    ANSWER_ALLOW,
    ANSWER_DENY
};

/*
 * Read one line: a JSON object with the member "allow", true or false, and perhaps "reason", a
 * string, of which *reason and *reason_n get the bytes between the quotes, escapes as they are
 * (0: none). Other members are skipped when they are strings, numbers, true, false or null.
 */
enum answer answer_read(const char *p, size_t n, const char **reason, size_t *reason_n);

#endif
