/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/tools/tcp_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { KEEP_MAX = 1 << 20, CHUNK = 64 * 1024 };

struct address {
    socklen_t n;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
};

int64_t peer_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum peer_status failed(const char *what)
{
    perror(what);
    return PEER_FAILED;
}

/* A number-only address; "host" without a port is accepted for sources. */
static bool address_parse(const char *text, struct address *a)
{
    char host[INET6_ADDRSTRLEN + 1];
    const char *end;
    unsigned long port = 0;
    size_t n;

    memset(a, 0, sizeof(*a));
    if (strncmp(text, "unix:", 5) == 0) {
        if (strlen(text + 5) >= sizeof(a->u.un.sun_path)) {
            return false;
        }
        a->u.un.sun_family = AF_UNIX;
        memcpy(a->u.un.sun_path, text + 5, strlen(text + 5));
        a->n = sizeof(a->u.un);
        return true;
    }
    end = text[0] == '[' ? strchr(text, ']') : strchr(text, ':');
    if (end == NULL) {
        end = text + strlen(text);
    }
    if (text[0] == '[') {
        text++;
    }
    n = (size_t)(end - text);
    if (n >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, n);
    host[n] = '\0';
    if (*end == ']') {
        end++;
    }
    if (*end == ':') {
        port = strtoul(end + 1, NULL, 10);
    }
    if (port > UINT16_MAX) {
        return false;
    }
    if (inet_pton(AF_INET, host, &a->u.in.sin_addr) == 1) {
        a->u.in.sin_family = AF_INET;
        a->u.in.sin_port = htons((uint16_t)port);
        a->n = sizeof(a->u.in);
        return true;
    }
    a->u.in6.sin6_family = AF_INET6;
    a->u.in6.sin6_port = htons((uint16_t)port);
    a->n = sizeof(a->u.in6);
    return inet_pton(AF_INET6, host, &a->u.in6.sin6_addr) == 1;
}

enum peer_status peer_wait(struct peer *p, int fd, short events, int ms)
{
    int64_t end = ms < 0 ? p->deadline_ms : peer_now() + ms;
    struct pollfd pfd = { .fd = fd, .events = events };

    if (end > p->deadline_ms) {
        end = p->deadline_ms;
    }
    for (;;) {
        int64_t left = end - peer_now();
        int n = poll(&pfd, 1, left > 0 ? (int)left : 0);

        if (n > 0) {
            return PEER_OK;
        }
        if (n < 0 && errno != EINTR) {
            return failed("poll");
        }
        if (peer_now() < end) {
            continue;
        }
        if (end < p->deadline_ms) {
            return PEER_OK;
        }
        fprintf(stderr, "tcp_peer: deadline\n");
        return PEER_DEADLINE;
    }
}

/* Buffer sizes must be known before the handshake to show up as the TCP window. */
static int socket_new(const struct peer *p, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;

    if (fd < 0) {
        return -1;
    }
    if (family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (p->rcvbuf > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &p->rcvbuf, sizeof(p->rcvbuf));
    }
    if (p->sndbuf > 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &p->sndbuf, sizeof(p->sndbuf));
    }
    return fd;
}

enum peer_status peer_connect(struct peer *p, const char *address)
{
    struct address to, from;
    enum peer_status rc;
    int e = 0;
    socklen_t n = sizeof(e);

    if (!address_parse(address, &to) || (p->source != NULL && !address_parse(p->source, &from))) {
        fprintf(stderr, "tcp_peer: %s: not an address\n", address);
        return PEER_USAGE;
    }
    p->fd = socket_new(p, to.u.any.sa_family);
    if (p->fd < 0) {
        return failed("socket");
    }
    if (p->source != NULL && bind(p->fd, &from.u.any, from.n) != 0) {
        return failed("bind");
    }
    p->end = END_OPEN;
    if (connect(p->fd, &to.u.any, to.n) == 0) {
        return PEER_OK;
    }
    if (errno != EINPROGRESS) {
        return failed("connect");
    }
    rc = peer_wait(p, p->fd, POLLOUT, -1);
    if (rc != PEER_OK) {
        return rc;
    }
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0) {
        return failed("getsockopt");
    }
    errno = e;
    return e == 0 ? PEER_OK : failed("connect");
}

enum peer_status peer_listen(struct peer *p, const char *address)
{
    struct address a;

    if (!address_parse(address, &a)) {
        fprintf(stderr, "tcp_peer: %s: not an address\n", address);
        return PEER_USAGE;
    }
    p->listener = socket_new(p, a.u.any.sa_family);
    if (p->listener < 0) {
        return failed("socket");
    }
    if (bind(p->listener, &a.u.any, a.n) != 0) {
        return failed("bind");
    }
    if (listen(p->listener, 1024) != 0) {
        return failed("listen");
    }
    if (getsockname(p->listener, &a.u.any, &a.n) != 0) {
        return failed("getsockname");
    }
    fprintf(stderr, "listening %u\n",
            a.u.any.sa_family == AF_INET    ? ntohs(a.u.in.sin_port)
            : a.u.any.sa_family == AF_INET6 ? ntohs(a.u.in6.sin6_port)
                                            : 0);
    return PEER_OK;
}

enum peer_status peer_accept(struct peer *p)
{
    enum peer_status rc;
    int one = 1;

    peer_close(p);
    for (;;) {
        rc = peer_wait(p, p->listener, POLLIN, -1);
        if (rc != PEER_OK) {
            return rc;
        }
        p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (p->fd >= 0) {
            break;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            return failed("accept");
        }
    }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    p->end = END_OPEN;
    fprintf(stderr, "accepted\n");
    return PEER_OK;
}

/* Wait until the other side has acknowledged everything, so that nothing is merged with it. */
static enum peer_status wait_acknowledged(struct peer *p)
{
    int left = 0;

    while (ioctl(p->fd, SIOCOUTQ, &left) == 0 && left > 0) {
        enum peer_status rc = peer_wait(p, -1, 0, 1);

        if (rc != PEER_OK) {
            return rc;
        }
    }
    return PEER_OK;
}

enum peer_status peer_send(struct peer *p, const uint8_t *data, size_t n)
{
    while (n > 0) {
        size_t part = p->segment > 0 && p->segment < n ? p->segment : n;
        ssize_t w = send(p->fd, data, part, MSG_NOSIGNAL);
        enum peer_status rc;

        if (w < 0 && errno == EAGAIN) {
            rc = peer_wait(p, p->fd, POLLOUT, -1);
            if (rc != PEER_OK) {
                return rc;
            }
            continue;
        }
        if (w < 0 && (errno == ECONNRESET || errno == EPIPE)) {
            p->end = END_RST;
            fprintf(stderr, "tcp_peer: reset while sending\n");
            return PEER_RST;
        }
        if (w < 0) {
            return failed("send");
        }
        data += w;
        n -= (size_t)w;
        p->sent += (uint64_t)w;
        if (p->segment > 0 && (rc = wait_acknowledged(p)) != PEER_OK) {
            return rc;
        }
    }
    return PEER_OK;
}

static enum peer_status note(struct peer *p, const uint8_t *data, size_t n)
{
    size_t keep = n < KEEP_MAX - p->n_kept ? n : KEEP_MAX - p->n_kept;

    if (p->kept == NULL && (p->kept = malloc(KEEP_MAX)) == NULL) {
        return failed("malloc");
    }
    memcpy(p->kept + p->n_kept, data, keep);
    p->n_kept += keep;
    p->received += n;
    if (p->out != NULL && (fwrite(data, 1, n, p->out) != n || fflush(p->out) != 0)) {
        return failed("--out");
    }
    return PEER_OK;
}

enum peer_status peer_read(struct peer *p, size_t n, size_t *got)
{
    uint8_t b[CHUNK];
    size_t want = n < sizeof(b) ? n : sizeof(b);
    enum peer_status rc;
    ssize_t r;

    *got = 0;
    if (p->slow_bytes > 0 && want > p->slow_bytes) {
        want = p->slow_bytes;
    }
    if (p->slow_ms > 0 && (rc = peer_wait(p, -1, 0, (int)p->slow_ms)) != PEER_OK) {
        return rc;
    }
    for (;;) {
        rc = peer_wait(p, p->fd, POLLIN, -1);
        if (rc != PEER_OK) {
            return rc;
        }
        r = recv(p->fd, b, want, 0);
        if (r >= 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }
    }
    if (r > 0) {
        *got = (size_t)r;
        return note(p, b, (size_t)r);
    }
    if (r < 0 && errno != ECONNRESET) {
        return failed("recv");
    }
    p->end = r == 0 ? END_EOF : END_RST;
    return PEER_OK;
}

enum peer_status peer_duplex(struct peer *p, FILE *f)
{
    uint8_t b[CHUNK];
    size_t n = 0, at = 0, got;
    bool over = false;

    while (p->end == END_OPEN || !over) {
        short events = (short)((p->end == END_OPEN ? POLLIN : 0) | (over ? 0 : POLLOUT));
        struct pollfd pfd = { .fd = p->fd, .events = events };
        enum peer_status rc = peer_wait(p, p->fd, events, -1);
        ssize_t w;

        if (rc != PEER_OK) {
            return rc;
        }
        if (poll(&pfd, 1, 0) < 0) {
            return failed("poll");
        }
        if (p->end == END_OPEN && (pfd.revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
            (rc = peer_read(p, sizeof(b), &got)) != PEER_OK) {
            return rc;
        }
        if (p->end == END_RST) {
            return PEER_RST;
        }
        if (over || (pfd.revents & POLLOUT) == 0) {
            continue;
        }
        if (at == n) {
            n = fread(b, 1, sizeof(b), f);
            at = 0;
            if (n == 0) {
                if (ferror(f)) {
                    return failed("send-file");
                }
                shutdown(p->fd, SHUT_WR);
                over = true;
                continue;
            }
        }
        w = send(p->fd, b + at, n - at, MSG_NOSIGNAL);
        if (w < 0 && (errno == ECONNRESET || errno == EPIPE)) {
            p->end = END_RST;
            return PEER_RST;
        }
        if (w < 0 && errno != EAGAIN) {
            return failed("send");
        }
        at += w > 0 ? (size_t)w : 0;
        p->sent += w > 0 ? (uint64_t)w : 0;
    }
    return PEER_OK;
}

void peer_close(struct peer *p)
{
    if (p->fd >= 0) {
        close(p->fd);
    }
    p->fd = -1;
}

void peer_reset(struct peer *p)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    if (p->fd >= 0) {
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    peer_close(p);
}
