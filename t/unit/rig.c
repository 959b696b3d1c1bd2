/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/unit/rig.h"

#include <check.h>
#include <event2/util.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"

uint8_t rig_byte(uint32_t seed, size_t at)
{
    uint32_t x = (uint32_t)(at >> 3) * 2654435761u + seed * 40503u + (uint32_t)at;
    return (uint8_t)(x ^ x >> 15);
}

static void shrink(int fd, int buffer)
{
    if (buffer <= 0) {
        return;
    }
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), 0);
}

void rig_tcp_pair(int fd[2], int buffer)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);
    int on = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(l, 0);
    shrink(l, buffer);
    ck_assert_int_eq(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(l, 1), 0);
    ck_assert_int_eq(getsockname(l, (struct sockaddr *)&a, &n), 0);
    fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd[0], 0);
    shrink(fd[0], buffer);
    ck_assert_int_eq(connect(fd[0], (struct sockaddr *)&a, sizeof(a)), 0);
    fd[1] = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ck_assert_int_ge(fd[1], 0);
    close(l);
    ck_assert_int_eq(evutil_make_socket_nonblocking(fd[0]), 0);
    for (int i = 0; i < 2; i++) {
        setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
}

void rig_unix_pair(int fd[2], int type)
{
    ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

void rig_open(struct rig *g, size_t pipes)
{
    memset(g, 0, sizeof(*g));
    g->loop = loop_new();
    g->pipes = pipe_pool_new(pipes);
    ck_assert_ptr_nonnull(g->loop);
    ck_assert_ptr_nonnull(g->pipes);
    g->peer[0] = (struct rig_peer){ .fd = -1, .seed = 1, .want_seed = 2 };
    g->peer[1] = (struct rig_peer){ .fd = -1, .seed = 2, .want_seed = 1 };
}

void rig_tcp(struct rig *g, int buffer)
{
    for (int i = 0; i < 2; i++) {
        int fd[2];
        rig_tcp_pair(fd, buffer);
        g->peer[i].fd = fd[0];
        g->s[i] = stream_raw_new(g->loop, fd[1]);
        ck_assert_ptr_nonnull(g->s[i]);
    }
}

static void on_done(void *arg, const struct relay_end *end)
{
    struct rig *g = arg;

    g->end = *end;
    g->ended++;
    /* As the owner does by closing them. */
    for (int i = 0; i < 2 && !end->truncated; i++) {
        (void)stream_shutdown_write(g->s[i]);
    }
}

void rig_relay(struct rig *g, uint64_t idle_ms, uint64_t half_close_ms)
{
    const struct relay_config cfg = { idle_ms, half_close_ms };

    g->relay = relay_new(g->loop, g->pipes, g->s[0], g->s[1], &cfg, on_done, g);
    ck_assert_ptr_nonnull(g->relay);
    g->started = clock_ns();
}

void rig_close(struct rig *g)
{
    relay_free(g->relay);
    for (int i = 0; i < 2; i++) {
        stream_free(g->s[i], PST_CLOSE_GRACEFUL);
        if (g->peer[i].fd >= 0) {
            close(g->peer[i].fd);
        }
    }
    ck_assert_uint_eq(pipe_pool_used(g->pipes), 0);
    pipe_pool_free(g->pipes);
    loop_free(g->loop);
}

static void mem_ready(void *arg, uint32_t events)
{
    stream_module_ready(*(struct stream **)arg, events);
}

void rig_open_mem(struct rig *g, struct mem_stream *mem[2])
{
    rig_open(g, 8);
    for (int i = 0; i < 2; i++) {
        mem[i] = mem_new(mem_ready, &g->s[i]);
        g->s[i] = stream_module_new(g->loop, &mem_ops, mem[i]);
        ck_assert_ptr_nonnull(g->s[i]);
    }
    rig_relay(g, 10000, 10000);
}

void rig_close_mem(struct rig *g, struct mem_stream *mem[2])
{
    rig_close(g);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(mem_was_closed(mem[i]), 1);
        mem_free(mem[i]);
    }
}

static void peer_send(struct rig_peer *p)
{
    uint8_t b[65536];
    size_t n = p->plan - p->sent;
    size_t most = p->piece > 0 ? p->piece : sizeof(b);

    if (n > most) {
        n = most;
    }
    for (size_t i = 0; i < n; i++) {
        b[i] = rig_byte(p->seed, p->sent + i);
    }
    ssize_t put = n == 0 ? 0 : send(p->fd, b, n, MSG_NOSIGNAL);
    if (put > 0) {
        p->sent += (size_t)put;
    } else if (put < 0 && errno != EAGAIN) {
        p->err = errno;
    }
    if (p->sent == p->plan && p->fin_after_plan && !p->shut) {
        p->shut = true;
        ck_assert_int_eq(shutdown(p->fd, SHUT_WR), 0);
    }
}

static void peer_receive(struct rig_peer *p)
{
    uint8_t b[65536];

    ssize_t n = recv(p->fd, b, p->piece > 0 ? p->piece : sizeof(b), 0);
    if (n == 0) {
        p->eof = true;
    }
    if (n < 0 && errno != EAGAIN) {
        p->err = errno;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (b[i] != rig_byte(p->want_seed, p->got + (size_t)i)) {
            p->bad = true;
        }
    }
    if (n > 0) {
        p->got += (size_t)n;
    }
}

void rig_step(struct rig *g)
{
    for (int i = 0; i < 2; i++) {
        struct rig_peer *p = &g->peer[i];
        if (p->fd < 0 || p->err != 0) {
            continue;
        }
        if (p->sent < p->plan || (p->fin_after_plan && !p->shut)) {
            peer_send(p);
        }
        if (!p->silent && !p->eof) {
            peer_receive(p);
        }
    }
    loop_step(g->loop, false);
}

void rig_until(struct rig *g, bool (*cond)(const struct rig *g))
{
    uint64_t deadline = clock_ns() + (uint64_t)RIG_DEADLINE_MS * 1000000;

    while (!cond(g)) {
        ck_assert_msg(clock_ns() < deadline, "not within %d ms: got %zu and %zu, ended %d",
                      RIG_DEADLINE_MS, g->peer[0].got, g->peer[1].got, g->ended);
        rig_step(g);
    }
}

bool rig_is_over(const struct rig *g)
{
    return g->ended > 0;
}

bool rig_all_there(const struct rig *g)
{
    return g->peer[0].got >= g->peer[1].plan && g->peer[1].got >= g->peer[0].plan;
}

void rig_stream_ready(void *arg, unsigned events)
{
    struct rig_stream *r = arg;

    r->seen |= events;
    r->calls++;
}

void rig_stream_open(struct rig_stream *r, int fd[2])
{
    *r = (struct rig_stream){ .loop = loop_new(), .far = fd[0] };
    ck_assert_ptr_nonnull(r->loop);
    r->s = stream_raw_new(r->loop, fd[1]);
    ck_assert_ptr_nonnull(r->s);
    stream_on_ready(r->s, rig_stream_ready, r);
}

void rig_stream_open_tcp(struct rig_stream *r)
{
    int fd[2];

    rig_tcp_pair(fd, 0);
    rig_stream_open(r, fd);
}

void rig_stream_until(struct rig_stream *r, unsigned events)
{
    uint64_t deadline = clock_ns() + (uint64_t)RIG_DEADLINE_MS * 1000000;

    while ((r->seen & events) != events) {
        ck_assert(clock_ns() < deadline);
        loop_step(r->loop, false);
    }
}

void rig_stream_close(struct rig_stream *r)
{
    stream_free(r->s, PST_CLOSE_GRACEFUL);
    if (r->far >= 0) {
        close(r->far);
    }
    loop_free(r->loop);
}

int64_t rig_read(struct stream *from, char *p, size_t n)
{
    struct pst_iov v = { (uint8_t *)p, n };

    return stream_read(from, &v, 1);
}

int64_t rig_write(struct stream *to, const char *z)
{
    uint8_t b[256];
    const struct pst_iov v = { b, strlen(z) };

    ck_assert_uint_le(strlen(z), sizeof(b));
    memcpy(b, z, strlen(z));
    return stream_write(to, &v, 1);
}
