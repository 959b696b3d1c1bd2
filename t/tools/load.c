/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many connections through the daemon at once, both ends of them in this program:
 *     load [--chaos] [--seed N] [--timeout S] CLIENTS UPSTREAM-PORT PORT NAME...
 * Every client sends the ClientHello of one of the names and some bytes, ends its direction and
 * must get all of it back; then it begins anew. Names written "?name" may be refused instead.
 * With --chaos most connections are cut somewhere, or are slow. Runs until TERM, then says
 *     whole N cut N refused N failed N
 * Exit status: 0 nothing failed, 1 something did, 2 usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "t/tools/hello_build.h"

#define PAYLOAD_MAX 60000

enum manner { WHOLE, CUT_FIN, CUT_RST, SLOW, MANNERS };

struct load {
    int listener;
    uint16_t port;
    char **names;
    unsigned n_names, seed, timeout;
    bool chaos;
    atomic_bool over;
    atomic_ulong whole, cut, refused, failed;
};

struct client {
    struct load *load;
    unsigned seed;
};

static uint32_t dice(unsigned *seed, uint32_t sides)
{
    return (uint32_t)rand_r(seed) % sides;
}

static void set_timeouts(int fd, unsigned seconds)
{
    const struct timeval tv = { .tv_sec = seconds };

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* --- upstream --------------------------------------------------------------------------------- */

static bool send_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

        if (k < 0) {
            return false;
        }
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* Echo one connection after the other. */
static void *serve(void *arg)
{
    struct load *l = arg;
    uint8_t buf[16384];

    for (;;) {
        int fd = accept(l->listener, NULL, NULL);
        ssize_t n;

        if (fd < 0) {
            return NULL;
        }
        set_timeouts(fd, l->timeout);
        while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 && send_all(fd, buf, (size_t)n)) {
        }
        (void)close(fd);
    }
}

/* --- clients ---------------------------------------------------------------------------------- */

static void close_hard(int fd)
{
    const struct linger now = { .l_onoff = 1 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    (void)close(fd);
}

/* What one connection sends: a hello and noise. */
static void make_bytes(struct bytes *out, const char *name, unsigned *seed)
{
    struct hello_spec spec = { .sni = name, .sni_n = strlen(name), .seed = dice(seed, 1000) };
    size_t n = dice(seed, 4) == 0 ? dice(seed, PAYLOAD_MAX) : dice(seed, 1000);
    struct bytes message = { 0 };

    (void)hello_message(&message, &spec);
    hello_records(out, message.p, message.n, 0, dice(seed, 3) == 0 ? 100 : 0, false);
    bytes_free(&message);
    for (size_t i = 0; i < n; i++) {
        uint8_t b = (uint8_t)rand_r(seed);

        bytes_add(out, &b, 1);
    }
}

/* Bytes received, 0 or -1: an end. Says whether others were sent; an alert is an end. */
static ssize_t receive(int fd, const struct bytes *sent, size_t at, bool *wrong)
{
    uint8_t buf[16384];
    ssize_t n = recv(fd, buf, sizeof(buf), 0);

    if (n <= 0 || (at == 0 && buf[0] == 0x15)) {
        return n < 0 ? -1 : 0;
    }
    *wrong = (size_t)n > sent->n - at || memcmp(buf, sent->p + at, (size_t)n) != 0;
    return n;
}

/* Send up to `stop` and receive at once. Answers the bytes received, after the end of both. */
static size_t exchange(int fd, const struct bytes *b, size_t stop, enum manner m, unsigned *seed,
                       bool *wrong)
{
    size_t out = 0, in = 0;

    for (;;) {
        struct pollfd p = { .fd = fd, .events = (short)(POLLIN | (out < stop ? POLLOUT : 0)) };
        size_t piece = m == SLOW ? 1 + dice(seed, 200) : stop - out;
        ssize_t n;

        if (poll(&p, 1, -1) < 0) {
            return in;
        }
        if ((p.revents & POLLOUT) != 0) {
            n = send(fd, b->p + out, piece < stop - out ? piece : stop - out,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN) {
                return in;
            }
            out += n > 0 ? (size_t)n : 0;
            if (out == stop && stop < b->n) {
                return in;
            }
            if (out == stop) {
                (void)shutdown(fd, SHUT_WR);
            }
            if (m == SLOW && out < 2000) {
                (void)usleep(1000);
            }
        }
        if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            n = receive(fd, b, in, wrong);
            if (n <= 0 || *wrong) {
                return in;
            }
            in += (size_t)n;
        }
    }
}

static int dial(const struct load *l)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(l->port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* A refusal is an alert record, or nothing at all. */
static void judge(struct load *l, const char *name, bool optional, size_t in, size_t all,
                  bool wrong)
{
    if (in == all && !wrong) {
        atomic_fetch_add(&l->whole, 1);
    } else if (optional && in == 0) {
        atomic_fetch_add(&l->refused, 1);
    } else {
        fprintf(stderr, "load: %s: %zu of %zu bytes%s: %s\n", name, in, all,
                wrong ? ", then others" : "", strerror(errno));
        atomic_fetch_add(&l->failed, 1);
    }
}

static void one(struct load *l, unsigned *seed)
{
    const char *name = l->names[dice(seed, l->n_names)];
    enum manner m = l->chaos ? (enum manner)dice(seed, MANNERS) : WHOLE;
    bool optional = name[0] == '?', wrong = false;
    struct bytes b = { 0 };
    size_t in = 0, stop;
    int fd = dial(l);

    name += optional;
    if (fd < 0) {
        judge(l, name, false, 0, 1, false);
        return;
    }
    make_bytes(&b, name, seed);
    stop = m == CUT_FIN || m == CUT_RST ? dice(seed, (uint32_t)(dice(seed, 2) ? b.n : 300)) : b.n;
    stop = stop > b.n ? b.n : stop;
    errno = 0;
    set_timeouts(fd, l->timeout);
    if (stop > 0) {
        in = exchange(fd, &b, stop, m, seed, &wrong);
    }
    if (stop == b.n) {
        judge(l, name, optional, in, b.n, wrong);
    } else {
        atomic_fetch_add(&l->cut, 1);
    }
    if (m == CUT_RST) {
        close_hard(fd);
    } else {
        (void)close(fd);
    }
    bytes_free(&b);
}

static void *client(void *arg)
{
    struct client *c = arg;

    while (!atomic_load(&c->load->over)) {
        one(c->load, &c->seed);
        (void)usleep(dice(&c->seed, 4000));
    }
    return NULL;
}

/* --- all -------------------------------------------------------------------------------------- */

static bool listen_on(struct load *l, uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    int on = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return l->listener >= 0 &&
           setsockopt(l->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           bind(l->listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
           listen(l->listener, 1024) == 0;
}

static int run(struct load *l, unsigned n)
{
    struct client *clients = calloc(n, sizeof(*clients));
    pthread_t *threads = calloc(n, sizeof(*threads)), server;
    sigset_t term;
    int sig;

    if (clients == NULL || threads == NULL) {
        return 2;
    }
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &term, NULL);
    for (unsigned i = 0; i < 3 * n; i++) {
        if (pthread_create(&server, NULL, serve, l) != 0) {
            return 2;
        }
        (void)pthread_detach(server);
    }
    for (unsigned i = 0; i < n; i++) {
        clients[i] = (struct client){ .load = l, .seed = l->seed + i };
        if (pthread_create(&threads[i], NULL, client, &clients[i]) != 0) {
            return 2;
        }
    }
    puts("running");
    (void)fflush(stdout);
    (void)sigwait(&term, &sig);
    atomic_store(&l->over, true);
    for (unsigned i = 0; i < n; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    free(clients);
    free(threads);
    printf("whole %lu cut %lu refused %lu failed %lu\n", atomic_load(&l->whole),
           atomic_load(&l->cut), atomic_load(&l->refused), atomic_load(&l->failed));
    return atomic_load(&l->failed) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option known[] = { { "chaos", no_argument, NULL, 'c' },
                                           { "seed", required_argument, NULL, 's' },
                                           { "timeout", required_argument, NULL, 't' },
                                           { 0 } };
    struct load l = { .seed = 1, .timeout = 20 };
    int c;

    while ((c = getopt_long(argc, argv, "+", known, NULL)) != -1) {
        switch (c) {
        case 'c':
            l.chaos = true;
            break;
        case 's':
            l.seed = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 't':
            l.timeout = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    }
    if (argc - optind < 4) {
        fprintf(stderr, "usage: load [--chaos] [--seed N] CLIENTS UPSTREAM-PORT PORT NAME...\n");
        return 2;
    }
    l.port = (uint16_t)strtoul(argv[optind + 2], NULL, 10);
    l.names = argv + optind + 3;
    l.n_names = (unsigned)(argc - optind - 3);
    if (!listen_on(&l, (uint16_t)strtoul(argv[optind + 1], NULL, 10))) {
        perror("load: listen");
        return 2;
    }
    return run(&l, (unsigned)strtoul(argv[optind], NULL, 10));
}
