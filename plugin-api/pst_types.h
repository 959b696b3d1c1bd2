/* SPDX-License-Identifier: MIT */
/*
 * Plain types that cross the boundary between Postern and its modules.
 *
 * Rules that hold in every public header:
 *   - nothing is included but <stdint.h> and <stddef.h>;
 *   - every struct that can grow begins with `uint32_t size` and only grows at its end;
 *   - no pointer changes its owner by crossing the boundary: who allocates frees;
 *   - "borrowed" means valid until the call returns, unless a longer life is stated;
 *   - [main] [worker] [any] say on which thread a function runs or may be called.
 */
#ifndef PST_TYPES_H
#define PST_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque handles. The host owns what they point to; modules only pass them back. */
typedef struct pst_conn pst_conn;         /* one connection, on one worker                     */
typedef struct pst_instance pst_instance; /* one module entry of one chain of one generation   */
typedef struct pst_worker pst_worker;     /* one instance on one worker thread                 */
typedef struct pst_listener pst_listener; /* a listener, for connection injection              */
typedef struct pst_cfg pst_cfg;           /* a node of the configuration                       */
typedef struct pst_ticket pst_ticket;     /* a suspended connection                            */
typedef struct pst_timer pst_timer;       /* a timer, bound to a scope                         */
typedef struct pst_watch pst_watch;       /* a file descriptor watch, bound to a scope         */
typedef struct pst_stream pst_stream;     /* a byte stream                                     */
typedef struct pst_filter pst_filter;     /* an attached byte filter                           */

/* Bytes with a length. Never NUL-terminated unless the place that hands it out says so. */
struct pst_str {
    const char *p;
    size_t n;
};

/* A buffer to read into or to write from. */
struct pst_iov {
    uint8_t *p;
    size_t n;
};

/* Values of pst_addr.family. */
enum {
    PST_AF_NONE = 0, /* unknown                                                       */
    PST_AF_INET = 4, /* ip[0..3], network order                                       */
    PST_AF_INET6 = 6, /* ip[0..15], network order                                      */
    PST_AF_UNIX = 1 /* a unix socket: no address bytes, no port                      */
};

/* A network address. An IPv4-mapped IPv6 address is always handed out as PST_AF_INET. */
struct pst_addr {
    uint8_t family; /* PST_AF_*                    */
    uint8_t reserved;
    uint16_t port;  /* host byte order             */
    uint32_t scope; /* IPv6 scope id, 0 if none    */
    uint8_t ip[16]; /* unused bytes are zero       */
};

/* A network: an address whose bits after `prefix` are zero. */
struct pst_net {
    struct pst_addr addr;
    uint32_t prefix; /* 0..32 or 0..128 */
    uint32_t reserved;
};

/* Results of host calls: 0 or a positive count is success, a negative number one of these. */
enum {
    PST_OK = 0,
    PST_ERR = -1,             /* failed; the host has logged why where it knows more       */
    PST_ERR_NOMEM = -2,       /* out of memory                                             */
    PST_ERR_INVALID = -3,     /* an argument the call cannot take                          */
    PST_ERR_STATE = -4,       /* not now: wrong stage, wrong thread, already done          */
    PST_ERR_NOT_FOUND = -5,   /* no such name                                              */
    PST_ERR_LIMIT = -6,       /* a limit of the host is reached                            */
    PST_ERR_UNSUPPORTED = -7, /* this host is older than the call                          */
    PST_ERR_CONFIG = -8,      /* a configuration error was recorded                        */
    PST_ERR_CANCELLED = -9,   /* the scope ended first                                     */
    PST_ERR_IO = -10,         /* the stream failed; it cannot be used any more             */
    PST_ERR_RESET = -11,      /* the stream was reset by its peer                          */
    PST_ERR_PROTOCOL = -12,   /* the peer broke the stream's protocol (TLS alert sent)     */
    PST_WANT_READ = -20,      /* call again when the stream below is readable              */
    PST_WANT_WRITE = -21,     /* call again when the stream below is writable              */
    PST_AGAIN = -22           /* handshake() with an upstream: connect to it anew (since 1.1) */
};

/*
 * What a connection hook answers. Zero is deliberately not a verdict: a hook that forgets to
 * return one, and every number the host does not know, counts as PST_ERROR. PST_ERROR denies.
 */
enum {
    PST_ERROR = -1,
    PST_NEXT = 1,    /* no objection: go on with the next module                            */
    PST_DENY = 2,    /* end this connection; call host->deny() before to say why            */
    PST_PENDING = 3, /* suspended with host->suspend(); only stages marked [may pend]       */
    PST_MORE = 4,    /* on_preface only: call again when more bytes are there               */
    PST_CLAIM = 5    /* on_transport, on_upstream: this module has supplied the stream      */
};

/* Types of pst_value. */
enum {
    PST_VALUE_NONE = 0, /* not known for this connection (yet) */
    PST_VALUE_STR = 1,  /* text: valid UTF-8 is not promised   */
    PST_VALUE_U64 = 2,
    PST_VALUE_ADDR = 3,
    PST_VALUE_BYTES = 4,
    PST_VALUE_BOOL = 5
};

/* The value of a variable. Pointers in it are borrowed. */
struct pst_value {
    uint32_t type; /* PST_VALUE_* */
    uint32_t reserved;
    union {
        struct pst_str str; /* STR and BYTES */
        uint64_t u64;       /* U64 and BOOL  */
        struct pst_addr addr;
        uint64_t space[4];
    } u;
};

/* Log levels, most severe first. */
enum {
    PST_LOG_ERROR = 3,
    PST_LOG_WARNING = 4,
    PST_LOG_NOTICE = 5,
    PST_LOG_INFO = 6,
    PST_LOG_DEBUG = 7
};

/* The two ends of a connection, as seen from the proxy. */
enum {
    PST_SIDE_CLIENT = 1,
    PST_SIDE_UPSTREAM = 2
};

/* The two directions of bytes. */
enum {
    PST_DIR_TO_UPSTREAM = 1, /* client to upstream */
    PST_DIR_TO_CLIENT = 2    /* upstream to client */
};

#ifdef __cplusplus
}
#endif

#endif
