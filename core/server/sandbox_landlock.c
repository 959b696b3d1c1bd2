/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading is not restricted: a reload may name certificates and modules anywhere, and whether the
 * user may read them the modes of files say. The C library has no functions for landlock(7).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/server/sandbox.h"

#if defined(__has_include)
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#endif
#endif

#if defined(SYS_landlock_create_ruleset) && defined(LANDLOCK_CREATE_RULESET_VERSION)

#define FS(what) LANDLOCK_ACCESS_FS_##what

/* Truncating is known since the third version of the interface, and not to all headers. */
#define TRUNCATE       (UINT64_C(1) << 14)
#define TRUNCATE_SINCE 3

static const uint64_t changes = FS(WRITE_FILE) | FS(REMOVE_DIR) | FS(REMOVE_FILE) | FS(MAKE_CHAR) |
                                FS(MAKE_DIR) | FS(MAKE_REG) | FS(MAKE_SOCK) | FS(MAKE_FIFO) |
                                FS(MAKE_BLOCK) | FS(MAKE_SYM);
/* Of these, what a log, a socket or a state file needs. */
static const uint64_t granted =
    FS(WRITE_FILE) | FS(REMOVE_FILE) | FS(MAKE_REG) | FS(MAKE_SOCK) | TRUNCATE;

/* A folder that is not there cannot be written to: whoever wants to says so himself. */
static int grant(int ruleset, const char *folder, uint64_t handled)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = granted & handled };
    int rc;

    rule.parent_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (rule.parent_fd < 0) {
        return errno == ENOENT || errno == ENOTDIR ? ERR_OK : ERR_SYS;
    }
    rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0
             ? ERR_OK
             : ERR_SYS;
    close(rule.parent_fd);
    return rc;
}

int sandbox_landlock(char *const *folders, size_t n)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attr = {
        .handled_access_fs = changes | (version >= TRUNCATE_SINCE ? TRUNCATE : 0)
    };
    int ruleset, rc = ERR_OK;

    if (version < 1) {
        return ERR_NOT_FOUND;
    }
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
    if (ruleset < 0) {
        return ERR_SYS;
    }
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        rc = grant(ruleset, folders[i], attr.handled_access_fs);
    }
    if (rc == ERR_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        rc = ERR_SYS;
    }
    close(ruleset);
    return rc;
}

#else

int sandbox_landlock(char *const *folders, size_t n)
{
    (void)folders;
    (void)n;
    return ERR_NOT_FOUND;
}

#endif
