/* SPDX-License-Identifier: MIT-0 */
/* A set of host names and wildcards, read from text. Pure: no host, no files. */
#ifndef SNI_ALLOW_NAMES_H
#define SNI_ALLOW_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct name {
    const char *p; /* into the text; a wildcard begins with its dot: ".example.com" */
    size_t n;
};

struct names {
    struct name *list; /* sorted */
    size_t n;
};

/*
 * Read one name a line: "www.example.com", or "*.example.com" for every name below that one. "#"
 * begins a comment. The text is changed to lower case and has to outlive the set. `wrong` is told
 * each line that is no name, counted from 1. 0, or -1: out of memory. Free with names_free().
 */
int names_read(struct names *set, char *text, size_t n, void (*wrong)(void *arg, size_t line),
               void *arg);
void names_free(struct names *set);

/* True when the name, in lower case, is one of the set or below one of its wildcards. */
bool names_have(const struct names *set, const char *p, size_t n);

#endif
