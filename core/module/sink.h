/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service "postern.log-sink/1": lines that modules write, over the one writer of
 * core/base/line_writer.h. A target is opened once, whoever names it, and lives over reloads as
 * long as somebody uses it.
 */
#ifndef POSTERN_MODULE_SINK_H
#define POSTERN_MODULE_SINK_H

#include <stddef.h>

#include "plugin-api/services/log_sink.h"

/* The table for get_service(). Static. [main] */
const struct pst_log_sink *sink_service(void);

/*
 * Privileges are dropped: open what the first configuration named, and from now on at once. Until
 * here targets are only looked at, so that files belong to the right user. ERR_SYS: one cannot be
 * opened, why[n] has a message. [main]
 */
int sinks_start(char *why, size_t n);
/* Call fn with the path of every file among the targets. [main] */
void sinks_each_file(void (*fn)(void *arg, const char *path), void *arg);
/*
 * SIGUSR1: open files anew. No line is lost or split. ERR_SYS: not all could be, as logged. [main]
 */
int sinks_reopen(void);
/* Write out what the targets take within two seconds, and forget them. No worker is left. [main] */
void sinks_stop(void);

#endif
