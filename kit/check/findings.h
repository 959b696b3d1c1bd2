/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What postern-module-check has found. The list lies in memory that the processes which run the
 * module's code share, so that it outlives their crashes.
 */
#ifndef POSTERN_KIT_FINDINGS_H
#define POSTERN_KIT_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#define FINDINGS_MAX 64

enum finding_kind {
    FINDING_PROBLEM = 1,   /* wrong with the module                                        */
    FINDING_INCOMPLETE = 2 /* a part could not be checked: the user has to tell more       */
};

struct finding {
    uint32_t kind;
    char check[24]; /* which check, for programs: "exported-symbol" */
    char text[488];
};

struct findings {
    uint32_t n;
    uint32_t lost;              /* more than FINDINGS_MAX */
    uint32_t quiet;             /* the same run again, only to measure: nothing is added */
    uint32_t done;              /* the process that runs the module got to its end */
    char doing[128];            /* "on_admit() at an edge": what is to blame for a crash */
    char name[64], version[64]; /* of the module, once its descriptor was read */
    uint32_t scopes;            /* of it; 0: it cannot be run */
    uint32_t minor_needed;
    struct finding f[FINDINGS_MAX];
};

/* Shared memory for a list, empty; NULL: none to be had. Lives as long as the process. */
struct findings *findings_new(void);

/* Add one, unless the same is there. Any process of the check. */
void finding_add(struct findings *all, enum finding_kind kind, const char *check, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));
#define problem(all, check, ...)    finding_add(all, FINDING_PROBLEM, check, __VA_ARGS__)
#define incomplete(all, check, ...) finding_add(all, FINDING_INCOMPLETE, check, __VA_ARGS__)

/* Say what is about to run. */
void findings_doing(struct findings *all, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The exit status: 0 nothing found, 1 problems, 2 incomplete. */
int findings_status(const struct findings *all);

/* Write them to standard output: a line each, or one JSON object per module. */
void findings_print_text(const struct findings *all, const char *file);
void findings_print_json(const struct findings *all, const char *file);

#endif
