/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scriptable TCP peer of the end-to-end tests: one connection at a time, every wait under one
 * deadline, the end of the peer's stream told apart (FIN or RST).
 */
#ifndef POSTERN_TOOLS_TCP_PEER_H
#define POSTERN_TOOLS_TCP_PEER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Exit statuses. Everything but PEER_OK ends the script. */
enum peer_status {
    PEER_OK = 0,
    PEER_FAILED = 1, /* a system call failed          */
    PEER_USAGE = 2,
    PEER_DEADLINE = 3, /* --timeout is over             */
    PEER_EOF = 4,      /* an end nobody asked for       */
    PEER_RST = 5,      /* a reset nobody asked for      */
    PEER_MISMATCH = 6, /* the peer did something else   */
};

enum peer_end { END_OPEN, END_EOF, END_RST };

struct peer {
    int fd;             /* the connection, -1 when there is none */
    int listener;       /* -1 for a client                       */
    const char *source; /* local address of a client or NULL */
    int rcvbuf, sndbuf; /* 0: the kernel's                   */
    size_t segment;     /* bytes per TCP segment, 0: no matter   */
    size_t slow_bytes;  /* read at most so many ...              */
    unsigned slow_ms;   /* ... and then wait so long, 0: at once */
    int64_t deadline_ms;
    enum peer_end end; /* how the peer's stream ended */
    uint64_t sent, received;
    uint8_t *kept; /* received bytes that print shows, owned */
    size_t n_kept;
    FILE *out; /* received bytes go here as well, may be NULL */
};

/* Milliseconds of the monotonic clock. */
int64_t peer_now(void);

/* Wait for poll() events on fd, or only for time to pass (fd -1); ms < 0: until the deadline. */
enum peer_status peer_wait(struct peer *p, int fd, short events, int ms);

/* Connect, listen or accept. Addresses: "127.0.0.1:80", "[::1]:80", "unix:/path". */
enum peer_status peer_connect(struct peer *p, const char *address);
enum peer_status peer_listen(struct peer *p, const char *address);
enum peer_status peer_accept(struct peer *p);

/* Send all of it, in segments of p->segment bytes that are acknowledged one by one. */
enum peer_status peer_send(struct peer *p, const uint8_t *data, size_t n);

/*
 * Read once, at most n bytes, and note them: *got is 0 and p->end set when the stream is over.
 * PEER_OK also then; the caller judges the end.
 */
enum peer_status peer_read(struct peer *p, size_t n, size_t *got);

/* Send the stream f and its end while receiving until the peer's end. */
enum peer_status peer_duplex(struct peer *p, FILE *f);

/* Close with FIN, or with RST. */
void peer_close(struct peer *p);
void peer_reset(struct peer *p);

/*
 * Print n different TCP ports that nothing uses and no outgoing connection will get. They are not
 * given out again as long as the process `user` lives. (ports.c)
 */
enum peer_status peer_free_ports(unsigned n, pid_t user);

#endif
