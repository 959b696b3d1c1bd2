/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/unix_socket.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/err.h"

static int set_path(struct sockaddr_un *un, const char *path)
{
    *un = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if ((size_t)snprintf(un->sun_path, sizeof(un->sun_path), "%s", path) >= sizeof(un->sun_path)) {
        errno = ENAMETOOLONG;
        return ERR_SYS;
    }
    return ERR_OK;
}

int unix_clear_stale(const char *path)
{
    struct sockaddr_un un;
    struct stat st;
    int fd;
    int rc;

    if (set_path(&un, path) != ERR_OK) {
        return ERR_SYS;
    }
    if (lstat(un.sun_path, &st) != 0) {
        return errno == ENOENT ? ERR_OK : ERR_SYS;
    }
    /* connect() answers ECONNREFUSED for any file: nobody's data is removed. */
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return ERR_SYS;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return ERR_SYS;
    }
    rc = connect(fd, (const struct sockaddr *)&un, sizeof(un));
    if (rc == 0 || errno == EAGAIN) {
        close(fd);
        errno = EADDRINUSE;
        return ERR_SYS;
    }
    rc = errno;
    close(fd);
    if (rc == ECONNREFUSED) {
        return unlink(un.sun_path) == 0 ? ERR_OK : ERR_SYS;
    }
    errno = rc;
    return rc == ENOENT ? ERR_OK : ERR_SYS;
}

int unix_listen(const char *path, mode_t mode, uid_t uid, gid_t gid, int backlog)
{
    struct sockaddr_un un;
    mode_t old;
    int fd = -1;
    int rc;

    if (set_path(&un, path) != ERR_OK) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /*
     * With its mode from the beginning: once it belongs to somebody else a root without CAP_FOWNER
     * could not set it, and by then its name may lead elsewhere if that one owns the folder.
     */
    /* The umask is the process's: files that other threads make meanwhile shall have theirs. */
    (void)unshare(CLONE_FS); /* where it is not allowed, they may be unlucky */
    old = umask(~mode & 0777);
    rc = bind(fd, (const struct sockaddr *)&un, sizeof(un));
    umask(old);
    if (rc != 0) {
        goto fail;
    }
    if (((uid != (uid_t)-1 || gid != (gid_t)-1) && lchown(un.sun_path, uid, gid) != 0) ||
        listen(fd, backlog) != 0) {
        int e = errno;

        (void)unlink(un.sun_path);
        errno = e;
        goto fail;
    }
    return fd;
fail:
    rc = errno;
    close(fd);
    errno = rc;
    return -1;
}
