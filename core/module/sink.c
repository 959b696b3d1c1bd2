/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/module/sink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/line_ring.h"
#include "core/base/line_writer.h"
#include "core/base/log.h"
#include "core/base/metrics.h"

/* Lines wait this long for others, so that many are written at once. */
#define DELAY_MS 50
#define STOP_MS  2000
/* Threads beyond this number share rings. */
#define RINGS        64
#define RING_DEFAULT (1024u * 1024u)
#define RING_LEAST   (2u * LINE_MAX_BYTES)
#define RING_MOST    (1024u * 1024u * 1024u)
#define DEV_LOG      "/dev/log"

/* A target, kept until the end: a reload that names it again finds its place. */
struct shared {
    struct shared *next;
    char *name;       /* as opened: "file:/path"                */
    const char *path; /* behind its colon; NULL: stdout         */
    enum line_target_kind kind;
    size_t ring;
    struct line_sink *sink; /* NULL: not opened yet                 */
    size_t (*tell_lost)(char *buf, size_t n, uint64_t lost);
    unsigned refs;
};

/* What one open() got. */
struct pst_sink {
    struct shared *shared;
    bool block;
};

/* [main]; workers only ever go from their pst_sink to its line_sink. */
static struct {
    struct shared *all;
    struct line_writer *writer;
    bool started;
    int written, dropped, errors;
} reg;

static const struct {
    const char *prefix;
    enum line_target_kind kind;
} kinds[] = {
    { "file:/", LINE_TO_FILE },
    { "unix:/", LINE_TO_UNIX },
    { "syslog:/", LINE_TO_DEVLOG },
};

/* Kind and path of a target's name. False: none that is known. */
static bool parse(const char *name, enum line_target_kind *kind, const char **path)
{
    if (strcmp(name, "stdout") == 0) {
        *kind = LINE_TO_FD;
        *path = NULL;
        return true;
    }
    if (strcmp(name, "syslog") == 0) {
        *kind = LINE_TO_DEVLOG;
        *path = DEV_LOG;
        return true;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t n = strlen(kinds[i].prefix);

        if (strncmp(name, kinds[i].prefix, n) == 0) {
            *kind = kinds[i].kind;
            *path = name + n - 1;
            return true;
        }
    }
    return false;
}

static void complain(const char *what, const char *name, int err)
{
    LOG(PST_LOG_ERROR, what, LOGF_Z("target", name),
        LOGF_Z("error", err == 0 ? NULL : strerror(err)));
}

/* --- opening ---------------------------------------------------------------------------------- */

static bool writer_ready(void)
{
    if (reg.writer == NULL) {
        reg.written = metric_define("sink_lines_written", "lines written to sinks", METRIC_COUNTER);
        reg.dropped = metric_define("sink_lines_dropped", "lines that sinks lost", METRIC_COUNTER);
        reg.errors = metric_define("sink_write_errors",
                                   "failed writes of sinks, and retries of them", METRIC_COUNTER);
        reg.writer = line_writer_new(DELAY_MS);
    }
    return reg.writer != NULL;
}

/* False: errno. */
static bool target_of(const struct shared *s, struct line_target *t)
{
    switch (s->kind) {
    case LINE_TO_FD:
        *t = line_target_fd(STDOUT_FILENO);
        return true;
    case LINE_TO_FILE:
        if (line_target_file(t, s->path)) {
            return true;
        }
        int saved = errno;
        line_target_close(t);
        errno = saved;
        return false;
    default:
        *t = line_target_of(s->kind, s->path);
        return true;
    }
}

/* Open for writing, anew or for the first time. False: errno. */
static bool shared_open(struct shared *s)
{
    const struct line_sink_config cfg = { .name = s->name,
                                          .ring = s->ring,
                                          .rings = RINGS,
                                          .tell_lost = s->tell_lost,
                                          .written = reg.written,
                                          .dropped = reg.dropped,
                                          .errors = reg.errors };
    struct line_target t;

    if (s->sink != NULL && line_sink_keep(s->sink)) {
        line_sink_grow(s->sink, s->ring);
        return true;
    }
    if (!target_of(s, &t)) {
        return false;
    }
    if (s->sink != NULL) {
        line_sink_grow(s->sink, s->ring);
        line_sink_target(s->sink, &t);
        return true;
    }
    s->sink = line_sink_new(reg.writer, &t, &cfg);
    if (s->sink == NULL) {
        line_target_close(&t);
        errno = ENOMEM;
    }
    return s->sink != NULL;
}

/* Before privileges are dropped a file is not made: only its folder must be there. */
static bool plausible(const struct shared *s)
{
    struct stat st;
    char *dir;
    bool good;

    if (s->kind != LINE_TO_FILE) {
        return true;
    }
    dir = strndup(s->path, (size_t)(strrchr(s->path, '/') - s->path) + 1);
    good = dir != NULL && stat(dir, &st) == 0;
    free(dir);
    if (good && stat(s->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        good = false;
    }
    return good;
}

static struct shared *shared_find(const char *name)
{
    struct shared *s = reg.all;

    while (s != NULL && strcmp(s->name, name) != 0) {
        s = s->next;
    }
    return s;
}

static struct shared *shared_new(const char *name)
{
    struct shared *s = calloc(1, sizeof(*s));

    if (s == NULL || (s->name = strdup(name)) == NULL || !parse(s->name, &s->kind, &s->path)) {
        if (s != NULL) {
            free(s->name);
        }
        free(s);
        return NULL;
    }
    s->next = reg.all;
    reg.all = s;
    return s;
}

/* One more user of a target. False: it cannot be opened, errno. */
static bool shared_use(struct shared *s, uint64_t ring)
{
    size_t size = ring == 0 ? RING_DEFAULT : ring > RING_MOST ? RING_MOST : (size_t)ring;

    s->ring = size > s->ring ? size : s->ring;
    s->ring = s->ring < RING_LEAST ? RING_LEAST : s->ring;
    if (!reg.started ? !plausible(s) : !writer_ready() || !shared_open(s)) {
        return false;
    }
    s->refs++;
    return true;
}

/* --- the service ------------------------------------------------------------------------------ */

static pst_sink *service_open(pst_instance *self, const char *target, uint32_t overflow,
                              uint64_t ring)
{
    enum line_target_kind kind;
    const char *path = NULL;
    struct shared *s;
    pst_sink *sink;

    (void)self;
    if (target == NULL || !parse(target, &kind, &path)) {
        complain("no such sink: \"stdout\", \"syslog\", \"file:/path\" or \"unix:/path\"", target,
                 0);
        return NULL;
    }
    sink = calloc(1, sizeof(*sink));
    s = shared_find(target);
    s = s != NULL ? s : shared_new(target);
    if (sink == NULL || s == NULL || !shared_use(s, ring)) {
        complain("a sink cannot be opened", target, sink == NULL || s == NULL ? ENOMEM : errno);
        free(sink);
        return NULL;
    }
    sink->shared = s;
    sink->block = overflow == PST_SINK_BLOCK;
    return sink;
}

static void service_close(pst_sink *sink)
{
    if (--sink->shared->refs == 0 && sink->shared->sink != NULL) {
        line_sink_close(sink->shared->sink);
    }
    free(sink);
}

static int32_t service_write(pst_sink *sink, const char *line, size_t n)
{
    struct line_sink *to = sink->shared->sink;

    if (n > LINE_LONGEST || memchr(line, '\n', n) != NULL) {
        return PST_ERR_INVALID;
    }
    if (to == NULL) {
        return PST_ERR_STATE;
    }
    return line_sink_put(to, PST_LOG_INFO, line, n, sink->block) ? PST_OK : PST_ERR_LIMIT;
}

static uint64_t service_dropped(pst_sink *sink)
{
    return sink->shared->sink == NULL ? 0 : line_sink_dropped(sink->shared->sink);
}

static void service_tell_lost(pst_sink *sink, size_t (*line)(char *buf, size_t n, uint64_t lost))
{
    sink->shared->tell_lost = line;
    if (sink->shared->sink != NULL) {
        line_sink_tell(sink->shared->sink, line);
    }
}

static const struct pst_log_sink service = {
    .size = sizeof(service),
    .open = service_open,
    .close = service_close,
    .write = service_write,
    .dropped = service_dropped,
    .tell_lost = service_tell_lost,
};

const struct pst_log_sink *sink_service(void)
{
    return &service;
}

/* --- what the server calls -------------------------------------------------------------------- */

int sinks_start(char *why, size_t n)
{
    for (struct shared *s = reg.all; s != NULL; s = s->next) {
        if (s->refs > 0 && (!writer_ready() || !shared_open(s))) {
            (void)snprintf(why, n, "cannot open the sink %s: %s", s->name, strerror(errno));
            return ERR_SYS;
        }
    }
    reg.started = true;
    return ERR_OK;
}

void sinks_each_file(void (*fn)(void *arg, const char *path), void *arg)
{
    for (const struct shared *s = reg.all; s != NULL; s = s->next) {
        if (s->kind == LINE_TO_FILE) {
            fn(arg, s->path);
        }
    }
}

int sinks_reopen(void)
{
    int rc = ERR_OK;

    for (struct shared *s = reg.all; s != NULL; s = s->next) {
        struct line_target t;

        if (s->refs == 0 || s->sink == NULL || s->kind != LINE_TO_FILE) {
            continue;
        }
        if (target_of(s, &t)) {
            line_sink_target(s->sink, &t);
        } else {
            complain("a sink cannot be reopened; the old file stays", s->name, errno);
            rc = ERR_SYS;
        }
    }
    return rc;
}

void sinks_stop(void)
{
    uint64_t before = 0, dropped = 0;

    for (struct shared *s = reg.all; s != NULL; s = s->next) {
        before += s->sink == NULL ? 0 : line_sink_dropped(s->sink);
    }
    if (reg.writer != NULL) {
        dropped = line_writer_free(reg.writer, STOP_MS);
    }
    if (dropped > before) {
        LOG(PST_LOG_ERROR, "lines that sinks did not take are lost",
            LOGF_U64("lines", dropped - before));
    }
    while (reg.all != NULL) {
        struct shared *s = reg.all;

        reg.all = s->next;
        free(s->name);
        free(s);
    }
    reg.writer = NULL;
    reg.started = false;
}
