/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into the daemon: makes calls of one kind fail, as a shared page says that the test
 * writes (t/e2e/fault_peers.py has its layout too). FAULT_CONTROL names the file of that page.
 *
 * Nothing here is wrapped that a sanitizer could not have wrapped before: the next symbol is
 * called, whosever it is.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
    MALLOC = 1,
    OPEN,
    ACCEPT,
    SOCKET,
    CONNECT,
    READ,
    WRITE,
    SEND,
    PIPE,
    SPLICE,
    EPOLL,
    RANDOM,
    SOCKOPT,
    THREAD,
};

/* Instead of an errno: one byte is moved. */
#define SHORT (-1)

struct control {
    _Atomic int64_t wall_s;  /* added to CLOCK_REALTIME               */
    _Atomic uint32_t kind;   /* what fails, 0: nothing                */
    _Atomic int32_t err;     /* with what: an errno, or SHORT         */
    _Atomic uint32_t first;  /* the first call that fails, from 1     */
    _Atomic uint32_t every;  /* ... and then each so-many-th          */
    _Atomic uint32_t most;   /* no more than so many                  */
    _Atomic uint32_t seen;   /* calls of that kind so far             */
    _Atomic uint32_t failed; /* those that did                        */
};

/* True while libconfig reads: its version 1.5 checks no allocation, and flex ends the process. */
static _Thread_local int spared __attribute__((tls_model("initial-exec")));

static struct control nothing;
static struct control *control = &nothing;

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("FAULT_CONTROL");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *p = MAP_FAILED;

    if (fd >= 0) {
        p = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    if (p == MAP_FAILED) {
        (void)!write(STDERR_FILENO, "inject: no FAULT_CONTROL\n", 25);
        abort();
    }
    control = p;
}

/* 0: the call goes its way; else how it fails. */
static int fault(enum kind kind)
{
    struct control *c = control;
    uint32_t n, first, every;

    if (atomic_load_explicit(&c->kind, memory_order_relaxed) != (uint32_t)kind || spared) {
        return 0;
    }
    n = atomic_fetch_add(&c->seen, 1) + 1;
    first = atomic_load(&c->first);
    every = atomic_load(&c->every);
    if (n < first || (n - first) % (every == 0 ? 1 : every) != 0 ||
        atomic_load(&c->failed) >= atomic_load(&c->most)) {
        return 0;
    }
    atomic_fetch_add(&c->failed, 1);
    return atomic_load(&c->err);
}

/* True: fail with errno set. */
static int fails(enum kind kind)
{
    int err = fault(kind);

    if (err > 0) {
        errno = err;
    }
    return err > 0;
}

/* The function that would be called without us. */
#define NEXT(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (next == NULL) {                                                                            \
        next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                         \
    }

/* A function of which nothing is known but how it fails. */
#define WRAP(kind, failure, type, name, params, ...)                                               \
    type name params                                                                               \
    {                                                                                              \
        NEXT(name)                                                                                 \
        if (fails(kind)) {                                                                         \
            return failure;                                                                        \
        }                                                                                          \
        return next(__VA_ARGS__);                                                                  \
    }

WRAP(MALLOC, NULL, void *, malloc, (size_t n), n)
WRAP(MALLOC, NULL, void *, calloc, (size_t n, size_t size), n, size)
WRAP(MALLOC, NULL, void *, realloc, (void *p, size_t n), p, n)
WRAP(OPEN, NULL, FILE *, fopen, (const char *path, const char *mode), path, mode)
WRAP(OPEN, NULL, DIR *, opendir, (const char *path), path)
WRAP(ACCEPT, -1, int, accept4, (int fd, struct sockaddr *sa, socklen_t *n, int flags), fd, sa, n,
     flags)
WRAP(SOCKET, -1, int, socket, (int family, int type, int protocol), family, type, protocol)
WRAP(CONNECT, -1, int, connect, (int fd, const struct sockaddr *sa, socklen_t n), fd, sa, n)
WRAP(PIPE, -1, int, pipe2, (int fds[2], int flags), fds, flags)
WRAP(EPOLL, -1, int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *ev), ep, op, fd, ev)
WRAP(RANDOM, -1, ssize_t, getrandom, (void *p, size_t n, unsigned flags), p, n, flags)
WRAP(SOCKOPT, -1, int, getsockname, (int fd, struct sockaddr *sa, socklen_t *n), fd, sa, n)
WRAP(SOCKOPT, -1, int, getsockopt, (int fd, int level, int name, void *p, socklen_t *n), fd, level,
     name, p, n)
WRAP(SOCKOPT, -1, int, setsockopt, (int fd, int level, int name, const void *p, socklen_t n), fd,
     level, name, p, n)
WRAP(READ, -1, ssize_t, readv, (int fd, const struct iovec *v, int n), fd, v, n)
WRAP(SEND, -1, ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), fd, m, flags)

int config_read_file(config_t *config, const char *path)
{
    NEXT(config_read_file)
    spared = 1;
    int rc = next(config, path);
    spared = 0;
    return rc;
}

int config_read_string(config_t *config, const char *text)
{
    NEXT(config_read_string)
    spared = 1;
    int rc = next(config, text);
    spared = 0;
    return rc;
}

int pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    NEXT(pthread_create)
    return fails(THREAD) ? errno : next(id, attr, fn, arg);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    NEXT(posix_memalign)
    return fails(MALLOC) ? errno : next(p, align, n);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    NEXT(open)
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list ap;

        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return fails(OPEN) ? -1 : next(path, flags, mode);
}

/* Those that may also move less than they were asked to. */
#define MOVES(kind, name, params, n, ...)                                                          \
    ssize_t name params                                                                            \
    {                                                                                              \
        int err = fault(kind);                                                                     \
                                                                                                   \
        NEXT(name)                                                                                 \
        if (err > 0) {                                                                             \
            errno = err;                                                                           \
            return -1;                                                                             \
        }                                                                                          \
        n = err == SHORT && n > 1 ? 1 : n;                                                         \
        return next(__VA_ARGS__);                                                                  \
    }

MOVES(READ, recv, (int fd, void *p, size_t n, int flags), n, fd, p, n, flags)
MOVES(WRITE, write, (int fd, const void *p, size_t n), n, fd, p, n)
MOVES(WRITE, writev, (int fd, const struct iovec *v, int n), n, fd, v, n)
MOVES(SEND, send, (int fd, const void *p, size_t n, int flags), n, fd, p, n, flags)
MOVES(SPLICE, splice, (int in, off64_t *at, int out, off64_t *to, size_t n, unsigned flags), n, in,
      at, out, to, n, flags)

int clock_gettime(clockid_t id, struct timespec *ts)
{
    NEXT(clock_gettime)
    int rc = next(id, ts);

    if (rc == 0 && id == CLOCK_REALTIME) {
        ts->tv_sec += atomic_load_explicit(&control->wall_s, memory_order_relaxed);
    }
    return rc;
}
