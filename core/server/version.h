/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -V and -O print. */
#ifndef POSTERN_SERVER_VERSION_H
#define POSTERN_SERVER_VERSION_H

/*
 * Print versions, paths and the modules that are there. `conf_path` is a configuration whose module
 * folder is to be listed, NULL: the compiled-in folder. Answers an exit code. [main]
 */
int version_print(const char *conf_path);

/*
 * Print the options that a module declares. `module` is a name, looked for as above, or the path of
 * a file when it has a slash, or CORE_OPTIONS. Answers an exit code; what is wrong goes to stderr.
 * [main]
 */
#define CORE_OPTIONS "postern.conf"
int options_print(const char *conf_path, const char *module);

#endif
