/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of the load generator: clients in front of a proxy and the upstream behind it, both in
 * one program, so that every byte can be checked at both ends.
 *
 *   load.c           options, the measured window, the result
 *   load_client.c    what a client does
 *   load_upstream.c  what the upstream does
 *   load_io.c        sockets, TLS, checked bytes
 *
 * Each thread has its own clients, its own listening socket and its own epoll set.
 */
#ifndef POSTERN_BENCH_LOAD_H
#define POSTERN_BENCH_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MSG_SIZE   64           /* of a small message, and of the answer to a greeting      */
#define BULK_CHUNK (256 * 1024) /* read or written at once                                  */
#define IDLE_BYTES (16 * 1024)  /* exchanged both ways before a connection idles            */
#define GREET_MAX  (24 * 1024)  /* a PROXY header and a greeting                            */
#define HIST_MINOR 128          /* buckets per doubling: errors below 1 percent             */
#define HIST_SIZE  (40 * HIST_MINOR)

/*
 * Every connection begins with a greeting, a ClientHello or (inside TLS) a small message, and the
 * upstream's answer, which is a digest of it. Then
 *   conn  the upstream closes, and the client begins anew
 *   ping  small messages, each answered by a digest of it
 *   down  the upstream sends a pattern for ever; up: the client does
 *   idle  IDLE_BYTES of the pattern each way; then nothing until told, then one ping
 */
enum mode { MODE_CONN, MODE_PING, MODE_DOWN, MODE_UP, MODE_IDLE };

struct options {
    enum mode mode;
    unsigned conns, threads, names, rate;
    uint16_t port, upstream_port;
    unsigned warm_ms, window_ms;
    size_t hello_size, pq_share;
    bool tls, resume, tls12;
    const char *groups, *suites, *cert, *key;
    pid_t pids[64];
    unsigned n_pids;
};

enum state {
    ST_FREE,    /* client: nothing (rate limited, or over)           */
    ST_CONNECT, /* client: TCP, then TLS                              */
    ST_GREET,   /* client: the answer is awaited; upstream: the greeting */
    ST_RUN,     /* what the mode says                                 */
    ST_IDLE     /* client: quiet, all is exchanged                    */
};

struct thread;

struct conn {
    struct thread *t;
    int fd;
    bool upstream;
    uint8_t state;
    uint32_t armed; /* epoll events */
    uint64_t t0;    /* of the unit under way */
    uint64_t nonce;
    uint64_t sent, got;    /* bytes of the pattern */
    uint8_t msg[MSG_SIZE]; /* a small message that arrives */
    size_t n_msg;
    uint8_t *keep; /* upstream: the greeting so far */
    size_t n_keep;
    void *ssl, *session;
    struct conn *next; /* free list */
};

struct thread {
    const struct options *o;
    unsigned index;
    int epoll, listener, timer;
    struct conn *clients;
    unsigned n_clients, opening, opened;
    struct conn *free;
    struct conn listen_mark, timer_mark;
    uint8_t *buf; /* BULK_CHUNK */
    uint8_t *greeting;
    size_t n_greeting;
    void *ctx;
    uint64_t random;
    atomic_ullong units, full, resumed, ready;
    atomic_uint *hist;
};

/* What all threads look at. */
extern struct load_state {
    atomic_bool measuring, over, ping;
    atomic_uint errors;
    uint8_t *pattern;
} load_state;

/* load.c */
void load_error(const char *where, const char *what);
void load_unit(struct thread *t, uint64_t n);
void load_latency(struct thread *t, uint64_t ns);
uint64_t now_ns(void);

/* load_client.c */
bool clients_start(struct thread *t);
void client_event(struct conn *c, uint32_t events);
void client_tick(struct thread *t);
/* ST_IDLE clients send one message each (MODE_IDLE, once). */
void clients_ping(struct thread *t);

/* load_upstream.c */
bool upstream_listen(struct thread *t);
void upstream_accept(struct thread *t);
void upstream_event(struct conn *c, uint32_t events);

/* load_io.c */
enum { IO_EOF = 0, IO_AGAIN = -1, IO_ERROR = -2 };
ssize_t io_read(struct conn *c, void *p, size_t n);
ssize_t io_write(struct conn *c, const void *p, size_t n);
/* All of a small message, or an error is counted. */
bool io_send(struct conn *c, const void *p, size_t n);
/* 1: done, 0: under way, -1: failed. */
int io_handshake(struct conn *c);
void io_close(struct conn *c);
void io_arm(struct conn *c, uint32_t events);
void *io_context(const struct options *o);
bool io_tls_start(struct conn *c);
/* "TLSv1.3 SUITE group KEY" of the first handshake of this process, or "". */
const char *io_negotiated(void);
void make_pattern(void);
const uint8_t *pattern_at(uint64_t off);
void digest(uint8_t out[MSG_SIZE], const uint8_t *p, size_t n);

#endif
