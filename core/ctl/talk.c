/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/ctl/talk.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"

#define READ_SIZE 65536

struct talk {
    int fd;
    struct buf in;
    size_t used; /* of in: lines that were given out */
};

static int connect_to(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(un.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(un.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0) {
        int e = errno;

        close(fd);
        errno = e;
        fd = -1;
    }
    return fd;
}

static int send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return ERR_SYS;
        }
        p += sent;
        n -= (size_t)sent;
    }
    return ERR_OK;
}

struct talk *talk_new(const char *path, const char *request)
{
    struct talk *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        return NULL;
    }
    buf_init(&t->in, TALK_LINE_MAX + READ_SIZE);
    t->fd = connect_to(path);
    /* One that turns us away closes at once, and says why before. */
    if (t->fd >= 0 && send_all(t->fd, request, strlen(request)) != ERR_OK && errno != EPIPE &&
        errno != ECONNRESET) {
        int e = errno;

        close(t->fd);
        errno = e;
        t->fd = -1;
    }
    if (t->fd < 0) {
        free(t);
        return NULL;
    }
    return t;
}

void talk_free(struct talk *t)
{
    if (t != NULL) {
        close(t->fd);
        buf_free(&t->in);
        free(t);
    }
}

static enum talk_result fill(struct talk *t, int ms)
{
    struct pollfd pfd = { .fd = t->fd, .events = POLLIN };
    static char chunk[READ_SIZE];
    ssize_t n;
    int rc;

    do {
        rc = poll(&pfd, 1, ms);
    } while (rc < 0 && errno == EINTR);
    if (rc <= 0) {
        return rc == 0 ? TALK_QUIET : TALK_FAILED;
    }
    n = recv(t->fd, chunk, sizeof(chunk), 0);
    if (n <= 0) {
        return n == 0 ? TALK_END : TALK_FAILED;
    }
    if (buf_add(&t->in, chunk, (size_t)n) != ERR_OK) {
        errno = EMSGSIZE;
        return TALK_FAILED;
    }
    return TALK_LINE;
}

enum talk_result talk_line(struct talk *t, int ms, char **line)
{
    size_t looked = t->used;

    for (;;) {
        uint8_t *eol =
            t->in.len == looked ? NULL : memchr(t->in.p + looked, '\n', t->in.len - looked);
        enum talk_result rc;

        if (eol != NULL) {
            *eol = '\0';
            *line = (char *)t->in.p + t->used;
            t->used = (size_t)(eol - t->in.p) + 1;
            return TALK_LINE;
        }
        buf_drop(&t->in, t->used);
        t->used = 0;
        looked = t->in.len;
        rc = fill(t, ms);
        if (rc != TALK_LINE) {
            return rc;
        }
    }
}
