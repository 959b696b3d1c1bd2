/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"

/* Kept: when connections have taken all descriptors the manager must still hear of a reload. */
static int notify_fd = -1;

void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    const struct timeval patience = { .tv_usec = 200 * 1000 };
    size_t n = path == NULL ? 0 : strlen(path);

    if (n < 2 || n >= sizeof(un.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(un.sun_path, path, n);
    if (path[0] == '@') {
        un.sun_path[0] = '\0';
    }
    if (notify_fd < 0) {
        notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (notify_fd < 0) {
            return;
        }
        /* A manager that does not read must not stop the main thread. */
        (void)setsockopt(notify_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    }
    (void)sendto(notify_fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&un,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

void notify_reloading(void)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_ns() / 1000);
    notify(text);
}

void notify_no_more(void)
{
    unsetenv("NOTIFY_SOCKET");
}

int proc_std_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* The lowest number that is free: this one, as those below are taken. */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd) {
            return ERR_SYS;
        }
    }
    return ERR_OK;
}

uint64_t proc_nofile(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0) {
        return 1024;
    }
    if (r.rlim_cur < r.rlim_max) {
        struct rlimit up = { r.rlim_max, r.rlim_max };

        if (setrlimit(RLIMIT_NOFILE, &up) == 0) {
            r = up;
        }
    }
    return r.rlim_cur;
}

unsigned proc_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 1) {
        return 1;
    }
    return (unsigned)CPU_COUNT(&set);
}

int proc_check(const char *user, const char *group, char *why, size_t why_n)
{
    if (user != NULL && getpwnam(user) == NULL) {
        (void)snprintf(why, why_n, "no such user: %s", user);
        return ERR_NOT_FOUND;
    }
    if (group != NULL && getgrnam(group) == NULL) {
        (void)snprintf(why, why_n, "no such group: %s", group);
        return ERR_NOT_FOUND;
    }
    return ERR_OK;
}

int proc_drop(const char *user, const char *group, char *why, size_t why_n)
{
    const struct passwd *pw = user == NULL ? NULL : getpwnam(user);
    const struct group *gr = group == NULL ? NULL : getgrnam(group);
    gid_t gid;

    if ((user != NULL && pw == NULL) || (group != NULL && gr == NULL)) {
        (void)proc_check(user, group, why, why_n);
        return ERR_NOT_FOUND;
    }
    if (geteuid() != 0 || (pw == NULL && gr == NULL)) {
        return ERR_OK;
    }
    gid = gr != NULL ? gr->gr_gid : pw->pw_gid;
    if ((pw != NULL ? initgroups(pw->pw_name, gid) : setgroups(1, &gid)) != 0 ||
        setresgid(gid, gid, gid) != 0 ||
        (pw != NULL && setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)) {
        (void)snprintf(why, why_n, "cannot switch to %s: %s", user != NULL ? user : group,
                       strerror(errno));
        return ERR_SYS;
    }
    return ERR_OK;
}
