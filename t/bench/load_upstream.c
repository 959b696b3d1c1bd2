/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The upstream: answers greetings, then does its half of the mode. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/bench/load.h"

bool upstream_listen(struct thread *t)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(t->o->upstream_port) };
    int on = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    t->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->listener < 0 ||
        setsockopt(t->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(t->listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        setsockopt(t->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        bind(t->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(t->listener, 4096) != 0) {
        return false;
    }
    t->listen_mark = (struct conn){ .t = t, .fd = t->listener, .upstream = true };
    io_arm(&t->listen_mark, EPOLLIN);
    return true;
}

static void end(struct conn *c)
{
    io_close(c);
    c->next = c->t->free;
    c->t->free = c;
}

void upstream_accept(struct thread *t)
{
    for (int i = 0; i < 32; i++) {
        int fd = accept4(t->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct conn *c = t->free;

        if (fd < 0) {
            if (errno != EAGAIN) {
                load_error("accept", strerror(errno));
            }
            return;
        }
        if (c != NULL) {
            t->free = c->next;
        } else {
            c = malloc(sizeof(*c));
        }
        if (c == NULL) {
            abort();
        }
        *c = (struct conn){ .t = t, .fd = fd, .upstream = true, .state = ST_GREET };
        io_arm(c, EPOLLIN);
    }
}

/* Bytes of a PROXY header in front; 0: none, -1: more is needed. */
static ssize_t proxy_header(const uint8_t *p, size_t n)
{
    static const uint8_t v2[12] = { 13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10 };
    const uint8_t *nl;
    size_t all;

    if (n >= 16 && memcmp(p, v2, sizeof(v2)) == 0) {
        all = 16 + ((size_t)p[14] << 8 | p[15]);
        return n >= all ? (ssize_t)all : -1;
    }
    if (n >= 6 && memcmp(p, "PROXY ", 6) == 0) {
        nl = memchr(p, '\n', n);
        return nl == NULL ? -1 : nl - p + 1;
    }
    return n == 0 || p[0] == 13 || p[0] == 'P' ? -1 : 0;
}

/* Length of the greeting at p; 0: more is needed to know. */
static size_t greeting_size(const uint8_t *p, size_t n)
{
    if (n == 0) {
        return 0;
    }
    if (p[0] != 22) {
        return MSG_SIZE;
    }
    return n < 5 ? 0 : 5 + ((size_t)p[3] << 8 | p[4]);
}

/* What follows the greeting in MODE_UP is part of the pattern. */
static bool take_pattern(struct conn *c, const uint8_t *p, size_t n)
{
    if (n > 0 && memcmp(p, pattern_at(c->got), n) != 0) {
        load_error("upstream", "other bytes than were sent");
        return false;
    }
    c->got += n;
    if (c->t->o->mode == MODE_UP) {
        load_unit(c->t, n);
    }
    return true;
}

/* The greeting is whole: answer. False: the connection is over. */
static bool greeted(struct conn *c, const uint8_t *p, size_t n)
{
    uint8_t answer[MSG_SIZE];

    digest(answer, p, n);
    if (!io_send(c, answer, sizeof(answer)) || c->t->o->mode == MODE_CONN) {
        return false;
    }
    c->state = ST_RUN;
    if (c->t->o->mode == MODE_DOWN) {
        io_arm(c, EPOLLIN | EPOLLOUT);
    }
    return true;
}

/* False: the connection is over. */
static bool greet(struct conn *c, const uint8_t *p, size_t n)
{
    ssize_t skip;
    size_t size;

    if (c->n_keep > 0) {
        if (c->n_keep + n > GREET_MAX) {
            load_error("upstream", "the greeting does not end");
            return false;
        }
        memcpy(c->keep + c->n_keep, p, n);
        p = c->keep;
        n += c->n_keep;
    }
    skip = proxy_header(p, n);
    size = skip < 0 ? 0 : greeting_size(p + skip, n - (size_t)skip);
    if (size > 0 && n - (size_t)skip >= size) {
        return greeted(c, p + skip, size) &&
               take_pattern(c, p + skip + size, n - (size_t)skip - size);
    }
    if (c->keep == NULL) {
        c->keep = malloc(GREET_MAX);
        if (c->keep == NULL || n > GREET_MAX) {
            load_error("upstream", "no room for a greeting");
            return false;
        }
        memcpy(c->keep, p, n);
    }
    c->n_keep = n;
    return true;
}

static bool ping(struct conn *c, const uint8_t *p, size_t n)
{
    uint8_t answer[MSG_SIZE];

    while (n > 0) {
        size_t k = MSG_SIZE - c->n_msg < n ? MSG_SIZE - c->n_msg : n;

        memcpy(c->msg + c->n_msg, p, k);
        c->n_msg += k;
        p += k;
        n -= k;
        if (c->n_msg == MSG_SIZE) {
            c->n_msg = 0;
            digest(answer, c->msg, MSG_SIZE);
            if (!io_send(c, answer, sizeof(answer))) {
                return false;
            }
        }
    }
    return true;
}

static bool received(struct conn *c, const uint8_t *p, size_t n)
{
    size_t k;

    if (c->state == ST_GREET) {
        return greet(c, p, n);
    }
    switch (c->t->o->mode) {
    case MODE_UP:
        return take_pattern(c, p, n);
    case MODE_IDLE:
        k = IDLE_BYTES - c->got < n ? (size_t)(IDLE_BYTES - c->got) : n;
        if (!take_pattern(c, p, k)) {
            return false;
        }
        if (k > 0 && c->got == IDLE_BYTES) {
            io_arm(c, EPOLLIN | EPOLLOUT);
        }
        return ping(c, p + k, n - k);
    default:
        return ping(c, p, n);
    }
}

static bool send_pattern(struct conn *c)
{
    uint64_t all = c->t->o->mode == MODE_IDLE ? IDLE_BYTES : UINT64_MAX;
    size_t n = all - c->sent < BULK_CHUNK ? (size_t)(all - c->sent) : BULK_CHUNK;
    ssize_t w = io_write(c, pattern_at(c->sent), n);

    if (w == IO_ERROR) {
        return false;
    }
    c->sent += w > 0 ? (uint64_t)w : 0;
    if (c->sent == all) {
        io_arm(c, EPOLLIN);
    }
    return true;
}

void upstream_event(struct conn *c, uint32_t events)
{
    struct thread *t = c->t;
    bool good = true;

    if ((events & EPOLLOUT) != 0) {
        good = send_pattern(c);
    }
    if (good && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        ssize_t n = io_read(c, t->buf, BULK_CHUNK);

        good = n > 0 ? received(c, t->buf, (size_t)n) : n == IO_AGAIN;
        if (n == IO_ERROR && !atomic_load(&load_state.over)) {
            load_error("upstream", strerror(errno));
        } else if (n == IO_EOF && !atomic_load(&load_state.over)) {
            load_error("upstream", "an end that the client did not send");
        }
    }
    if (!good) {
        end(c);
    }
}
