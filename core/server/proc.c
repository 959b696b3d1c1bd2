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

#include "core/base/addr.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/str.h"
#include "core/config/conf.h"

#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX   64

void inherited_init(struct inherited *i)
{
    const char *pid = getenv("LISTEN_PID");
    const char *fds = getenv("LISTEN_FDS");
    uint64_t p = 0;
    uint64_t n = 0;

    *i = (struct inherited){ .first = LISTEN_FDS_START };
    if (pid != NULL && fds != NULL && str_to_u64(pid, INT32_MAX, &p) == ERR_OK &&
        (pid_t)p == getpid() && str_to_u64(fds, LISTEN_FDS_MAX, &n) == ERR_OK) {
        i->n = (int)n;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (int k = 0; k < i->n; k++) {
        (void)fcntl(i->first + k, F_SETFD, FD_CLOEXEC);
    }
}

static int is_bound_to(int fd, const struct conf_addr *a)
{
    union {
        struct sockaddr sa;
        struct sockaddr_un un;
        struct sockaddr_storage ss;
    } u;
    socklen_t n = sizeof(u);
    int listening = 0;
    socklen_t ln = sizeof(listening);
    struct pst_addr got;

    memset(&u, 0, sizeof(u));
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &ln) != 0 || !listening ||
        getsockname(fd, &u.sa, &n) != 0) {
        return 0;
    }
    if (a->kind == CONF_ADDR_UNIX) {
        return u.sa.sa_family == AF_UNIX && strcmp(u.un.sun_path, a->path) == 0;
    }
    addr_from_sockaddr(&got, &u.sa, n);
    return addr_equal(&got, &a->ip);
}

int inherited_take(struct inherited *i, const struct conf_addr *a)
{
    for (int k = 0; k < i->n; k++) {
        int fd = i->first + k;

        if ((i->taken >> k & 1) == 0 && is_bound_to(fd, a)) {
            i->taken |= (uint64_t)1 << k;
            (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
            return fd;
        }
    }
    return -1;
}

int inherited_close_rest(struct inherited *i)
{
    int rest = 0;

    for (int k = 0; k < i->n; k++) {
        if ((i->taken >> k & 1) == 0) {
            close(i->first + k);
            rest++;
        }
    }
    i->n = 0;
    return rest;
}

void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    const struct timeval patience = { .tv_usec = 200 * 1000 };
    size_t n = path == NULL ? 0 : strlen(path);
    int fd;

    if (n < 2 || n >= sizeof(un.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(un.sun_path, path, n);
    if (path[0] == '@') {
        un.sun_path[0] = '\0';
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    /* A manager that does not read must not stop the main thread. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&un,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

void notify_reloading(void)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_ns() / 1000);
    notify(text);
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
