/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/log_ring.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"

#define NS_PER_S 1000000000u
/* How long a failing target is left alone before the next attempt. */
#define RETRY_NS NS_PER_S
/* How long the writer waits for room in a pipe before it looks around. */
#define POLL_MS 200
/* How long log_ring_free() waits for a target that takes nothing. */
#define STOP_NS (2ull * NS_PER_S)

_Static_assert(LOG_LINE_MAX <= PIPE_BUF, "a write of a line to a pipe must not block");

struct line {
    uint32_t at;
    uint16_t n;
    uint8_t level;
};

/* Lines back to back in `text`, described by `line`. */
struct batch {
    char *text;
    struct line *line;
    size_t used;
    uint32_t lines;
};

struct sink {
    enum log_target target;
    int fd;
    bool owned;
    bool pipe; /* no regular file: write only what surely does not block */
};

struct log_ring {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct batch in;  /* under the lock: what waits              */
    struct sink next; /* under the lock: the target to change to */
    bool have_next;
    bool stop;
    uint64_t stop_at; /* give up then */
    atomic_ullong dropped;

    struct batch out; /* the writer's own */
    struct sink sink;
    uint64_t announced;
};

void log_stamp(char out[LOG_STAMP_LEN + 1])
{
    uint64_t us = clock_wall_us();
    time_t s = (time_t)(us / 1000000u);
    char tail[16];
    struct tm tm;

    gmtime_r(&s, &tm);
    strftime(out, LOG_STAMP_LEN + 1, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(tail, sizeof(tail), ".%06uZ ", (unsigned)(us % 1000000u));
    memcpy(out + 19, tail, 10);
}

static bool batch_init(struct batch *b)
{
    b->text = malloc(LOG_RING_BYTES);
    b->line = malloc(LOG_RING_LINES * sizeof(*b->line));
    return b->text && b->line;
}

static void batch_free(struct batch *b)
{
    free(b->text);
    free(b->line);
}

static bool batch_add(struct batch *b, int level, const char *p, size_t n)
{
    if (b->lines == LOG_RING_LINES || n > LOG_RING_BYTES - b->used) {
        return false;
    }
    memcpy(b->text + b->used, p, n);
    b->line[b->lines++] =
        (struct line){ .at = (uint32_t)b->used, .n = (uint16_t)n, .level = (uint8_t)level };
    b->used += n;
    return true;
}

static void sink_open(struct sink *s, enum log_target target, int fd, bool owned)
{
    struct stat st;

    *s = (struct sink){ .target = target, .fd = fd, .owned = owned };
    if (target == LOG_SYSLOG) {
        openlog("postern", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    } else {
        s->pipe = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
    }
}

static void sink_close(struct sink *s)
{
    if (s->target == LOG_SYSLOG) {
        closelog();
    } else if (s->owned) {
        close(s->fd);
    }
}

/* The target was changed: use the new one. False: there is none. Under the lock. */
static bool sink_change(struct log_ring *r)
{
    if (!r->have_next) {
        return false;
    }
    sink_close(&r->sink);
    sink_open(&r->sink, r->next.target, r->next.fd, r->next.owned);
    r->have_next = false;
    return true;
}

enum pause { PAUSE_OVER, PAUSE_CHANGED, PAUSE_GIVE_UP };

/*
 * After a failed write: wait until ns have passed (PAUSE_OVER), the target was changed, or it is
 * time to give up because the ring is stopping.
 */
static enum pause pause_for(struct log_ring *r, uint64_t ns)
{
    uint64_t until = clock_ns() + ns;
    enum pause result = PAUSE_OVER;

    pthread_mutex_lock(&r->lock);
    for (;;) {
        uint64_t now = clock_ns();

        if (sink_change(r)) {
            result = PAUSE_CHANGED;
            break;
        }
        if (r->stop && now >= r->stop_at) {
            result = PAUSE_GIVE_UP;
            break;
        }
        if (now >= until) {
            break;
        }
        uint64_t end = r->stop && r->stop_at < until ? r->stop_at : until;
        struct timespec ts = { .tv_sec = (time_t)(end / NS_PER_S),
                               .tv_nsec = (long)(end % NS_PER_S) };
        pthread_cond_timedwait(&r->wake, &r->lock, &ts);
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

/* Write some bytes; 0 when there is no room now, -1 on error. Never blocks on a pipe. */
static ssize_t sink_write(const struct sink *s, const char *p, size_t n)
{
    if (s->pipe) {
        struct pollfd pfd = { .fd = s->fd, .events = POLLOUT };

        if (poll(&pfd, 1, POLL_MS) <= 0) {
            return 0;
        }
    }
    ssize_t done = write(s->fd, p, n);
    if (done < 0 && (errno == EINTR || errno == EAGAIN)) {
        return 0;
    }
    return done;
}

/* Where the line that holds byte `at` begins. */
static size_t line_start(const struct batch *b, size_t at)
{
    while (at > 0 && b->text[at - 1] != '\n') {
        at--;
    }
    return at;
}

/* How much to write in one call from byte `at`: for pipes the rest of one line. */
static size_t piece(const struct log_ring *r, size_t at)
{
    const struct batch *b = &r->out;

    if (!r->sink.pipe) {
        return b->used - at;
    }
    const char *end = memchr(b->text + at, '\n', b->used - at);
    return end ? (size_t)(end - (b->text + at)) + 1 : b->used - at;
}

static void drop_rest(struct log_ring *r, size_t at)
{
    for (uint32_t i = 0; i < r->out.lines; i++) {
        if (r->out.line[i].at + r->out.line[i].n > at) {
            atomic_fetch_add(&r->dropped, 1);
        }
    }
}

static void write_syslog(const struct batch *b, uint32_t from)
{
    for (uint32_t i = from; i < b->lines; i++) {
        const struct line *l = &b->line[i];
        int skip = l->n > LOG_STAMP_LEN ? LOG_STAMP_LEN : 0;

        syslog(l->level, "%.*s", (int)l->n - skip - 1, b->text + l->at + skip);
    }
}

/* The number of lines that end at or before byte `at`. */
static uint32_t lines_before(const struct batch *b, size_t at)
{
    uint32_t i = 0;

    while (i < b->lines && b->line[i].at < at) {
        i++;
    }
    return i;
}

/* Write the batch: errors are waited for, a new target starts at a whole line. */
static void write_batch(struct log_ring *r)
{
    size_t at = 0;

    while (at < r->out.used) {
        if (r->sink.target == LOG_SYSLOG) {
            write_syslog(&r->out, lines_before(&r->out, at));
            break;
        }
        ssize_t n = sink_write(&r->sink, r->out.text + at, piece(r, at));
        if (n > 0) {
            at += (size_t)n;
            continue;
        }
        enum pause p = pause_for(r, n < 0 ? RETRY_NS : 0);
        if (p == PAUSE_GIVE_UP) {
            drop_rest(r, at);
            break;
        }
        if (p == PAUSE_CHANGED) {
            at = line_start(&r->out, at);
        }
    }
    r->out.used = 0;
    r->out.lines = 0;
}

/* Tell how many lines were dropped since this was told last. */
static void announce(struct log_ring *r)
{
    char line[256];
    char stamp[LOG_STAMP_LEN + 1];
    uint64_t dropped = atomic_load(&r->dropped);

    if (dropped == r->announced) {
        return;
    }
    log_stamp(stamp);
    int n = snprintf(line, sizeof(line), "%slevel=warning msg=\"log lines dropped\" count=%llu\n",
                     stamp, (unsigned long long)(dropped - r->announced));
    r->announced = dropped;
    batch_add(&r->out, PST_LOG_WARNING, line, (size_t)n);
    write_batch(r);
}

static void *writer(void *arg)
{
    struct log_ring *r = arg;
    bool stop = false;

    while (!stop) {
        pthread_mutex_lock(&r->lock);
        while (!r->stop && !r->have_next && r->in.lines == 0) {
            pthread_cond_wait(&r->wake, &r->lock);
        }
        sink_change(r);
        struct batch taken = r->in;
        r->in = r->out;
        r->out = taken;
        stop = r->stop && r->out.lines == 0;
        pthread_mutex_unlock(&r->lock);
        write_batch(r);
        announce(r);
    }
    return NULL;
}

static int writer_start(struct log_ring *r)
{
    sigset_t all, old;

    sigfillset(&all); /* signals are the main thread's; SIGPIPE shall be an error of write() */
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int rc = pthread_create(&r->thread, NULL, writer, r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

struct log_ring *log_ring_new(enum log_target target, int fd, bool owned)
{
    struct log_ring *r = calloc(1, sizeof(*r));
    pthread_condattr_t attr;

    if (!r) {
        return NULL;
    }
    atomic_init(&r->dropped, 0);
    if (!batch_init(&r->in) || !batch_init(&r->out)) {
        goto fail;
    }
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    sink_open(&r->sink, target, fd, owned);
    if (writer_start(r) != 0) {
        r->sink.owned = false;
        sink_close(&r->sink);
        pthread_cond_destroy(&r->wake);
        pthread_mutex_destroy(&r->lock);
        goto fail;
    }
    return r;

fail:
    batch_free(&r->in);
    batch_free(&r->out);
    free(r);
    return NULL;
}

uint64_t log_ring_free(struct log_ring *r)
{
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    r->stop_at = clock_ns() + STOP_NS;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    uint64_t dropped = atomic_load(&r->dropped);
    sink_close(&r->sink);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    batch_free(&r->in);
    batch_free(&r->out);
    free(r);
    return dropped;
}

void log_ring_put(struct log_ring *r, int level, const char *line, size_t n)
{
    pthread_mutex_lock(&r->lock);
    bool first = r->in.lines == 0;
    bool added = batch_add(&r->in, level, line, n);
    pthread_mutex_unlock(&r->lock);
    if (!added) {
        atomic_fetch_add(&r->dropped, 1);
    } else if (first) {
        pthread_cond_signal(&r->wake);
    }
}

void log_ring_target(struct log_ring *r, enum log_target target, int fd, bool owned)
{
    pthread_mutex_lock(&r->lock);
    if (r->have_next && r->next.owned) {
        close(r->next.fd);
    }
    r->next = (struct sink){ .target = target, .fd = fd, .owned = owned };
    r->have_next = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

uint64_t log_ring_dropped(const struct log_ring *r)
{
    return atomic_load(&r->dropped);
}
