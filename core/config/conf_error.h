/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All problems of a configuration, collected before the start or the reload is refused. */
#ifndef POSTERN_CONFIG_CONF_ERROR_H
#define POSTERN_CONFIG_CONF_ERROR_H

#include <stdbool.h>
#include <stddef.h>

struct conf_errors;

struct conf_errors *conf_errors_new(void);
void conf_errors_free(struct conf_errors *e);

/*
 * Add "file:line: where: text". file and where may be NULL, line 0: left out. Out of memory counts
 * the error all the same.
 */
void conf_error_add(struct conf_errors *e, const char *file, unsigned line, const char *where,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void conf_warning_add(struct conf_errors *e, const char *file, unsigned line, const char *where,
                      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
size_t conf_errors_count(const struct conf_errors *e); /* warnings not counted */
/* Every entry in the order found; warning tells which kind. */
void conf_errors_each(const struct conf_errors *e,
                      void (*cb)(void *arg, bool warning, const char *text), void *arg);

#endif
