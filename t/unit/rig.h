/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the stream and relay tests share: a loop, pairs of sockets, a relay and its two far ends. */
#ifndef POSTERN_UNIT_RIG_H
#define POSTERN_UNIT_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/loop.h"
#include "core/stream/pipe_pool.h"
#include "core/stream/relay.h"
#include "core/stream/stream.h"
#include "t/harness/mem_stream.h"

#define RIG_DEADLINE_MS 20000

/* A far end in the test's hand: sends `plan` bytes of its own pattern, checks what arrives. */
struct rig_peer {
    int fd;
    uint32_t seed; /* of what it sends                         */
    size_t plan;   /* how much it sends in all                 */
    size_t sent, got;
    size_t piece;        /* most bytes a call; 0: 64 KiB             */
    uint32_t want_seed;  /* of what it expects                       */
    bool fin_after_plan; /* half-close when everything is sent       */
    bool silent;         /* does not read                            */
    bool shut, eof, bad; /* sent FIN, saw FIN, saw a wrong byte      */
    int err;             /* errno of a failed call                   */
};

struct rig {
    struct loop *loop;
    struct pipe_pool *pipes;
    struct stream *s[2]; /* the proxy's ends: client, upstream */
    struct relay *relay;
    struct rig_peer peer[2];
    struct relay_end end;
    int ended; /* how often done ran */
    uint64_t started;
};

/* The byte at `at` of the pattern with this seed. */
uint8_t rig_byte(uint32_t seed, size_t at);

/* Connected non-blocking sockets: TCP over loopback, or a pair of unix sockets of this type. */
void rig_tcp_pair(int fd[2], int buffer);
void rig_unix_pair(int fd[2], int type);

/* A loop and a pool of `pipes`; no streams yet. */
void rig_open(struct rig *g, size_t pipes);
/* Both sides are TCP; buffer > 0: so small socket buffers. */
void rig_tcp(struct rig *g, int buffer);
void rig_relay(struct rig *g, uint64_t idle_ms, uint64_t half_close_ms);
void rig_close(struct rig *g);

/* A rig whose sides are streams in memory, relayed; they must be closed once when it ends. */
void rig_open_mem(struct rig *g, struct mem_stream *mem[2]);
void rig_close_mem(struct rig *g, struct mem_stream *mem[2]);

/* One stream over a socket, or any other when the test fills it in, and what it told. */
struct rig_stream {
    struct loop *loop;
    struct stream *s;
    int far; /* the other end; -1: none */
    unsigned seen, calls;
};

/* A loop and a stream over fd[1], which it owns; fd[0] is the far end. */
void rig_stream_open(struct rig_stream *r, int fd[2]);
void rig_stream_open_tcp(struct rig_stream *r);
/* The callback of its stream; arg is the rig_stream. */
void rig_stream_ready(void *arg, unsigned events);
/* Turn the loop until `events` were told; fails the test past the deadline. */
void rig_stream_until(struct rig_stream *r, unsigned events);
void rig_stream_close(struct rig_stream *r);
/* stream_read() and stream_write() of one piece. */
int64_t rig_read(struct stream *from, char *p, size_t n);
int64_t rig_write(struct stream *to, const char *z);

/* One pass of the loop and of both peers. */
void rig_step(struct rig *g);
/* Step until cond(g) is true; fails the test past the deadline. */
void rig_until(struct rig *g, bool (*cond)(const struct rig *g));
bool rig_is_over(const struct rig *g);
/* Both peers have all that the other planned to send. */
bool rig_all_there(const struct rig *g);

#endif
