/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client does. Each slot of a thread is one client, with a connection at a time. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/bench/load.h"
#include "t/tools/hello_build.h"

#define OPENING_MAX 64 /* at once in MODE_IDLE, so that no backlog overflows */
#define RANDOM_AT   11 /* client random inside a ClientHello record: 5 + 4 + 2 */

static void client_begin(struct conn *c);

/* One hello per name; all have the same length. */
static bool make_greetings(struct thread *t)
{
    const struct options *o = t->o;

    for (unsigned i = 0; i < o->names; i++) {
        char name[64];
        struct hello_spec spec = { .seed = 1, .size = o->hello_size, .group_bytes = o->pq_share };
        struct bytes message = { 0 }, record = { 0 };

        (void)snprintf(name, sizeof(name), "n%06u.bench.test", i);
        spec.sni = name;
        spec.sni_n = strlen(name);
        if (!hello_message(&message, &spec)) {
            fputs("load: no such hello\n", stderr);
            return false;
        }
        hello_records(&record, message.p, message.n, 0, 0, false);
        if (t->greeting == NULL) {
            t->n_greeting = record.n;
            t->greeting = calloc(o->names, record.n);
        }
        if (t->greeting == NULL || record.n != t->n_greeting) {
            return false;
        }
        memcpy(t->greeting + i * record.n, record.p, record.n);
        bytes_free(&record);
        bytes_free(&message);
    }
    return true;
}

static uint64_t next_random(struct thread *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

/* The bytes of this connection's greeting, valid until the next call. */
static const uint8_t *greeting(struct conn *c, size_t *n)
{
    static _Thread_local uint8_t small[MSG_SIZE];
    uint8_t *p;

    if (c->t->o->tls) {
        memset(small, 'r', sizeof(small));
        memcpy(small + 8, &c->nonce, sizeof(c->nonce));
        *n = sizeof(small);
        return small;
    }
    p = c->t->greeting + c->nonce % c->t->o->names * c->t->n_greeting;
    memcpy(p + RANDOM_AT, &c->nonce, sizeof(c->nonce));
    *n = c->t->n_greeting;
    return p;
}

/* --- the end of a connection ------------------------------------------------------------------ */

static void client_lost(struct conn *c, const char *what)
{
    if (!atomic_load(&load_state.over)) {
        load_error("client", what);
    }
    io_close(c);
    c->state = ST_FREE;
}

static void client_again(struct conn *c)
{
    io_close(c);
    c->state = ST_FREE;
    if (c->t->o->rate == 0 && !atomic_load(&load_state.over)) {
        client_begin(c);
    }
}

/* --- messages --------------------------------------------------------------------------------- */

/*
 * Read until a small message is whole. 1: it is, 0: not yet, IO_EOF - 10 (-10): the end, < 0 error.
 */
static int read_message(struct conn *c)
{
    while (c->n_msg < MSG_SIZE) {
        ssize_t n = io_read(c, c->msg + c->n_msg, MSG_SIZE - c->n_msg);

        if (n == IO_AGAIN) {
            return 0;
        }
        if (n <= 0) {
            return -1;
        }
        c->n_msg += (size_t)n;
    }
    c->n_msg = 0;
    return 1;
}

static bool is_digest_of(const struct conn *c, const uint8_t *p, size_t n)
{
    uint8_t want[MSG_SIZE];

    digest(want, p, n);
    if (memcmp(want, c->msg, MSG_SIZE) != 0) {
        load_error("client", "another answer than the upstream gave");
        return false;
    }
    return true;
}

static void make_ping(struct conn *c, uint8_t p[MSG_SIZE])
{
    memset(p, 'p', MSG_SIZE);
    memcpy(p + 16, &c->nonce, sizeof(c->nonce));
}

static bool send_ping(struct conn *c)
{
    uint8_t p[MSG_SIZE];

    c->nonce = next_random(c->t);
    make_ping(c, p);
    c->t0 = now_ns();
    return io_send(c, p, sizeof(p));
}

/* --- opening ---------------------------------------------------------------------------------- */

static void client_begin(struct conn *c)
{
    struct thread *t = c->t;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(t->o->port) };
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->t0 = now_ns();
    c->nonce = next_random(t);
    c->armed = 0;
    c->n_msg = 0;
    c->sent = c->got = 0;
    c->state = ST_CONNECT;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0 ||
        (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)) {
        client_lost(c, strerror(errno));
        return;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (t->o->tls && !io_tls_start(c)) {
        client_lost(c, "no TLS");
        return;
    }
    io_arm(c, EPOLLIN | EPOLLOUT);
}

static void client_connect(struct conn *c)
{
    size_t n;
    const uint8_t *p;
    int rc = c->ssl == NULL ? 1 : io_handshake(c);

    if (rc < 0) {
        client_lost(c, "TLS");
        return;
    }
    io_arm(c, EPOLLIN);
    if (rc == 0) {
        return;
    }
    p = greeting(c, &n);
    if (!io_send(c, p, n)) {
        client_lost(c, "greeting");
        return;
    }
    c->state = ST_GREET;
}

/* A slot less is being opened: the next one (MODE_IDLE). */
static void open_next(struct thread *t)
{
    unsigned most = t->o->mode == MODE_IDLE ? OPENING_MAX : t->n_clients;

    while (t->opened < t->n_clients && t->opening < most) {
        t->opening++;
        client_begin(&t->clients[t->opened++]);
    }
}

static void client_greeted(struct conn *c)
{
    size_t n;
    const uint8_t *p;
    int rc = read_message(c);

    if (rc == 0) {
        return;
    }
    p = greeting(c, &n);
    if (rc < 0 || !is_digest_of(c, p, n)) {
        client_lost(c, "no answer to the greeting");
        return;
    }
    c->state = ST_RUN;
    switch (c->t->o->mode) {
    case MODE_CONN:
        load_latency(c->t, now_ns() - c->t0);
        break;
    case MODE_PING:
        if (!send_ping(c)) {
            client_lost(c, "ping");
        }
        break;
    case MODE_UP:
    case MODE_IDLE:
        io_arm(c, EPOLLIN | EPOLLOUT);
        break;
    case MODE_DOWN:
        break;
    }
}

/* --- running ---------------------------------------------------------------------------------- */

static void run_conn(struct conn *c)
{
    ssize_t n = io_read(c, c->msg, sizeof(c->msg));

    if (n == IO_AGAIN) {
        return;
    }
    if (n != IO_EOF) {
        client_lost(c, n > 0 ? "more than the answer" : "cut instead of an end");
        return;
    }
    load_unit(c->t, 1);
    client_again(c);
}

static void run_ping(struct conn *c)
{
    uint8_t p[MSG_SIZE];
    int rc = read_message(c);

    if (rc == 0) {
        return;
    }
    make_ping(c, p);
    if (rc < 0 || !is_digest_of(c, p, sizeof(p))) {
        client_lost(c, "no answer to a message");
        return;
    }
    load_latency(c->t, now_ns() - c->t0);
    load_unit(c->t, 1);
    if (c->t->o->mode == MODE_IDLE) {
        atomic_fetch_add(&c->t->ready, 1);
    } else if (!send_ping(c)) {
        client_lost(c, "ping");
    }
}

static void run_down(struct conn *c)
{
    size_t most = c->ssl == NULL ? BULK_CHUNK : 16384;
    ssize_t n;

    /* Bytes inside TLS are reported by nobody: read until there are none. */
    do {
        n = io_read(c, c->t->buf, most);
        if (n > 0 && memcmp(c->t->buf, pattern_at(c->got), (size_t)n) != 0) {
            client_lost(c, "other bytes than the upstream sent");
            return;
        }
        c->got += n > 0 ? (uint64_t)n : 0;
        if (n > 0 && c->t->o->mode == MODE_DOWN) {
            load_unit(c->t, (uint64_t)n);
        }
    } while (n > 0 && c->ssl != NULL);
    if (n == IO_EOF || n == IO_ERROR) {
        client_lost(c, "cut");
        return;
    }
    if (c->t->o->mode == MODE_IDLE && c->got == IDLE_BYTES) {
        c->state = ST_IDLE;
        c->t->opening--;
        atomic_fetch_add(&c->t->ready, 1);
        open_next(c->t);
    }
}

static void run_up(struct conn *c)
{
    uint64_t all = c->t->o->mode == MODE_IDLE ? IDLE_BYTES : UINT64_MAX;
    size_t most = c->ssl == NULL ? BULK_CHUNK : 16384;

    for (int i = 0; i < 16 && c->sent < all; i++) {
        size_t n = all - c->sent < most ? (size_t)(all - c->sent) : most;
        ssize_t w = io_write(c, pattern_at(c->sent), n);

        if (w == IO_AGAIN) {
            return;
        }
        if (w <= 0) {
            client_lost(c, "cannot send");
            return;
        }
        c->sent += (uint64_t)w;
    }
    if (c->sent == all) {
        io_arm(c, EPOLLIN);
    }
}

void client_event(struct conn *c, uint32_t events)
{
    switch ((enum state)c->state) {
    case ST_FREE:
        return;
    case ST_CONNECT:
        client_connect(c);
        return;
    case ST_GREET:
        client_greeted(c);
        /* What comes behind the answer may be inside TLS already. */
        if (c->state != ST_RUN || c->ssl == NULL || c->t->o->mode == MODE_PING) {
            return;
        }
        break;
    case ST_RUN:
    case ST_IDLE:
        break;
    }
    if ((c->armed & EPOLLOUT) != 0 && (events & EPOLLOUT) != 0) {
        run_up(c);
    }
    if (c->state == ST_FREE || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) {
        return;
    }
    if (c->t->o->mode == MODE_CONN) {
        run_conn(c);
    } else if (c->t->o->mode == MODE_PING || c->state == ST_IDLE) {
        run_ping(c);
    } else {
        run_down(c);
    }
}

/* Begin as many connections as their time has come; latency counts from that time. */
void client_tick(struct thread *t)
{
    uint64_t due = 0;

    if (read(t->timer, &due, sizeof(due)) != (ssize_t)sizeof(due)) {
        return;
    }
    for (unsigned i = 0; i < t->n_clients && due > 0; i++) {
        if (t->clients[i].state == ST_FREE) {
            due--;
            client_begin(&t->clients[i]);
        }
    }
    if (due > 0) {
        load_error("client", "the proxy does not keep up with the rate");
    }
}

void clients_ping(struct thread *t)
{
    for (unsigned i = 0; i < t->n_clients; i++) {
        if (t->clients[i].state == ST_IDLE && !send_ping(&t->clients[i])) {
            client_lost(&t->clients[i], "an idle connection is gone");
        }
    }
}

bool clients_start(struct thread *t)
{
    t->clients = calloc(t->n_clients, sizeof(*t->clients));
    if (t->clients == NULL || (!t->o->tls && !make_greetings(t))) {
        return false;
    }
    for (unsigned i = 0; i < t->n_clients; i++) {
        t->clients[i].t = t;
        t->clients[i].fd = -1;
    }
    if (t->o->rate == 0) {
        open_next(t);
    }
    return true;
}
