/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/addr.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log_ring.h"
#include "core/base/str.h"

/* Room kept for the closing quote and the newline of a line. */
#define LINE_TAIL 2
/* The least room worth starting a value in. */
#define VALUE_MIN 16

static struct {
    pthread_rwlock_t lock; /* writers change the ring, readers use it */
    struct log_ring *ring; /* NULL: synchronous stderr                 */
    enum log_target target;
    char *path;
    uint64_t dropped; /* by rings that are gone */
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

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

/* The descriptor of a target; *path gets a copy for files. Answers ERR_* or 0. */
static int target_open(enum log_target target, const char *name, int *fd, char **path)
{
    *fd = STDERR_FILENO;
    *path = NULL;
    if (target != LOG_FILE) {
        return ERR_OK;
    }
    *path = strdup(name);
    if (!*path) {
        return ERR_NOMEM;
    }
    *fd = open_log(name);
    if (*fd < 0) {
        int saved = errno;

        free(*path);
        *path = NULL;
        errno = saved;
        return ERR_SYS;
    }
    return ERR_OK;
}

int log_retarget(enum log_target target, const char *name)
{
    int fd;
    char *path;
    int rc = target_open(target, name, &fd, &path);

    if (rc < 0) {
        return rc;
    }
    pthread_rwlock_wrlock(&lg.lock);
    if (lg.ring) {
        log_ring_target(lg.ring, target, fd, target == LOG_FILE);
    } else {
        lg.ring = log_ring_new(target, fd, target == LOG_FILE);
        rc = lg.ring ? ERR_OK : ERR_NOMEM;
    }
    if (rc == ERR_OK) {
        free(lg.path);
        lg.path = path;
        lg.target = target;
    }
    pthread_rwlock_unlock(&lg.lock);
    if (rc < 0) {
        free(path);
        if (target == LOG_FILE) {
            close(fd);
        }
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
    if (lg.ring && lg.target == LOG_FILE) {
        int fd = open_log(lg.path);

        if (fd < 0) {
            rc = ERR_SYS;
        } else {
            log_ring_target(lg.ring, LOG_FILE, fd, true);
        }
    }
    pthread_rwlock_unlock(&lg.lock);
    return rc;
}

void log_stop(void)
{
    pthread_rwlock_wrlock(&lg.lock);
    struct log_ring *ring = lg.ring;
    lg.ring = NULL;
    free(lg.path);
    lg.path = NULL;
    pthread_rwlock_unlock(&lg.lock);
    if (ring) {
        uint64_t dropped = log_ring_free(ring);

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
    log_stamp(o.text);
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
    if (lg.ring) {
        log_ring_put(lg.ring, level, o.text, o.n);
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
    uint64_t n = lg.dropped + (lg.ring ? log_ring_dropped(lg.ring) : 0);
    pthread_rwlock_unlock(&lg.lock);
    return n;
}
