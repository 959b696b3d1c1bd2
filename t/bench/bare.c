/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bare PORT UPSTREAM-PORT WORKERS: the least that a relay on loopback can do, to see how far the
 * proxies are from it. It reads whatever comes first, connects, and copies both ways until both
 * ends are done. No names, no deadlines, no limits, no log: not a proxy to use.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, EVENTS = 256, BACKLOG = 4096 };

struct end {
    struct relay *relay;
    int fd;
    bool hup;   /* no more is to come than what is here now            */
    bool ended; /* all of it was read                                  */
    char *rest; /* what this end has not taken yet; NULL: nothing      */
    size_t rest_n;
};

struct relay {
    struct relay *next; /* of the dead */
    struct end ends[2]; /* client, upstream */
    bool dead;
};

struct worker {
    uint16_t upstream;
    int listener, epoll;
    struct relay *dead; /* freed when no event of this round can point at them */
    char chunk[CHUNK];
};

__attribute__((noreturn)) static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void end_relay(struct worker *w, struct relay *r)
{
    if (r->dead) {
        return;
    }
    r->dead = true;
    for (int i = 0; i < 2; i++) {
        close(r->ends[i].fd);
        free(r->ends[i].rest);
    }
    r->next = w->dead;
    w->dead = r;
}

/* Send, keeping what does not fit. False: broken. */
static bool put(struct end *to, const char *p, size_t n)
{
    ssize_t sent = send(to->fd, p, n, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        return false;
    }
    sent = sent < 0 ? 0 : sent;
    if ((size_t)sent < n) {
        char *rest = malloc(n - (size_t)sent);
        if (rest == NULL) {
            return false;
        }
        memcpy(rest, p + sent, n - (size_t)sent);
        free(to->rest);
        to->rest = rest;
        to->rest_n = n - (size_t)sent;
    } else {
        free(to->rest);
        to->rest = NULL;
    }
    return true;
}

/* All that can be moved from one end to the other now. False: broken. */
static bool pump(struct worker *w, struct end *from, struct end *to)
{
    if (to->rest != NULL && !put(to, to->rest, to->rest_n)) {
        return false;
    }
    while (to->rest == NULL && !from->ended) {
        ssize_t n = recv(from->fd, w->chunk, CHUNK, 0);

        if (n < 0) {
            return errno == EAGAIN;
        }
        if (n == 0) {
            from->ended = true;
            shutdown(to->fd, SHUT_WR);
        } else if (!put(to, w->chunk, (size_t)n)) {
            return false;
        } else if (n < CHUNK && !from->hup) {
            return true; /* edge-triggered: what comes later is a new event */
        }
    }
    return true;
}

static void on_event(struct worker *w, struct end *e, uint32_t events)
{
    struct relay *r = e->relay;
    struct end *other = e == &r->ends[0] ? &r->ends[1] : &r->ends[0];
    bool good;

    if (r->dead) {
        return;
    }
    e->hup = e->hup || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    good = (events & ~(uint32_t)EPOLLOUT) == 0 || pump(w, e, other);
    good = good && ((events & EPOLLOUT) == 0 || pump(w, other, e));
    if (!good || (e->ended && other->ended)) {
        end_relay(w, r);
    }
}

static void watch(struct worker *w, struct end *e)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = e };

    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, e->fd, &ev) != 0) {
        die("epoll_ctl");
    }
}

static void accepted(struct worker *w, int fd)
{
    struct sockaddr_in a = loopback(w->upstream);
    struct relay *r = calloc(1, sizeof(*r));
    int up = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (r == NULL || up < 0 || setsockopt(up, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        (connect(up, (struct sockaddr *)&a, sizeof(a)) != 0 && errno != EINPROGRESS)) {
        die("upstream");
    }
    r->ends[0] = (struct end){ .relay = r, .fd = fd };
    r->ends[1] = (struct end){ .relay = r, .fd = up };
    watch(w, &r->ends[0]);
    watch(w, &r->ends[1]);
}

static void accept_all(struct worker *w)
{
    int fd;

    while ((fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        accepted(w, fd);
    }
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(w->epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL) {
                accept_all(w);
            } else {
                on_event(w, events[i].data.ptr, events[i].events);
            }
        }
        while (w->dead != NULL) {
            struct relay *r = w->dead;
            w->dead = r->next;
            free(r);
        }
    }
    return NULL;
}

static struct worker *make_worker(uint16_t port, uint16_t upstream)
{
    struct worker *w = calloc(1, sizeof(*w));
    struct sockaddr_in a = loopback(port);
    struct epoll_event ev = { .events = EPOLLIN };
    int on = 1, seconds = 5;

    if (w == NULL) {
        die("calloc");
    }
    w->upstream = upstream;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (setsockopt(w->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(w->listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        setsockopt(w->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        setsockopt(w->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)) != 0 ||
        bind(w->listener, (struct sockaddr *)&a, sizeof(a)) != 0 ||
        listen(w->listener, BACKLOG) != 0 ||
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->listener, &ev) != 0) {
        die("listener");
    }
    return w;
}

int main(int argc, char **argv)
{
    int workers = argc == 4 ? atoi(argv[3]) : 0;

    if (workers < 1) {
        fputs("usage: bare PORT UPSTREAM-PORT WORKERS\n", stderr);
        return 2;
    }
    for (int i = 0; i < workers; i++) {
        struct worker *w = make_worker((uint16_t)atoi(argv[1]), (uint16_t)atoi(argv[2]));
        pthread_t thread;

        if (i == workers - 1) {
            run_worker(w);
        } else if (pthread_create(&thread, NULL, run_worker, w) != 0) {
            die("pthread_create");
        }
    }
    return 1;
}
