/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files in a temporary folder, for the tests of core/config. */
#ifndef POSTERN_UNIT_CONF_FILES_H
#define POSTERN_UNIT_CONF_FILES_H

#include "core/config/conf.h"
#include "core/config/conf_error.h"

/* Parts of a good configuration. */
#define CONF_LISTENERS "listeners = ( { name = \"l\"; address = \"127.0.0.1:1443\"; } );\n"
#define CONF_EDGES                                                                                 \
    "edges = ( { name = \"a\"; domains = [ \"a.test\" ]; upstream = \"127.0.0.1:1\"; } );\n"
/* A good one with more keys in the edge, which stands on line 2. */
#define CONF_EDGE_WITH(keys)                                                                       \
    CONF_LISTENERS "edges = ( { name = \"a\"; domains = [ \"a.test\" ]; " keys " } );\n"
/* A good one with more keys in the listener, which stands on line 1. */
#define CONF_LISTENER_WITH(keys) "listeners = ( { name = \"l\"; " keys " } );\n" CONF_EDGES

/* Make the folder and go there; fixtures of a Check test case. */
void conf_files_begin(void);
void conf_files_end(void);
/* Write a file below the folder, with the folders it needs. */
void conf_files_write(const char *name, const char *text);
/* Load a file. The conf may be used as long as errors lives; both are the caller's. */
struct conf *conf_files_load(const char *name, struct conf_errors **errors);
/* Write main.conf, load it, and insist that there are neither errors nor warnings. */
struct conf *conf_files_good(const char *text, struct conf_errors **errors);
/* Write main.conf, load it, and insist that this and nothing else is said about it. */
void conf_files_refuse(const char *text, const char *report);
/* All entries, a line each, "warning: " before warnings. Free with free(). */
char *conf_files_report(const struct conf_errors *errors);

#endif
