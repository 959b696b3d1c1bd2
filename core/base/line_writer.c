/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread that writes, and its life. */
#include "core/base/line_writer.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/line_priv.h"

/*
 * A full target is looked at this often, whatever the poller says: its sink may have been closed.
 */
#define LOOK_NS NS_PER_S
/*
 * How long line_writer_free() waits for a thread that hangs in a system call, beyond its deadline.
 */
#define JOIN_MS 1000

void line_writer_wake(struct line_writer *w)
{
    const uint64_t one = 1;

    atomic_store(&w->urgent, true);
    (void)!write(w->wake_fd, &one, sizeof(one));
}

void line_writer_wake_lazily(struct line_writer *w)
{
    const uint64_t one = 1;

    if (!atomic_exchange(&w->awake, true)) {
        (void)!write(w->wake_fd, &one, sizeof(one));
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct line_sink *first_sink(struct line_writer *w, bool *stop, uint64_t *stop_at)
{
    pthread_mutex_lock(&w->lock);
    struct line_sink *s = w->sinks;
    unsigned n = w->n_sinks + 1;
    *stop = w->stop;
    *stop_at = w->stop_at;
    pthread_mutex_unlock(&w->lock);
    if (n > w->max_fds) {
        struct pollfd *fds = realloc(w->fds, n * sizeof(*fds));

        if (fds != NULL) {
            w->fds = fds;
            w->max_fds = n;
        }
    }
    return s;
}

/* Until something is to do, `until` has come, or a full target has room. */
static void sleep_until(struct line_writer *w, unsigned n_fds, uint64_t until)
{
    uint64_t now = clock_ns();
    int ms = -1;
    uint64_t rings = 0;

    if (until != UINT64_MAX) {
        ms = until <= now ? 0 : (int)((until - now) / NS_PER_MS) + 1;
    }
    w->fds[0] = (struct pollfd){ .fd = w->wake_fd, .events = POLLIN };
    if (poll(w->fds, n_fds, ms) <= 0 || w->fds[0].revents == 0) {
        return;
    }
    if (w->delay_ms > 0 && !atomic_exchange(&w->urgent, false)) {
        (void)!read(w->wake_fd, &rings, sizeof(rings));
        (void)poll(w->fds, 1, (int)w->delay_ms);
    }
    (void)!read(w->wake_fd, &rings, sizeof(rings));
    atomic_store(&w->urgent, false);
}

static void *writer(void *arg)
{
    struct line_writer *w = arg;

    for (;;) {
        uint64_t stop_at = 0, until = UINT64_MAX;
        bool stop = false, all = true;
        unsigned n = 1;

        /* Sinks are only added, at the front, and stay until the thread ends. */
        atomic_store(&w->awake, false);
        for (struct line_sink *s = first_sink(w, &stop, &stop_at); s != NULL; s = s->after) {
            if (line_sink_run(s)) {
                continue;
            }
            all = false;
            if (s->full && n < w->max_fds) {
                w->fds[n++] = (struct pollfd){ .fd = s->target.fd, .events = POLLOUT };
            }
            until = earlier(until, s->full ? clock_ns() + LOOK_NS : s->retry_at);
        }
        if (stop && (all || clock_ns() >= stop_at)) {
            break;
        }
        sleep_until(w, n, stop ? earlier(stop_at, until) : until);
    }
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_signal(&w->end);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int writer_start(struct line_writer *w)
{
    sigset_t all, old;

    sigfillset(&all); /* signals are the main thread's; SIGPIPE shall be an error of write() */
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int rc = pthread_create(&w->thread, NULL, writer, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

/* --- life [main] ------------------------------------------------------------------------------ */

struct line_writer *line_writer_new(unsigned delay_ms)
{
    struct line_writer *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        return NULL;
    }
    w->delay_ms = delay_ms;
    w->fds = calloc(1, sizeof(*w->fds));
    w->max_fds = 1;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->end, NULL);
    if (w->fds == NULL || w->wake_fd < 0 || writer_start(w) != 0) {
        if (w->wake_fd >= 0) {
            close(w->wake_fd);
        }
        pthread_cond_destroy(&w->end);
        pthread_mutex_destroy(&w->lock);
        free(w->fds);
        free(w);
        return NULL;
    }
    return w;
}

uint64_t line_writer_free(struct line_writer *w, unsigned ms)
{
    const struct timespec limit = clock_after_ms(ms + JOIN_MS);
    uint64_t dropped = 0;
    bool ended;

    pthread_mutex_lock(&w->lock);
    w->stop = true;
    w->stop_at = clock_ns() + ms * NS_PER_MS;
    line_writer_wake(w);
    while (!w->ended && pthread_cond_clockwait(&w->end, &w->lock, CLOCK_MONOTONIC, &limit) == 0) {
    }
    ended = w->ended;
    pthread_mutex_unlock(&w->lock);
    if (!ended) {
        return 0; /* it hangs in a disk: what it uses cannot be freed, the process ends without it */
    }
    pthread_join(w->thread, NULL);
    while (w->sinks != NULL) {
        struct line_sink *s = w->sinks;

        w->sinks = s->after;
        dropped += line_sink_free(s);
    }
    close(w->wake_fd);
    pthread_cond_destroy(&w->end);
    pthread_mutex_destroy(&w->lock);
    free(w->fds);
    free(w);
    return dropped;
}
