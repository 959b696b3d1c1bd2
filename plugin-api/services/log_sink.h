/* SPDX-License-Identifier: MIT */
/*
 * Service "postern.log-sink/1": lines to a file, a socket or syslog without writing on a worker.
 *
 * host->get_service(PST_LOG_SINK) answers the table, or NULL on a host that does not have it. A
 * sink keeps a ring per worker and one writer thread; a full ring drops lines and counts them.
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
    PST_SINK_BLOCK = 2 /* wait: the worker stands still                                        */
};

struct pst_log_sink {
    uint32_t size;
    uint32_t reserved;

    /*
     * Open "stdout", "syslog", "file:/path" or "unix:/path"; the same target is opened once and
     * shared. `ring` is the bytes of memory per worker, 0: the host's default. NULL: failed, the
     * host has logged why. In init() or link(). [main]
     */
    pst_sink *(*open)(pst_instance *self, const char *target, uint32_t overflow, uint64_t ring);

    /* Write out what is there and give the sink back. In fini(). [main] */
    void (*close)(pst_sink *sink);

    /* One line, without its end; copied. PST_OK, or PST_ERR_LIMIT when it was dropped. [any] */
    int32_t (*write)(pst_sink *sink, const char *line, size_t n);

    /* Lines dropped so far. [any] */
    uint64_t (*dropped)(pst_sink *sink);
};

#ifdef __cplusplus
}
#endif

#endif
