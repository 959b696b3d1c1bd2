/* SPDX-License-Identifier: MIT */
/*
 * Byte streams and byte filters.
 *
 * A stream is a two-way flow of bytes with an independent end in each direction. The core
 * supplies the stream of a socket; a module may stack its own on another stream (TLS), or
 * supply one that has no socket at all (a tunnel). All calls on a stream of a connection come
 * from the worker of that connection, never concurrently, never nested.
 */
#ifndef PST_STREAM_H
#define PST_STREAM_H

#include "pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Directions of a single stream: what direct_fd() is asked about. */
enum {
    PST_STREAM_READ = 1,
    PST_STREAM_WRITE = 2
};

/* Special answers of direct_fd(). */
enum {
    PST_FD_NEVER = -1,  /* bytes of this stream are never the bytes of a descriptor           */
    PST_FD_NOT_NOW = -2 /* not at this moment; ask again later                                */
};

/* How a stream is closed. */
enum {
    PST_CLOSE_GRACEFUL = 0, /* both directions were ended properly, or a clean end is wanted    */
    PST_CLOSE_ABORT = 1     /* let the peer see an error: RST on a socket, no close_notify      */
};

/*
 * What a stream can do. `s` is the context given when the stream was made. The host copies the
 * table; members beyond `size` count as NULL.
 */
struct pst_stream_ops {
    uint32_t size;
    uint32_t reserved;

    /*
     * Progress the handshake. PST_OK when done, PST_WANT_READ / PST_WANT_WRITE, or a negative
     * error. PST_ERR_PROTOCOL: the stream has already told its peer (an alert), which the host
     * lets arrive before it closes. PST_AGAIN, from a stream stacked on the upstream's: this
     * attempt is lost, but says nothing about the target; connect to the same one once more
     * (since 1.1; a second one, and hosts before, take it for a failure). NULL: ready at once.
     * Under the handshake deadline. [worker]
     */
    int32_t (*handshake)(void *s);

    /*
     * Read into `v`. More than 0: so many bytes; 0: clean end; PST_WANT_*; a negative error. An
     * end that the stream's protocol does not call clean (TLS truncation) is PST_ERR_RESET.
     * The host reads until PST_WANT_READ, or schedules itself again: bytes buffered inside the
     * stream are never forgotten. [worker]
     */
    int64_t (*read)(void *s, struct pst_iov *v, uint32_t n);

    /*
     * Write from `v`. More than 0: so many bytes are taken (partial is fine); PST_WANT_*; a
     * negative error. After PST_WANT_* the host retries with the same bytes in front. [worker]
     */
    int64_t (*write)(void *s, const struct pst_iov *v, uint32_t n);

    /*
     * Push out what write() took but kept back. PST_OK, PST_WANT_WRITE or a negative error. The
     * host calls it at the end of each turn of writes. NULL: write() keeps nothing back. [worker]
     */
    int32_t (*flush)(void *s);

    /* End our direction (FIN, close_notify). PST_OK, PST_WANT_WRITE (call again), error. [worker] */
    int32_t (*shutdown_write)(void *s);

    /*
     * The stream is over: free the context. Called exactly once, last, also after errors. A
     * stacked stream does not close the stream below; the host does. [worker]
     */
    void (*close)(void *s, uint32_t how);

    /*
     * A descriptor whose bytes are exactly this stream's bytes in direction `dir`, so that the
     * host may splice; or PST_FD_NEVER, PST_FD_NOT_NOW. NULL: never. [worker]
     */
    int32_t (*direct_fd)(void *s, uint32_t dir);

    /*
     * Streams without a socket only: the host now waits for `events` (PST_STREAM_READ |
     * PST_STREAM_WRITE, 0: for nothing). Call host->stream_ready() when one of them comes true.
     * NULL: not interested. [worker]
     */
    void (*interest)(void *s, uint32_t events);
};

/* Where a filter puts its decisions; valid during one data() call. */
typedef struct pst_filter_out pst_filter_out;

/* What a filter can do. Members beyond `size` count as NULL. */
struct pst_filter_ops {
    uint32_t size;
    uint32_t reserved;

    /*
     * `n` bytes at `data` wait (those not passed or dropped last time in front); `fin` is 1 when
     * no more will come. The filter calls host->filter_pass / filter_drop / filter_emit, in
     * stream order, and returns PST_OK; bytes it neither passes nor drops stay and are shown
     * again together with more. With `fin`, bytes left over are dropped. A negative answer
     * ends the connection. [worker]
     */
    int32_t (*data)(void *ctx, pst_filter_out *out, const uint8_t *data, size_t n, uint32_t fin);

    /* The filter is detached or the connection is over: free the context. [worker] */
    void (*detach)(void *ctx);
};

#ifdef __cplusplus
}
#endif

#endif
