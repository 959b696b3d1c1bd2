/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. */
#ifndef POSTERN_SERVER_OPTS_H
#define POSTERN_SERVER_OPTS_H

#include <stdbool.h>

/* Exit codes of the daemon. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct opts {
    char **argv;      /* all of the command line */
    const char *conf;
    bool test;
    bool verbose;
};

/*
 * Parse. Answers -1 to go on, or an exit code after having printed what was asked for (-h, -V) or
 * what is wrong.
 */
int opts_parse(int argc, char **argv, struct opts *o);

#endif
