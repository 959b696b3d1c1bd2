/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structured log: one line per message,
 *     2026-11-21T05:00:00.123456Z level=info msg="..." key=value key="quoted value"
 * Values are escaped here and nowhere else. Lines are handed to a thread of its own
 * (line_writer.h), so no worker ever waits for a disk; what did not fit is counted and announced.
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin-api/pst_types.h"

/* Levels are syslog's: PST_LOG_ERROR (3) to PST_LOG_DEBUG (7). */

enum log_target { LOG_STDERR, LOG_SYSLOG, LOG_FILE };

/* Begin: until log_start() lines go straight to stderr, synchronously. [main] */
void log_init(void);
/* Start the writer. ERR_SYS when the file cannot be opened (errno). [main] */
int log_start(enum log_target target, const char *path);
/* Change target while running; the old one is kept on error. [main] */
int log_retarget(enum log_target target, const char *path);
/* Reopen the file (SIGUSR1). No line is lost or split. [main] */
int log_reopen(void);
/* Write what is queued, stop the writer, go back to synchronous stderr. [main] */
void log_stop(void);

void log_set_level(int level);
int log_level(void); /* [any] */
bool log_on(int level); /* [any] */

/* Level of a name ("error" "warning" "notice" "info" "debug"), or ERR_INVALID; and its name. */
int log_level_parse(const char *z);
const char *log_level_name(int level);

/* A field of a line. */
struct log_field {
    const char *key; /* NULL: the field is left out */
    enum { LOG_F_END, LOG_F_STR, LOG_F_U64, LOG_F_I64, LOG_F_ADDR, LOG_F_Z } kind;
    union {
        struct pst_str str;
        uint64_t u64;
        int64_t i64;
        const struct pst_addr *addr;
        const char *z;
    } v;
};

#define LOGF_STR(k, s)  { .key = (k), .kind = LOG_F_STR, .v.str = (s) }
#define LOGF_Z(k, s)    { .key = (k), .kind = LOG_F_Z, .v.z = (s) } /* NULL: the field is left out */
#define LOGF_U64(k, n)  { .key = (k), .kind = LOG_F_U64, .v.u64 = (n) }
#define LOGF_U64_IF(k, n, cond) { .key = (cond) ? (k) : NULL, .kind = LOG_F_U64, .v.u64 = (n) }
#define LOGF_I64(k, n)  { .key = (k), .kind = LOG_F_I64, .v.i64 = (n) }
#define LOGF_ADDR(k, a) { .key = (k), .kind = LOG_F_ADDR, .v.addr = (a) } /* with port */

/* Write a message with fields (n of them). [any] */
void log_write(int level, const char *msg, const struct log_field *f, size_t n);

#define LOG(level, msg, ...)                                                                       \
    do {                                                                                           \
        if (log_on(level)) {                                                                       \
            const struct log_field log_f_[] = { __VA_ARGS__ };                                     \
            log_write((level), (msg), log_f_, sizeof(log_f_) / sizeof(log_f_[0]));                 \
        }                                                                                          \
    } while (0)

/* A plain formatted message without fields. [any] */
void log_msg(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Rate limit of one site: at most `burst` lines per 10 seconds; when lines were held back the
 * next one allowed tells how many. Zero-initialised static storage. [any]
 */
struct log_limit {
    _Atomic uint64_t window;
    _Atomic uint32_t used;
    _Atomic uint32_t held;
};
/* True: write. *held (may be NULL) gets the number held back since the last one. */
bool log_limit_ok(struct log_limit *l, uint32_t burst, uint32_t *held);

/* Lines dropped since the start because the ring was full or the target failed. [any] */
uint64_t log_dropped(void);

#endif
