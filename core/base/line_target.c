/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/line_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/line_ring.h"

#define IDENT "postern"
/* Room for "<134>1 2026-11-21T05:00:00.123456Z host postern 12345 - - ". */
#define DEVLOG_HEAD (HOST_NAME_MAX + 96)

/* --- opening ---------------------------------------------------------------------------------- */

static void look_at(struct line_target *t)
{
    struct stat st;

    t->pieces = fstat(t->fd, &st) < 0 || !S_ISREG(st.st_mode);
}

struct line_target line_target_fd(int fd)
{
    struct line_target t = { .kind = LINE_TO_FD, .fd = fd };

    look_at(&t);
    return t;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

bool line_target_file(struct line_target *t, const char *path)
{
    *t = line_target_of(LINE_TO_FILE, path);
    if (t->path == NULL) {
        errno = ENOMEM;
        return false;
    }
    t->fd = open_file(path);
    if (t->fd < 0) {
        return false;
    }
    look_at(t);
    return true;
}

struct line_target line_target_of(enum line_target_kind kind, const char *path)
{
    struct line_target t = { .kind = kind, .fd = -1 };

    t.path = path == NULL ? NULL : strdup(path);
    return t;
}

void line_target_close(struct line_target *t)
{
    if (t->fd >= 0 && t->kind == LINE_TO_SYSLOG) {
        closelog();
    } else if (t->fd >= 0 && t->kind != LINE_TO_FD) {
        close(t->fd);
    }
    t->fd = -1;
    free(t->path);
    t->path = NULL;
}

/* --- unix sockets ----------------------------------------------------------------------------- */

static int connect_as(const struct sockaddr_un *un, socklen_t n, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)un, n) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Whoever listens there says by its answer whether it takes datagrams or a stream. */
static bool connected(struct line_target *t)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t n = t->path == NULL ? 0 : strlen(t->path);

    if (t->fd >= 0) {
        return true;
    }
    if (n == 0 || n >= sizeof(un.sun_path)) {
        errno = n == 0 ? ENOMEM : ENAMETOOLONG;
        return false;
    }
    memcpy(un.sun_path, t->path, n);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    t->stream = false;
    t->fd = connect_as(&un, len, SOCK_DGRAM);
    if (t->fd < 0 && errno == EPROTOTYPE && t->kind == LINE_TO_UNIX) {
        t->fd = connect_as(&un, len, SOCK_STREAM);
        t->stream = t->fd >= 0;
    }
    return t->fd >= 0;
}

/* The peer is gone: what it had of a line is worth nothing to the next one. */
static enum line_sent disconnected(struct line_target *t, const struct line_batch *b,
                                   struct line_cursor *c)
{
    int saved = errno;

    if (t->fd >= 0) {
        close(t->fd);
        t->fd = -1;
    }
    c->at = b->line[c->line].at;
    errno = saved;
    return LINE_SENT_FAILED;
}

/* --- cursors ---------------------------------------------------------------------------------- */

static void advance(const struct line_batch *b, struct line_cursor *c, size_t n)
{
    c->at += n;
    while (c->line < b->lines && b->line[c->line].at + b->line[c->line].n <= c->at) {
        c->line++;
    }
}

static size_t line_rest(const struct line_batch *b, const struct line_cursor *c)
{
    return b->line[c->line].at + b->line[c->line].n - c->at;
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool again(int err)
{
    return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/*
 * How much to write in one call. To a pipe never more than is surely taken at once when the
 * poller says that there is room, for the descriptor may be a blocking one that others use.
 */
static size_t piece(const struct line_target *t, const struct line_batch *b,
                    const struct line_cursor *c)
{
    size_t rest;

    if (!t->pieces) {
        return b->used - c->at;
    }
    rest = line_rest(b, c);
    return rest < PIPE_BUF ? rest : PIPE_BUF;
}

static enum line_sent write_fd(struct line_target *t, const struct line_batch *b,
                               struct line_cursor *c)
{
    while (c->at < b->used) {
        struct pollfd pfd = { .fd = t->fd, .events = POLLOUT };

        if (t->fd < 0) {
            errno = EBADF;
            return LINE_SENT_FAILED;
        }
        if (t->pieces && poll(&pfd, 1, 0) <= 0) {
            return LINE_SENT_FULL;
        }
        ssize_t n = write(t->fd, b->text + c->at, piece(t, b, c));
        if (n < 0 && again(errno)) {
            return LINE_SENT_FULL;
        }
        if (n <= 0) {
            return LINE_SENT_FAILED;
        }
        advance(b, c, (size_t)n);
    }
    return LINE_SENT_ALL;
}

/* The C library keeps the descriptor to itself; ours only says whether there is one. */
static enum line_sent write_syslog(struct line_target *t, const struct line_batch *b,
                                   struct line_cursor *c)
{
    if (t->fd < 0) {
        openlog(IDENT, LOG_PID | LOG_NDELAY, LOG_DAEMON);
        t->fd = 0;
    }
    for (; c->line < b->lines; c->line++) {
        const struct line *l = &b->line[c->line];
        size_t skip = l->n > t->skip ? t->skip : 0;

        syslog(l->level, "%.*s", (int)(l->n - skip) - 1, b->text + l->at + skip);
        c->at = l->at + l->n;
    }
    return LINE_SENT_ALL;
}

/* HEADER of RFC 5424 section 6: facility daemon, no message id, no structured data. */
static size_t devlog_head(char out[DEVLOG_HEAD], int level)
{
    char host[HOST_NAME_MAX + 1] = "-", day[32];
    uint64_t us = clock_wall_us();
    time_t s = (time_t)(us / 1000000u);
    struct tm tm;

    (void)gethostname(host, sizeof(host));
    host[sizeof(host) - 1] = '\0';
    gmtime_r(&s, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(out, DEVLOG_HEAD, "<%d>1 %s.%06uZ %s " IDENT " %ld - - ", LOG_DAEMON | level,
                     day, (unsigned)(us % 1000000u), host[0] == '\0' ? "-" : host, (long)getpid());
    return n > 0 && n < (int)DEVLOG_HEAD ? (size_t)n : 0;
}

/* One message a line; its newline is left out. */
static enum line_sent write_datagrams(struct line_target *t, const struct line_batch *b,
                                      struct line_cursor *c, uint64_t *lost)
{
    char head[DEVLOG_HEAD];

    while (c->line < b->lines) {
        const struct line *l = &b->line[c->line];
        struct iovec v[2] = { { head, 0 }, { b->text + l->at, l->n - 1u } };
        struct msghdr msg = { .msg_iov = v, .msg_iovlen = 2 };

        if (t->kind == LINE_TO_DEVLOG) {
            v[0].iov_len = devlog_head(head, l->level);
        }
        if (sendmsg(t->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (again(errno)) {
                return LINE_SENT_FULL;
            }
            if (errno != EMSGSIZE) {
                return disconnected(t, b, c);
            }
            ++*lost;
        }
        advance(b, c, l->n);
    }
    return LINE_SENT_ALL;
}

static enum line_sent write_stream(struct line_target *t, const struct line_batch *b,
                                   struct line_cursor *c)
{
    while (c->at < b->used) {
        ssize_t n = send(t->fd, b->text + c->at, b->used - c->at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && again(errno)) {
            return LINE_SENT_FULL;
        }
        if (n <= 0) {
            return disconnected(t, b, c);
        }
        advance(b, c, (size_t)n);
    }
    return LINE_SENT_ALL;
}

enum line_sent line_target_write(struct line_target *t, const struct line_batch *b,
                                 struct line_cursor *c, uint64_t *lost)
{
    switch (t->kind) {
    case LINE_TO_SYSLOG:
        return write_syslog(t, b, c);
    case LINE_TO_DEVLOG:
    case LINE_TO_UNIX:
        if (!connected(t)) {
            return LINE_SENT_FAILED;
        }
        return t->stream ? write_stream(t, b, c) : write_datagrams(t, b, c, lost);
    default:
        return write_fd(t, b, c);
    }
}

/* --- changing --------------------------------------------------------------------------------- */

/*
 * The old file would end in half a line. It is cut off where the line began, unless somebody else
 * has written behind it. A full disk allows that, too.
 */
static void cut_partial(const struct line_target *t, size_t partial)
{
    struct stat st;
    off_t end = lseek(t->fd, 0, SEEK_CUR);

    if (end >= (off_t)partial && fstat(t->fd, &st) == 0 && st.st_size == end) {
        (void)!ftruncate(t->fd, end - (off_t)partial);
    }
}

static bool same_file(int a, int b)
{
    struct stat x, y;

    return a >= 0 && b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

void line_target_replace(struct line_target *t, struct line_target *next,
                         const struct line_batch *b, struct line_cursor *c)
{
    size_t begin = c->line < b->lines ? b->line[c->line].at : b->used;

    if (c->at > begin && !same_file(t->fd, next->fd)) {
        if (t->kind == LINE_TO_FILE && !t->pieces) {
            cut_partial(t, c->at - begin);
        }
        c->at = begin;
    }
    line_target_close(t);
    *t = *next;
    *next = (struct line_target){ .fd = -1 };
}

void line_target_retry(struct line_target *t, const struct line_batch *b, struct line_cursor *c)
{
    struct line_target next;

    if (t->kind != LINE_TO_FILE || t->path == NULL) {
        return;
    }
    if (line_target_file(&next, t->path)) {
        line_target_replace(t, &next, b, c);
    } else {
        line_target_close(&next);
    }
}

bool line_target_deleted(const struct line_target *t)
{
    struct stat st;

    return t->kind == LINE_TO_FILE && !t->pieces &&
           (t->fd < 0 || (fstat(t->fd, &st) == 0 && st.st_nlink == 0));
}
