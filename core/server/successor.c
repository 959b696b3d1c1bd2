/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fork and exec in a process with many threads: whatever needs memory or a lock is done before the
 * fork; between fork and exec there are only system calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/server/inherited.h"
#include "core/server/upgrade.h"

extern char **environ;

/* Variables of the environment that are the successor's own. */
static const char *const own_names[] = { "LISTEN_FDS", "LISTEN_FDNAMES", INHERITED_PREDECESSOR,
                                         "LISTEN_PID", "WATCHDOG_PID" };

/* "LISTEN_PID=" and room for a number that only the child knows. */
#define PID_ROOM 32

struct successor {
    const char *path;
    char **argv;
    char **envp;
    char listen_pid[PID_ROOM], watchdog_pid[PID_ROOM];
    char listen_fds[PID_ROOM], predecessor[64];
    char *names;
    const struct handover *h;
    int pipe; /* the writing end */
};

bool handover_add(struct handover *h, int fd, bool own)
{
    if (h->n == h->room) {
        size_t room = h->room == 0 ? 32 : h->room * 2;
        struct handover_fd *p = realloc(h->at, room * sizeof(*p));

        if (p == NULL) {
            return false;
        }
        h->at = p;
        h->room = room;
    }
    h->at[h->n++] = (struct handover_fd){ fd, own };
    return true;
}

static int by_fd(const void *a, const void *b)
{
    const struct handover_fd *x = a, *y = b;

    return (x->fd > y->fd) - (x->fd < y->fd);
}

static bool is_own_name(const char *var)
{
    for (size_t i = 0; i < sizeof(own_names) / sizeof(own_names[0]); i++) {
        size_t n = strlen(own_names[i]);

        if (strncmp(var, own_names[i], n) == 0 && var[n] == '=') {
            return true;
        }
    }
    return false;
}

/* "LISTEN_FDNAMES=postern-own:given:..." */
static char *make_names(const struct handover *h)
{
    static const char key[] = "LISTEN_FDNAMES=", given[] = "given";
    char *z = malloc(sizeof(key) + h->n * sizeof(INHERITED_OWN)), *at = z;

    if (z == NULL) {
        return NULL;
    }
    at = stpcpy(at, key);
    for (size_t i = 0; i < h->n; i++) {
        at = stpcpy(at, i == 0 ? "" : ":");
        at = stpcpy(at, h->at[i].own ? INHERITED_OWN : given);
    }
    return z;
}

static int make_env(struct successor *s)
{
    bool watched = getenv("WATCHDOG_PID") != NULL;
    size_t n = 0, k = 0;

    while (environ[n] != NULL) {
        n++;
    }
    s->names = make_names(s->h);
    s->envp = calloc(n + sizeof(own_names) / sizeof(own_names[0]) + 1, sizeof(char *));
    if (s->names == NULL || s->envp == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_own_name(environ[i])) {
            s->envp[k++] = environ[i];
        }
    }
    (void)snprintf(s->listen_fds, sizeof(s->listen_fds), "LISTEN_FDS=%zu", s->h->n);
    (void)snprintf(s->predecessor, sizeof(s->predecessor), INHERITED_PREDECESSOR "=%zu",
                   INHERITED_FIRST + s->h->n);
    (void)snprintf(s->listen_pid, sizeof(s->listen_pid), "LISTEN_PID=");
    (void)snprintf(s->watchdog_pid, sizeof(s->watchdog_pid), "WATCHDOG_PID=");
    s->envp[k++] = s->listen_fds;
    s->envp[k++] = s->names;
    s->envp[k++] = s->predecessor;
    s->envp[k++] = s->listen_pid;
    if (watched) {
        s->envp[k++] = s->watchdog_pid;
    }
    return ERR_OK;
}

/* --- the child: system calls only ------------------------------------------------------------- */

static void append_pid(char *z, pid_t pid)
{
    char digits[16];
    size_t n = 0;

    z += strlen(z);
    for (uint32_t v = (uint32_t)pid; v > 0 || n == 0; v /= 10) {
        digits[n++] = (char)('0' + v % 10);
    }
    while (n > 0) {
        *z++ = digits[--n];
    }
    *z = '\0';
}

static void put_text(int fd, const char *z)
{
    ssize_t done = write(fd, z, strlen(z));

    (void)done;
}

/*
 * Move a descriptor down to where the successor looks for it. They come in rising order, so that
 * `to` is at most `fd` and never one that is still to be moved.
 */
static void place(int fd, int to)
{
    if (fd == to) {
        (void)fcntl(fd, F_SETFD, 0);
    } else {
        (void)dup2(fd, to);
    }
}

__attribute__((noreturn)) static void become(struct successor *s, const sigset_t *mask)
{
    static const int ours[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT };
    size_t n = s->h->n;
    int saved;

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        (void)signal(ours[i], SIG_DFL);
    }
    append_pid(s->listen_pid, getpid());
    append_pid(s->watchdog_pid, getpid());
    for (size_t i = 0; i < n; i++) {
        place(s->h->at[i].fd, INHERITED_FIRST + (int)i);
    }
    /* Above all of those: see successor_start(). The real stderr goes behind it. */
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, s->pipe + 1);
    (void)dup2(s->pipe, STDERR_FILENO);
    place(s->pipe, INHERITED_FIRST + (int)n);
    place(saved, INHERITED_FIRST + (int)n + 1);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    execve(s->path, s->argv, s->envp);
    put_text(STDERR_FILENO, "cannot execute ");
    put_text(STDERR_FILENO, s->path);
    put_text(STDERR_FILENO, ": ");
    put_text(STDERR_FILENO, strerrordesc_np(errno));
    put_text(STDERR_FILENO, "\n");
    _exit(127);
}

/* --- the parent ------------------------------------------------------------------------------- */

/* A pipe whose writing end lies above all descriptors that are handed over. */
static int make_pipe(const struct handover *h, int ends[2])
{
    int above = h->n == 0 ? INHERITED_FIRST : h->at[h->n - 1].fd + 1;
    int high;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ERR_SYS;
    }
    high = fcntl(ends[1], F_DUPFD_CLOEXEC, above);
    close(ends[1]);
    ends[1] = high;
    if (high < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        int e = errno;

        close(ends[0]);
        if (high >= 0) {
            close(high);
        }
        errno = e;
        return ERR_SYS;
    }
    return ERR_OK;
}

pid_t successor_start(const char *path, char **argv, struct handover *h, int *pipe)
{
    struct successor s = { .path = path, .argv = argv, .h = h };
    int ends[2] = { -1, -1 };
    sigset_t all, mask;
    pid_t pid = -1;
    int e;

    qsort(h->at, h->n, sizeof(*h->at), by_fd);
    if (make_env(&s) != ERR_OK) {
        errno = ENOMEM;
        goto out;
    }
    if (make_pipe(h, ends) != ERR_OK) {
        goto out;
    }
    s.pipe = ends[1];
    /* A signal meant for us would run our handler in the child, which shares the loop's wake-up. */
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &mask);
    pid = fork();
    if (pid == 0) {
        become(&s, &mask);
    }
    e = errno;
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
    } else {
        *pipe = ends[0];
    }
    errno = e;
out:
    free(s.names);
    free(s.envp);
    return pid;
}
