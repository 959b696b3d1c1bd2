/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/config/conf_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

/* Longest text of one entry; more is cut. */
#define ENTRY_MAX 1024

struct entry {
    bool warning;
    char *text; /* NULL: there was no memory for it */
};

struct conf_errors {
    struct entry *entries;
    size_t n, cap;
    size_t n_errors;
};

struct conf_errors *conf_errors_new(void)
{
    return calloc(1, sizeof(struct conf_errors));
}

void conf_errors_free(struct conf_errors *e)
{
    if (e == NULL) {
        return;
    }
    for (size_t i = 0; i < e->n; i++) {
        free(e->entries[i].text);
    }
    free(e->entries);
    free(e);
}

/* Values from the files are quoted in the texts: keep them from forging lines or terminal codes. */
static void disarm(char *z)
{
    for (; *z != '\0'; z++) {
        if ((unsigned char)*z < 0x20 || *z == 0x7f) {
            *z = '?';
        }
    }
}

/* Append to a bounded text; answers the new length, ENTRY_MAX - 1 when cut. */
__attribute__((format(printf, 3, 0))) static size_t vappend(char *text, size_t at, const char *fmt,
                                                            va_list ap)
{
    int n = vsnprintf(text + at, ENTRY_MAX - at, fmt, ap);
    if (n < 0) {
        return at;
    }
    return (size_t)n < ENTRY_MAX - at ? at + (size_t)n : ENTRY_MAX - 1;
}

__attribute__((format(printf, 3, 4))) static size_t append(char *text, size_t at, const char *fmt,
                                                           ...)
{
    va_list ap;
    va_start(ap, fmt);
    at = vappend(text, at, fmt, ap);
    va_end(ap);
    return at;
}

__attribute__((format(printf, 6, 0))) static void add(struct conf_errors *e, bool warning,
                                                      const char *file, unsigned line,
                                                      const char *where, const char *fmt,
                                                      va_list ap)
{
    char text[ENTRY_MAX];
    size_t at = 0;

    text[0] = '\0';
    if (!warning) {
        e->n_errors++;
    }
    if (e->n == e->cap) {
        size_t cap = e->cap == 0 ? 16 : e->cap * 2;
        struct entry *grown = realloc(e->entries, cap * sizeof(*grown));
        if (grown == NULL) {
            return;
        }
        e->entries = grown;
        e->cap = cap;
    }
    if (file != NULL) {
        at = append(text, at, "%s:", file);
    }
    if (line != 0) {
        at = append(text, at, file != NULL ? "%u: " : "line %u: ", line);
    } else if (file != NULL) {
        at = append(text, at, " ");
    }
    if (where != NULL && where[0] != '\0') {
        at = append(text, at, "%s: ", where);
    }
    at = vappend(text, at, fmt, ap);
    if (at == ENTRY_MAX - 1) {
        memcpy(text + ENTRY_MAX - 4, "...", 4);
    }
    disarm(text);
    e->entries[e->n++] = (struct entry){ warning, str_dup(text, strlen(text)) };
}

void conf_error_add(struct conf_errors *e, const char *file, unsigned line, const char *where,
                    const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(e, false, file, line, where, fmt, ap);
    va_end(ap);
}

void conf_warning_add(struct conf_errors *e, const char *file, unsigned line, const char *where,
                      const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(e, true, file, line, where, fmt, ap);
    va_end(ap);
}

size_t conf_errors_count(const struct conf_errors *e)
{
    return e->n_errors;
}

void conf_errors_each(const struct conf_errors *e,
                      void (*cb)(void *arg, bool warning, const char *text), void *arg)
{
    for (size_t i = 0; i < e->n; i++) {
        const char *text = e->entries[i].text;
        cb(arg, e->entries[i].warning, text != NULL ? text : "out of memory");
    }
}
