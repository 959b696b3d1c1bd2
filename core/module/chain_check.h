/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside core/module: the checks of a module list, and how errors of an entry are reported. */
#ifndef POSTERN_MODULE_CHAIN_CHECK_H
#define POSTERN_MODULE_CHAIN_CHECK_H

#include <stddef.h>

struct chain;
struct conf_errors;
struct conf_module;
struct instance;
struct pst_cfg;

/*
 * Check what the modules of the list say about each other and about the place they are in:
 * scope, enforce, requires, conflicts, after, one client transport. `mods` is the whole list,
 * refused modules included. Marks the chain broken. [main]
 */
void chain_check(struct chain *c, const struct conf_module *mods, size_t n,
                 struct conf_errors *errors);

/* Report at a module's entry: with file and line when its node is at hand. [main] */
void chain_error(struct conf_errors *errors, const struct pst_cfg *cfg, const char *where,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The same for an instance; its chain is broken from here on. [main] */
void instance_error(struct instance *inst, struct conf_errors *errors, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
