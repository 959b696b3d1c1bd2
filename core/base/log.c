/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/addr.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/line_writer.h"
#include "core/base/str.h"

/* A line, its newline included, fits in one atomic write to a pipe. */
#define LOG_LINE_MAX 4096
/* Bytes that may wait; as much again can be on its way to the target. */
#define LOG_RING_BYTES (1024u * 1024u)
/* How long log_stop() waits for a target that takes nothing. */
#define LOG_STOP_MS 2000
/* Length of the timestamp, which syslog adds by itself. */
#define LOG_STAMP_LEN 28
/* Room kept for the closing quote and the newline of a line. */
#define LINE_TAIL 2
/* The least room worth starting a value in. */
#define VALUE_MIN 16

static struct {
    pthread_rwlock_t lock; /* held to change the sink, shared to use it */
    struct line_writer *writer;
    struct line_sink *sink; /* NULL: synchronous stderr                  */
    enum log_target target;
    char *path;
    uint64_t dropped; /* by sinks that are gone */
    atomic_int level;
} lg = { .lock = PTHREAD_RWLOCK_INITIALIZER, .level = PST_LOG_INFO };

static const struct {
    const char *name;
    int level;
} levels[] = {
    { "error", PST_LOG_ERROR }, { "warning", PST_LOG_WARNING }, { "notice", PST_LOG_NOTICE },
    { "info", PST_LOG_INFO },   { "debug", PST_LOG_DEBUG },
};

#define N_LEVELS (sizeof(levels) / sizeof(levels[0]))

void log_init(void)
{
    log_stop();
    log_set_level(PST_LOG_INFO);
}

/* "2026-11-21T05:00:00.123456Z " of now. */
static void put_stamp(char out[LOG_STAMP_LEN + 1])
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

/* The line that tells how many were dropped since this was told last. */
static size_t tell_lost(char *buf, size_t n, uint64_t lost)
{
    char stamp[LOG_STAMP_LEN + 1];

    put_stamp(stamp);
    int len =
        snprintf(buf, n, "%slevel=warning msg=\"log lines dropped\" count=%" PRIu64, stamp, lost);
    return len > 0 ? (size_t)len : 0;
}

/* Open a target. Answers ERR_* or 0. */
static int target_open(enum log_target target, const char *name, struct line_target *t)
{
    switch (target) {
    case LOG_FILE:
        if (!line_target_file(t, name)) {
            int saved = errno;

            line_target_close(t);
            errno = saved;
            return ERR_SYS;
        }
        return ERR_OK;
    case LOG_SYSLOG:
        *t = line_target_of(LINE_TO_SYSLOG, NULL);
        t->skip = LOG_STAMP_LEN;
        return ERR_OK;
    default:
        *t = line_target_fd(STDERR_FILENO);
        return ERR_OK;
    }
}

/* Begin to write, with the lock held. */
static int sink_start(struct line_target *t)
{
    const struct line_sink_config cfg = { .ring = LOG_RING_BYTES,
                                          .rings = 1,
                                          .tell_lost = tell_lost,
                                          .written = -1,
                                          .dropped = -1,
                                          .errors = -1 };

    lg.writer = line_writer_new(0);
    lg.sink = lg.writer == NULL ? NULL : line_sink_new(lg.writer, t, &cfg);
    if (lg.sink == NULL && lg.writer != NULL) {
        (void)line_writer_free(lg.writer, 0);
        lg.writer = NULL;
    }
    return lg.sink == NULL ? ERR_NOMEM : ERR_OK;
}

int log_retarget(enum log_target target, const char *name)
{
    struct line_target t;
    char *path = name == NULL ? NULL : strdup(name);
    int rc = name != NULL && path == NULL ? ERR_NOMEM : target_open(target, name, &t);

    if (rc < 0) {
        free(path);
        return rc;
    }
    pthread_rwlock_wrlock(&lg.lock);
    if (lg.sink != NULL) {
        line_sink_target(lg.sink, &t);
    } else {
        rc = sink_start(&t);
    }
    if (rc == ERR_OK) {
        free(lg.path);
        lg.path = path;
        lg.target = target;
    }
    pthread_rwlock_unlock(&lg.lock);
    if (rc < 0) {
        free(path);
        line_target_close(&t);
    }
    return rc;
}

int log_start(enum log_target target, const char *path)
{
    return log_retarget(target, path);
}

int log_reopen(void)
{
    int rc = ERR_OK;

    pthread_rwlock_rdlock(&lg.lock);
    if (lg.sink != NULL && lg.target == LOG_FILE) {
        struct line_target t;

        rc = target_open(LOG_FILE, lg.path, &t);
        if (rc == ERR_OK) {
            line_sink_target(lg.sink, &t);
        }
    }
    pthread_rwlock_unlock(&lg.lock);
    return rc;
}

void log_stop(void)
{
    pthread_rwlock_wrlock(&lg.lock);
    struct line_writer *writer = lg.writer;
    lg.writer = NULL;
    lg.sink = NULL;
    free(lg.path);
    lg.path = NULL;
    pthread_rwlock_unlock(&lg.lock);
    if (writer != NULL) {
        uint64_t dropped = line_writer_free(writer, LOG_STOP_MS);

        pthread_rwlock_wrlock(&lg.lock);
        lg.dropped += dropped;
        pthread_rwlock_unlock(&lg.lock);
    }
}

void log_set_level(int level)
{
    atomic_store_explicit(&lg.level, level, memory_order_relaxed);
}

int log_level(void)
{
    return atomic_load_explicit(&lg.level, memory_order_relaxed);
}

bool log_on(int level)
{
    return level <= atomic_load_explicit(&lg.level, memory_order_relaxed);
}

int log_level_parse(const char *z)
{
    for (size_t i = 0; i < N_LEVELS; i++) {
        if (strcmp(levels[i].name, z) == 0) {
            return levels[i].level;
        }
    }
    return ERR_INVALID;
}

const char *log_level_name(int level)
{
    for (size_t i = 0; i < N_LEVELS; i++) {
        if (levels[i].level >= level) {
            return levels[i].name;
        }
    }
    return levels[N_LEVELS - 1].name;
}

/* A line being put together; what does not fit any more is left out. */
struct out {
    char text[LOG_LINE_MAX];
    size_t n;
};

static size_t room(const struct out *o)
{
    return sizeof(o->text) - o->n - LINE_TAIL;
}

static void put_raw(struct out *o, const char *p, size_t n)
{
    if (n <= room(o)) {
        memcpy(o->text + o->n, p, n);
        o->n += n;
    }
}

/* True when a value needs no quotes: nothing in it can be mistaken for the line's own syntax. */
static bool is_plain(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              memchr("-._:/[]@+,%*", c, 12))) {
            return false;
        }
    }
    return n > 0;
}

static void put_value(struct out *o, const char *p, size_t n, bool quote)
{
    if (!quote && n <= room(o) && is_plain(p, n)) {
        put_raw(o, p, n);
        return;
    }
    put_raw(o, "\"", 1);
    o->n += str_escape(o->text + o->n, room(o), p, n);
    o->text[o->n++] = '"'; /* room() keeps a byte for it */
}

/* The text of a field's value; number and address go through `space`. */
static struct pst_str field_text(const struct log_field *f, char space[ADDR_TEXT_MAX])
{
    const char *z = space;

    switch (f->kind) {
    case LOG_F_STR:
        return f->v.str;
    case LOG_F_U64:
        snprintf(space, ADDR_TEXT_MAX, "%" PRIu64, f->v.u64);
        break;
    case LOG_F_I64:
        snprintf(space, ADDR_TEXT_MAX, "%" PRId64, f->v.i64);
        break;
    case LOG_F_ADDR:
        addr_text(f->v.addr, space);
        break;
    case LOG_F_Z:
        z = f->v.z;
        break;
    case LOG_F_END:
        z = "";
        break;
    }
    return (struct pst_str){ z, strlen(z) };
}

static void put_field(struct out *o, const struct log_field *f)
{
    char space[ADDR_TEXT_MAX];

    if (!f->key || f->kind == LOG_F_END || (f->kind == LOG_F_Z && !f->v.z)) {
        return;
    }
    struct pst_str value = field_text(f, space);
    size_t key_n = strlen(f->key);
    if (room(o) < key_n + 2 + VALUE_MIN) {
        return;
    }
    put_raw(o, " ", 1);
    put_raw(o, f->key, key_n);
    put_raw(o, "=", 1);
    put_value(o, value.p, value.n, false);
}

static void write_all(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, p, n);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return;
        }
        p += done;
        n -= (size_t)done;
    }
}

void log_write(int level, const char *msg, const struct log_field *f, size_t n)
{
    struct out o;
    const char *name = log_level_name(level);

    if (!log_on(level)) {
        return;
    }
    put_stamp(o.text);
    o.n = LOG_STAMP_LEN;
    put_raw(&o, "level=", 6);
    put_raw(&o, name, strlen(name));
    put_raw(&o, " msg=", 5);
    put_value(&o, msg, strlen(msg), true);
    for (size_t i = 0; i < n; i++) {
        put_field(&o, &f[i]);
    }
    o.text[o.n++] = '\n';
    pthread_rwlock_rdlock(&lg.lock);
    if (lg.sink != NULL) {
        (void)line_sink_put(lg.sink, level, o.text, o.n - 1, false);
    } else {
        write_all(o.text, o.n);
    }
    pthread_rwlock_unlock(&lg.lock);
}

void log_msg(int level, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    if (!log_on(level)) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_write(level, text, NULL, 0);
}

bool log_limit_ok(struct log_limit *l, uint32_t burst, uint32_t *held)
{
    uint64_t window = clock_ns() / 10000000000u + 1;
    uint64_t seen = atomic_load_explicit(&l->window, memory_order_relaxed);

    if (seen != window && atomic_compare_exchange_strong(&l->window, &seen, window)) {
        atomic_store_explicit(&l->used, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&l->used, 1, memory_order_relaxed) >= burst) {
        atomic_fetch_add_explicit(&l->held, 1, memory_order_relaxed);
        return false;
    }
    uint32_t before = atomic_exchange_explicit(&l->held, 0, memory_order_relaxed);
    if (held) {
        *held = before;
    }
    return true;
}

uint64_t log_dropped(void)
{
    pthread_rwlock_rdlock(&lg.lock);
    uint64_t n = lg.dropped + (lg.sink != NULL ? line_sink_dropped(lg.sink) : 0);
    pthread_rwlock_unlock(&lg.lock);
    return n;
}
