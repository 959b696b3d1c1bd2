/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process cannot do any more, whoever makes it try. An upgrade inherits all of it.
 *
 *   sandbox.c           capabilities, the order, and which folders stay writable
 *   sandbox_seccomp.c   system calls that nothing in a proxy needs
 *   sandbox_landlock.c  files are written below some folders only
 */
#ifndef POSTERN_SERVER_SANDBOX_H
#define POSTERN_SERVER_SANDBOX_H

#include <stddef.h>

struct conf;

/*
 * Give up capabilities that neither a start nor a reload needs, for good. Before the user is
 * changed, which gives up the others. ERR_SYS with errno. [main]
 */
int sandbox_capabilities(void);

/*
 * The rest, as the configuration says: after the user was changed, before any thread is started.
 * What the kernel lacks is left out. ERR_SYS: why[n] says what failed. [main]
 */
int sandbox_enter(const struct conf *conf, char *why, size_t n);

/* How it is now, for the log: "seccomp landlock", "none". Static. [main] */
const char *sandbox_text(void);

/* ERR_OK, ERR_NOT_FOUND when the kernel has none, or ERR_SYS with errno. [main] */
int sandbox_seccomp(void);
/* Files can only be changed below these folders; the same answers. */
int sandbox_landlock(char *const *folders, size_t n);

#endif
