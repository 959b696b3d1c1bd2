/* SPDX-License-Identifier: MIT */
/*
 * Service "postern.log-sink/1": lines to a file, a socket or syslog without writing on a worker.
 *
 * host->get_service(PST_LOG_SINK) answers the table, or NULL on a host that does not have it (1.0).
 * A sink keeps a ring for each thread that writes; one thread of the host writes all sinks out. A
 * full ring drops lines and counts them. What the target does not take waits there, and the target
 * is tried again every second: a file by opening it anew, a socket by connecting again.
 */
#ifndef PST_LOG_SINK_H
#define PST_LOG_SINK_H

#include "../pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PST_LOG_SINK "postern.log-sink/1"

/* An open sink. The host owns what it points to. */
typedef struct pst_sink pst_sink;

/* What happens when a ring is full. */
enum {
    PST_SINK_DROP = 1, /* drop the line and count it                                           */
    PST_SINK_BLOCK = 2 /* wait for a slow target: the worker stands still, but never longer than
                          a few seconds, and not at all for a target that takes nothing       */
};

struct pst_log_sink {
    uint32_t size;
    uint32_t reserved;

    /*
     * Open "stdout", "syslog", "file:/path" or "unix:/path"; the same target is opened once and
     * shared, over a reload too, with the largest `ring` that anybody asked for. `ring` is the bytes
     * of memory per worker, 0: the host's default. A socket is connected when it is first written
     * to; "syslog:/path" is another socket than /dev/log. NULL: failed, the host has logged why.
     * In init() or link(). [main]
     */
    pst_sink *(*open)(pst_instance *self, const char *target, uint32_t overflow, uint64_t ring);

    /* Give the sink back; what was written to it still goes out. In fini(). [main] */
    void (*close)(pst_sink *sink);

    /*
     * One line, without its end and without a newline in it, of at most 32000 bytes; copied.
     * PST_OK, or PST_ERR_LIMIT when it was dropped. [any]
     */
    int32_t (*write)(pst_sink *sink, const char *line, size_t n);

    /* Lines dropped so far. [any] */
    uint64_t (*dropped)(pst_sink *sink);

    /*
     * Since 1.1: how to tell in the target itself that lines were lost. `line` writes a line into
     * `buf` and answers its length, 0: none; it runs on the host's writer. The last one given for a
     * target counts. Without one lines are lost in silence, but for the metric. [main]
     */
    void (*tell_lost)(pst_sink *sink, size_t (*line)(char *buf, size_t n, uint64_t lost));
};

#ifdef __cplusplus
}
#endif

#endif
