/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of postern-module-check. The file is read first, without running anything of it. What
 * runs the module's code does so in a process of its own (run_isolated), which may crash.
 */
#ifndef POSTERN_KIT_CHECK_H
#define POSTERN_KIT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postern_module.h>

#include "kit/check/findings.h"

struct check {
    struct findings *all;
    const char *path; /* absolute */
    char name[64];    /* what the file's name says the module is called */
    char **needed;    /* symbols it does not define itself */
    size_t n_needed;
    const char *snippet; /* members of a module entry in libconfig's language, NULL: none */
    char *const *set;    /* NAME=VALUE, to be added to them */
    size_t n_set;
    unsigned seconds; /* that each part may take; 0: any */
    uint32_t scopes;  /* PST_SCOPE_* to try; 0: all the module has */
};

/* "an edge", "a listener". */
const char *scope_text(uint32_t scope);

/* Read the file: what kind it is, what it exports. False: it is no use to go on. (file.c) */
bool check_file(struct check *ck);
void check_file_free(struct check *ck);

/* Load it and judge its descriptor and options; runs load() of nothing. (descriptor.c) */
void check_descriptor(const struct check *ck);
/* The declared options, one table after another. (options.c) */
void check_options(const struct check *ck, const struct pst_module *d);
/* Instances and connections of one scope; in a host that ends where 1.0 did when `old`. (life.c) */
void check_life(const struct check *ck, uint32_t scope, bool old);

/* --- configuration (config.c) ----------------------------------------------------------------- */

/*
 * The entry that the user gave, as libconfig text; values of NAME=VALUE are put into quotes and
 * lists as the option of that name wants it. Free it.
 */
char *config_entry(const struct check *ck, const struct pst_module *d);
/* `text` with the value of `name` replaced; NULL: text is no configuration. Free it. */
char *config_replace(const char *text, const char *name, const char *value, bool list);

/* --- connections (conns.c) -------------------------------------------------------------------- */

struct fake_host;
struct fake_inst;

struct conns {
    const struct check *ck;
    struct fake_host *host;
    struct fake_inst *inst;
    uint32_t scope;
    bool old;
};

/* Connections of every kind, ended after every stage and in every way a wait can end. */
void conns_all(const struct conns *cs);
/* One that gets as far as it can. */
void conns_one(const struct conns *cs);

/* Report what the fake host complained about since the last time, and forget the transcript. */
void report_bugs(const struct check *ck, struct fake_host *h);

#endif
