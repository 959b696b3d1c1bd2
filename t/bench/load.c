/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for a proxy and the upstream behind it:
 *     load --mode conn|ping|down|up|idle --port PROXY --upstream-port HERE [OPTION...]
 *       --conns N --threads N --names N --rate PER_SECOND
 *       --warm MS --window MS --pid PID (repeated: whose CPU time is read)
 *       --hello BYTES --key-share BYTES (of the ClientHello that is passed through)
 *       --tls 1.2|1.3 --groups LIST --suites LIST --cert FILE --key FILE --resume
 * In the window it counts units (connections, messages, bytes) and the CPU time of those processes,
 * and prints one JSON object. MODE idle: prints "ready" when all connections are quiet, waits for a
 * line of input, checks that all still work.
 * Exit status: 0 good, 1 errors (said on stderr), 2 usage.
 */
#include "t/bench/load.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define WAIT_SECONDS 60 /* for idle connections to be made, and to answer again */

struct load_state load_state;

uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void load_error(const char *where, const char *what)
{
    if (atomic_fetch_add(&load_state.errors, 1) < 5) {
        fprintf(stderr, "load: %s: %s\n", where, what);
    }
}

void load_unit(struct thread *t, uint64_t n)
{
    atomic_fetch_add_explicit(&t->units, n, memory_order_relaxed);
}

/* --- latencies: buckets whose width is a small part of their value ---------------------------- */

static unsigned hist_index(uint64_t v)
{
    unsigned major = 0;

    while (v >> major >= 2 * HIST_MINOR) {
        major++;
    }
    v = (v >> major) + (uint64_t)major * HIST_MINOR;
    return v < HIST_SIZE ? (unsigned)v : HIST_SIZE - 1;
}

static uint64_t hist_value(unsigned i)
{
    unsigned major = i < 2 * HIST_MINOR ? 0 : i / HIST_MINOR - 1;

    return (uint64_t)(i - major * HIST_MINOR) << major;
}

void load_latency(struct thread *t, uint64_t ns)
{
    if (atomic_load_explicit(&load_state.measuring, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&t->hist[hist_index(ns)], 1, memory_order_relaxed);
    }
}

static uint64_t quantile(const struct thread *t, unsigned n, double q)
{
    uint64_t all = 0, seen = 0;

    for (unsigned i = 0; i < HIST_SIZE; i++) {
        for (unsigned k = 0; k < n; k++) {
            all += t[k].hist[i];
        }
    }
    for (unsigned i = 0; i < HIST_SIZE && all > 0; i++) {
        for (unsigned k = 0; k < n; k++) {
            seen += t[k].hist[i];
        }
        if ((double)seen >= q * (double)all) {
            return hist_value(i);
        }
    }
    return 0;
}

/* --- threads ---------------------------------------------------------------------------------- */

static void dispatch(struct thread *t, struct conn *c, uint32_t events)
{
    if (c == &t->listen_mark) {
        upstream_accept(t);
    } else if (c == &t->timer_mark) {
        client_tick(t);
    } else if (c->upstream) {
        upstream_event(c, events);
    } else {
        client_event(c, events);
    }
}

static void *thread_main(void *arg)
{
    struct thread *t = arg;
    struct epoll_event e[64];
    bool pinged = false;

    if (!clients_start(t)) {
        load_error("start", "out of memory");
    }
    while (!atomic_load_explicit(&load_state.over, memory_order_relaxed)) {
        int n = epoll_wait(t->epoll, e, 64, 100);

        for (int i = 0; i < n; i++) {
            dispatch(t, e[i].data.ptr, e[i].events);
        }
        if (!pinged && atomic_load_explicit(&load_state.ping, memory_order_relaxed)) {
            pinged = true;
            clients_ping(t);
        }
    }
    return NULL;
}

static bool start_timer(struct thread *t)
{
    uint64_t ns = 1000000000u / t->o->rate * t->o->threads;
    struct itimerspec every = { .it_interval = { .tv_sec = (time_t)(ns / 1000000000u),
                                                 .tv_nsec = (long)(ns % 1000000000u) } };

    every.it_value = every.it_interval;
    t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    t->timer_mark = (struct conn){ .t = t, .fd = t->timer };
    if (t->timer < 0 || timerfd_settime(t->timer, 0, &every, NULL) != 0) {
        return false;
    }
    io_arm(&t->timer_mark, EPOLLIN);
    return true;
}

static bool thread_init(struct thread *t, const struct options *o, unsigned index)
{
    *t = (struct thread){ .o = o, .index = index, .timer = -1 };
    t->n_clients = o->conns / o->threads + (index < o->conns % o->threads);
    t->random =
        (now_ns() ^ (uint64_t)getpid() << 40) * 2 + 1 + index * UINT64_C(0x9e3779b97f4a7c15);
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->buf = malloc(BULK_CHUNK);
    t->hist = calloc(HIST_SIZE, sizeof(*t->hist));
    if (t->epoll < 0 || t->buf == NULL || t->hist == NULL) {
        return false;
    }
    if (o->tls && (t->ctx = io_context(o)) == NULL) {
        return false;
    }
    if (!upstream_listen(t)) {
        perror("load: upstream");
        return false;
    }
    return o->rate == 0 || start_timer(t);
}

/* --- the measured window ---------------------------------------------------------------------- */

struct sample {
    uint64_t wall, cpu, units, full, resumed;
};

static uint64_t cpu_of(pid_t pid)
{
    struct timespec ts;
    clockid_t id;

    /* Every thread that is and was, to the nanosecond; /proc has ticks of 10 ms. */
    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &ts) != 0) {
        load_error("CPU clock", "no such process");
        return 0;
    }
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct sample sample(const struct options *o, const struct thread *t)
{
    struct sample s = { .wall = now_ns() };

    for (unsigned i = 0; i < o->n_pids; i++) {
        s.cpu += cpu_of(o->pids[i]);
    }
    for (unsigned i = 0; i < o->threads; i++) {
        s.units += t[i].units;
        s.full += t[i].full;
        s.resumed += t[i].resumed;
    }
    return s;
}

static void sleep_ms(unsigned ms)
{
    const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

    (void)nanosleep(&ts, NULL);
}

static bool await(const struct options *o, struct thread *t)
{
    for (unsigned ms = 0; ms < WAIT_SECONDS * 1000 && load_state.errors == 0; ms += 10) {
        uint64_t n = 0;

        for (unsigned i = 0; i < o->threads; i++) {
            n += t[i].ready;
        }
        if (n == o->conns) {
            return true;
        }
        sleep_ms(10);
    }
    load_error("idle", "not all connections got there");
    return false;
}

/* Quiet connections: their memory is read by whoever reads "ready". */
static void run_idle(const struct options *o, struct thread *t, struct sample at[2])
{
    char line[16];

    if (!await(o, t)) {
        return;
    }
    puts("ready");
    (void)fflush(stdout);
    at[0] = sample(o, t);
    if (fgets(line, sizeof(line), stdin) == NULL) {
        return;
    }
    at[1] = sample(o, t);
    for (unsigned i = 0; i < o->threads; i++) {
        atomic_store(&t[i].ready, 0);
    }
    atomic_store(&load_state.ping, true);
    (void)await(o, t);
}

static void run_window(const struct options *o, const struct thread *t, struct sample at[2])
{
    sleep_ms(o->warm_ms);
    atomic_store(&load_state.measuring, true);
    at[0] = sample(o, t);
    sleep_ms(o->window_ms);
    at[1] = sample(o, t);
    atomic_store(&load_state.measuring, false);
    if (at[1].units == at[0].units) {
        load_error("window", "nothing happened");
    }
    if (o->tls && o->mode == MODE_CONN) {
        uint64_t full = at[1].full - at[0].full, resumed = at[1].resumed - at[0].resumed;

        /* The first of each client is a full one. */
        if (o->resume ? full > o->conns + resumed / 50 : resumed > 0) {
            load_error("window", o->resume ? "sessions are not resumed" : "sessions are resumed");
        }
    }
}

static void print(const struct options *o, const struct thread *t, const struct sample at[2])
{
    printf("{\"units\": %llu, \"wall_ns\": %llu, \"cpu_ns\": %llu, \"full\": %llu, "
           "\"resumed\": %llu, \"p50_ns\": %llu, \"p99_ns\": %llu, \"p999_ns\": %llu, "
           "\"negotiated\": \"%s\", \"errors\": %u}\n",
           (unsigned long long)(at[1].units - at[0].units),
           (unsigned long long)(at[1].wall - at[0].wall),
           (unsigned long long)(at[1].cpu - at[0].cpu),
           (unsigned long long)(at[1].full - at[0].full),
           (unsigned long long)(at[1].resumed - at[0].resumed),
           (unsigned long long)quantile(t, o->threads, 0.5),
           (unsigned long long)quantile(t, o->threads, 0.99),
           (unsigned long long)quantile(t, o->threads, 0.999), io_negotiated(),
           atomic_load(&load_state.errors));
}

static int run(const struct options *o)
{
    struct thread *t = calloc(o->threads, sizeof(*t));
    pthread_t *id = calloc(o->threads, sizeof(*id));
    struct sample at[2] = { { 0 }, { 0 } };

    if (t == NULL || id == NULL) {
        return 2;
    }
    for (unsigned i = 0; i < o->threads; i++) {
        if (!thread_init(&t[i], o, i)) {
            return 2;
        }
    }
    for (unsigned i = 0; i < o->threads; i++) {
        if (pthread_create(&id[i], NULL, thread_main, &t[i]) != 0) {
            return 2;
        }
    }
    if (o->mode == MODE_IDLE) {
        run_idle(o, t, at);
    } else {
        run_window(o, t, at);
    }
    atomic_store(&load_state.over, true);
    for (unsigned i = 0; i < o->threads; i++) {
        (void)pthread_join(id[i], NULL);
    }
    print(o, t, at);
    return load_state.errors == 0 ? 0 : 1;
}

/* --- options ---------------------------------------------------------------------------------- */

static bool set_mode(struct options *o, const char *s)
{
    static const char *const names[] = { "conn", "ping", "down", "up", "idle" };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(s, names[i]) == 0) {
            o->mode = (enum mode)i;
            return true;
        }
    }
    return false;
}

static bool set_option(struct options *o, int c, const char *s)
{
    unsigned n = s == NULL ? 0 : (unsigned)strtoul(s, NULL, 10);

    switch (c) {
    case 'm':
        return set_mode(o, s);
    case 'p':
        o->port = (uint16_t)n;
        break;
    case 'u':
        o->upstream_port = (uint16_t)n;
        break;
    case 'c':
        o->conns = n;
        break;
    case 't':
        o->threads = n;
        break;
    case 'n':
        o->names = n;
        break;
    case 'r':
        o->rate = n;
        break;
    case 'w':
        o->warm_ms = n;
        break;
    case 'W':
        o->window_ms = n;
        break;
    case 'h':
        o->hello_size = n;
        break;
    case 'q':
        o->pq_share = n;
        break;
    case 'g':
        o->groups = s;
        break;
    case 's':
        o->suites = s;
        break;
    case 'C':
        o->cert = s;
        break;
    case 'K':
        o->key = s;
        break;
    case 'R':
        o->resume = true;
        break;
    case 'T':
        o->tls = true;
        o->tls12 = strcmp(s, "1.2") == 0;
        break;
    case 'P':
        if (o->n_pids == sizeof(o->pids) / sizeof(o->pids[0])) {
            return false;
        }
        o->pids[o->n_pids++] = (pid_t)n;
        break;
    default:
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static const struct option known[] = { { "mode", 1, NULL, 'm' },
                                           { "port", 1, NULL, 'p' },
                                           { "upstream-port", 1, NULL, 'u' },
                                           { "conns", 1, NULL, 'c' },
                                           { "threads", 1, NULL, 't' },
                                           { "names", 1, NULL, 'n' },
                                           { "rate", 1, NULL, 'r' },
                                           { "warm", 1, NULL, 'w' },
                                           { "window", 1, NULL, 'W' },
                                           { "hello", 1, NULL, 'h' },
                                           { "key-share", 1, NULL, 'q' },
                                           { "groups", 1, NULL, 'g' },
                                           { "suites", 1, NULL, 's' },
                                           { "cert", 1, NULL, 'C' },
                                           { "key", 1, NULL, 'K' },
                                           { "resume", 0, NULL, 'R' },
                                           { "tls", 1, NULL, 'T' },
                                           { "pid", 1, NULL, 'P' },
                                           { 0 } };
    static struct options o = {
        .conns = 64, .threads = 1, .names = 1, .warm_ms = 500, .window_ms = 1500, .hello_size = 508
    };
    bool good = true;
    int c;

    while (good && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        good = set_option(&o, c, optarg);
    }
    if (!good || optind < argc || o.port == 0 || o.upstream_port == 0 || o.threads == 0 ||
        o.names == 0 || o.conns < o.threads) {
        fputs("usage: see the head of t/bench/load.c\n", stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    make_pattern();
    return run(&o);
}
