/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/inherited.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/str.h"
#include "core/config/conf.h"
#include "core/server/upgrade.h"

#define FDS_MAX 65536

/* A number from the environment; 0 when it is absent or none. */
static uint64_t env_number(const char *name, uint64_t max)
{
    const char *z = getenv(name);
    uint64_t v = 0;

    return z != NULL && str_to_u64(z, max, &v) == ERR_OK ? v : 0;
}

/* Which of the descriptors carry the name of our own? */
static void read_names(struct inherited *i)
{
    const char *z = getenv("LISTEN_FDNAMES");

    for (unsigned k = 0; z != NULL && k < i->n; k++) {
        size_t n = strcspn(z, ":");

        i->fds[k].own = n == strlen(INHERITED_OWN) && memcmp(z, INHERITED_OWN, n) == 0;
        z = z[n] == ':' ? z + n + 1 : NULL;
    }
}

void inherited_init(struct inherited *i)
{
    uint64_t predecessor = env_number(INHERITED_PREDECESSOR, INT32_MAX);

    *i = (struct inherited){ .predecessor = -1, .stderr_fd = -1 };
    if (env_number("LISTEN_PID", INT32_MAX) == (uint64_t)getpid()) {
        i->n = (unsigned)env_number("LISTEN_FDS", FDS_MAX);
        i->fds = calloc(i->n + 1, sizeof(*i->fds));
        if (i->fds == NULL) {
            i->n = 0;
        }
        read_names(i);
        if (predecessor == INHERITED_FIRST + i->n) {
            i->predecessor = (int)predecessor;
            i->stderr_fd = (int)predecessor + 1;
            (void)fcntl(i->predecessor, F_SETFD, FD_CLOEXEC);
            (void)fcntl(i->stderr_fd, F_SETFD, FD_CLOEXEC);
        }
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    unsetenv(INHERITED_PREDECESSOR);
    for (unsigned k = 0; k < i->n; k++) {
        (void)fcntl(INHERITED_FIRST + (int)k, F_SETFD, FD_CLOEXEC);
    }
}

static bool is_bound_to(int fd, const struct conf_addr *a)
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
        return false;
    }
    if (a->kind == CONF_ADDR_UNIX) {
        return u.sa.sa_family == AF_UNIX && strcmp(u.un.sun_path, a->path) == 0;
    }
    addr_from_sockaddr(&got, &u.sa, n);
    return addr_equal(&got, &a->ip);
}

unsigned inherited_count(const struct inherited *i, const struct conf_addr *a)
{
    unsigned count = 0;

    for (unsigned k = 0; k < i->n; k++) {
        count += !i->fds[k].taken && is_bound_to(INHERITED_FIRST + (int)k, a);
    }
    return count;
}

int inherited_take(struct inherited *i, const struct conf_addr *a, bool *own)
{
    for (unsigned k = 0; k < i->n; k++) {
        int fd = INHERITED_FIRST + (int)k;

        if (!i->fds[k].taken && is_bound_to(fd, a)) {
            i->fds[k].taken = true;
            if (own != NULL) {
                *own = i->fds[k].own;
            }
            (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
            return fd;
        }
    }
    return -1;
}

/* The predecessor still has the file, and is the one to remove it. */
static void tell_left(const struct inherited *i, int fd)
{
    struct sockaddr_un un = { 0 };
    socklen_t n = sizeof(un);

    if (i->predecessor >= 0 && getsockname(fd, (struct sockaddr *)&un, &n) == 0 &&
        un.sun_family == AF_UNIX) {
        (void)dprintf(i->predecessor, UPGRADE_LEFT "%.*s\n", (int)sizeof(un.sun_path), un.sun_path);
    }
}

unsigned inherited_close_rest(struct inherited *i)
{
    unsigned rest = 0;

    for (unsigned k = 0; k < i->n; k++) {
        if (!i->fds[k].taken) {
            tell_left(i, INHERITED_FIRST + (int)k);
            close(INHERITED_FIRST + (int)k);
            rest++;
        }
    }
    free(i->fds);
    i->fds = NULL;
    i->n = 0;
    return rest;
}

void inherited_log_works(struct inherited *i)
{
    if (i->stderr_fd >= 0) {
        (void)dup2(i->stderr_fd, STDERR_FILENO);
        close(i->stderr_fd);
        i->stderr_fd = -1;
    }
}

void inherited_ready(struct inherited *i)
{
    static const char text[] = UPGRADE_READY "\n";

    if (i->predecessor >= 0) {
        ssize_t done = write(i->predecessor, text, sizeof(text) - 1);

        (void)done; /* without a predecessor there is nobody to tell */
        close(i->predecessor);
        i->predecessor = -1;
    }
}
