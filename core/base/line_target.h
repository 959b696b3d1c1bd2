/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a writer's lines go: a descriptor, a file, syslog or a unix socket. Nothing here waits for
 * a peer; only a regular file may take its time. Internal to line_writer.c and its users.
 */
#ifndef POSTERN_BASE_LINE_TARGET_H
#define POSTERN_BASE_LINE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_batch;

enum line_target_kind {
    LINE_TO_FD,     /* a descriptor of somebody else: stdout, stderr                        */
    LINE_TO_FILE,   /* appended to, made when it is missing                                 */
    LINE_TO_SYSLOG, /* syslog(3), with the level of each line and without its timestamp     */
    LINE_TO_DEVLOG, /* one RFC 5424 message a line to the datagram socket `path`            */
    LINE_TO_UNIX    /* a unix socket: one datagram a line, or lines on a stream             */
};

struct line_target {
    enum line_target_kind kind;
    int fd;      /* -1: not open, or not connected now                             */
    char *path;  /* FILE, DEVLOG, UNIX: owned                                      */
    bool pieces; /* no regular file: write only what surely does not block         */
    bool stream; /* UNIX: the socket is a stream                                   */
    size_t skip; /* SYSLOG: bytes in front of a line that are left out             */
};

/* How far a batch is written. `at` is the next byte, `line` the line it is in. */
struct line_cursor {
    size_t at;
    uint32_t line;
};

enum line_sent {
    LINE_SENT_ALL,
    LINE_SENT_FULL,  /* no room now: wait until the descriptor is writable */
    LINE_SENT_FAILED /* errno says why                                     */
};

/* A descriptor that stays its owner's. */
struct line_target line_target_fd(int fd);
/* Open a file. False: errno; t->path is set all the same, so that it can be tried again. */
bool line_target_file(struct line_target *t, const char *path);
/* A kind that is connected when it is first written to; path may be NULL for LINE_TO_SYSLOG. */
struct line_target line_target_of(enum line_target_kind kind, const char *path);

/*
 * Write from the cursor on and advance it. Lines that the target will never take, because a
 * datagram cannot be that long, are passed over and counted in *lost. [writer]
 */
enum line_sent line_target_write(struct line_target *t, const struct line_batch *b,
                                 struct line_cursor *c, uint64_t *lost);
/*
 * After a failure: a file is opened anew; a socket is connected again by the next write. [writer]
 */
void line_target_retry(struct line_target *t, const struct line_batch *b, struct line_cursor *c);
/* True when a file has been deleted: what is written to it is lost. [writer] */
bool line_target_deleted(const struct line_target *t);
/*
 * Go on with another target, which is moved in. A line that is half written is ended on the old
 * one if that is the same file, else begun again on the new one. [writer]
 */
void line_target_replace(struct line_target *t, struct line_target *next,
                         const struct line_batch *b, struct line_cursor *c);
/* Close and free. */
void line_target_close(struct line_target *t);

#endif
