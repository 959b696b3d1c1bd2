/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that a module declares, or the core has, as a table for people. */
#ifndef POSTERN_CONFIG_CONF_DESCRIBE_H
#define POSTERN_CONFIG_CONF_DESCRIBE_H

#include <stdint.h>
#include <stdio.h>

#include "plugin-api/pst_config.h"

/*
 * Print n options, `size` bytes apart, a line each: name, values, default and meaning in columns
 * with at least two spaces between them, below a line of headings. Members of groups come after
 * their group, as "group.member". An option without default has "-", one that must be there
 * "required". [any]
 */
void conf_describe(FILE *out, const struct pst_option *options, uint32_t n, uint32_t size);
/* The same of the keys of postern.conf that are the core's own. [any] */
void conf_describe_core(FILE *out);

#endif
