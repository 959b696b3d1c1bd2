/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All metrics of the daemon, made a piece at a time: those of the process, of the registry, then by
 * listener, edge and target. How many series there are is bounded by the configuration: only
 * its names are labels, and only edges that had a connection are shown. [main]
 */
#ifndef POSTERN_SERVER_METRICS_PAGE_H
#define POSTERN_SERVER_METRICS_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/server/prom.h"

struct buf;
struct candidate;
struct server;

struct metrics_page {
    struct server *server;
    struct candidate *pin; /* NULL: no generation serves */
    enum prom_form form;
    size_t family, at; /* what comes next */
    bool announced;    /* that family */
};

void metrics_page_begin(struct metrics_page *m, struct server *s, enum prom_form form);
/* Append a piece of about 32 KiB. False: that was the last one. */
bool metrics_page_more(struct metrics_page *m, struct buf *b);
/* Give up what it holds, at any time; harmless when it never began. */
void metrics_page_end(struct metrics_page *m);

#endif
