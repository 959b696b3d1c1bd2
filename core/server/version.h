/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -V prints. */
#ifndef POSTERN_SERVER_VERSION_H
#define POSTERN_SERVER_VERSION_H

/*
 * Print versions, paths and the modules that are there. `conf_path` is a configuration whose module
 * folder is to be listed, NULL: the compiled-in folder. Answers an exit code. [main]
 */
int version_print(const char *conf_path);

#endif
