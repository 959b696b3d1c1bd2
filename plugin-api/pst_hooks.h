/* SPDX-License-Identifier: MIT */
/*
 * Stages of a connection, the call frame, the hook table and the arguments of the stages.
 *
 * A connection passes the stages in the order of their numbers. Inside a stage the modules run
 * in the order of the administrator's list, nothing else. All hooks of one connection run on
 * one worker and never concurrently; hooks of one instance run concurrently for different
 * connections. So an instance is read-only after link(); what changes lives per connection, per
 * worker, or behind the module's own locks or atomics.
 */
#ifndef PST_HOOKS_H
#define PST_HOOKS_H

#include "pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PST_STAGE_ACCEPT = 1,         /* listener; may pend                                        */
    PST_STAGE_PREFACE = 2,        /* listener; may pend; arg: struct pst_preface               */
    PST_STAGE_CLIENT_HELLO = 3,   /* listener; may pend; arg: const struct pst_hello, NULL when
                                     the client does not speak TLS                             */
    PST_STAGE_ADMIT = 4,          /* edge; may pend                                            */
    PST_STAGE_TRANSPORT = 5,      /* edge                                                      */
    PST_STAGE_HANDSHAKE_DONE = 6, /* edge; may pend                                            */
    PST_STAGE_UPSTREAM = 7,       /* edge; may pend                                            */
    PST_STAGE_UPSTREAM_READY = 8, /* edge                                                      */
    PST_STAGE_ESTABLISHED = 9,    /* edge                                                      */
    PST_STAGE_CLOSE = 10,         /* both; arg: const struct pst_record; verdict is ignored    */
    PST_STAGE_CONN_FINI = 11      /* both, reverse order; verdict is ignored                   */
};

/* The frame of every connection hook. Built by the host, valid during the call. */
struct pst_call {
    uint32_t size;
    uint32_t stage;       /* PST_STAGE_*                                                       */
    void *inst;           /* what init() stored                                                */
    void *worker_state;   /* what worker_init() stored, NULL without one                       */
    pst_instance *self;   /* handle of the instance                                            */
    pst_worker *worker;   /* handle of the instance on this worker                             */
    pst_conn *conn;
    void *state;          /* conn_state_size bytes, zeroed when the connection entered the     */
                          /* chain, gone after conn_fini; NULL when the size is 0              */
    void *arg;            /* see PST_STAGE_*; NULL where none is named                         */
};

typedef int32_t (*pst_hook)(struct pst_call *k);

/*
 * Argument of on_preface: the first bytes of the connection, before any TLS is looked at.
 * PST_NEXT takes `consumed` bytes off the front (0: nothing was ours). PST_MORE asks to be
 * called again when more than `len` bytes are there; it is denied by the host at its limit of
 * 4096 + 16 bytes, at end of stream and at the hello deadline.
 */
struct pst_preface {
    uint32_t size;
    uint32_t eof;        /* 1: the client has ended its direction                              */
    const uint8_t *data; /* borrowed                                                           */
    size_t len;
    size_t consumed;     /* out                                                                */
};

enum {
    PST_HELLO_ECH = 1u << 0, /* encrypted_client_hello was offered (outer or GREASE)           */
    PST_HELLO_FRAGMENTED = 1u << 1 /* the message came in more than one TLS record             */
};

/*
 * The parsed ClientHello (RFC 8446 section 4.1.2). Borrowed: valid until on_established
 * returns. GREASE values (RFC 8701) are left in the lists.
 */
struct pst_hello {
    uint32_t size;
    uint32_t flags;             /* PST_HELLO_*                                                 */
    struct pst_str raw;         /* the handshake message with its 4-byte header                */
    struct pst_str sni;         /* normalised host name; n is 0 when there is none             */
    const struct pst_str *alpn; /* in the client's order                                       */
    const uint16_t *versions;   /* supported_versions, or legacy_version alone                 */
    const uint16_t *ciphers;
    const uint16_t *groups;
    const uint16_t *sigalgs;
    const uint16_t *extensions; /* types in the order sent                                     */
    uint32_t n_alpn, n_versions, n_ciphers, n_groups, n_sigalgs, n_extensions;
    uint32_t legacy_version;
    uint32_t reserved;
};

/* Why a connection ended: pst_record.reason. Names in events are these, in lower case. */
enum {
    PST_END_CLIENT_FIN = 1,
    PST_END_UPSTREAM_FIN = 2,
    PST_END_IDLE = 3,
    PST_END_DENIED = 4,
    PST_END_HELLO_TIMEOUT = 5,
    PST_END_BAD_HELLO = 6,
    PST_END_HELLO_TOO_LARGE = 7,
    PST_END_NO_SNI = 8,
    PST_END_UNKNOWN_SNI = 9,
    PST_END_NOT_TLS = 10,
    PST_END_HANDSHAKE_FAILED = 11,
    PST_END_HANDSHAKE_TIMEOUT = 12,
    PST_END_CONNECT_FAILED = 13,
    PST_END_UPSTREAM_TLS_FAILED = 14,
    PST_END_RESET = 15,
    PST_END_DRAINED = 16,
    PST_END_KILLED = 17,
    PST_END_OVERLOAD = 18,
    PST_END_INTERNAL = 19
};

/* One decision that was not enforced (`enforce = false`). */
struct pst_shadow {
    struct pst_str module;
    struct pst_str code;
    struct pst_str text;
    uint32_t stage;
    uint32_t reserved;
};

/*
 * Argument of on_close: everything the core knows about a connection that is over. Borrowed.
 * Times are monotonic nanoseconds as host->now_ns() tells them; 0: that point was not reached.
 */
struct pst_record {
    uint32_t size;
    uint32_t reason;            /* PST_END_*                                                   */
    uint32_t side;              /* PST_SIDE_* that ended it; 0: we did                         */
    uint32_t stage;             /* the stage it had reached                                    */
    uint64_t conn_id;
    uint64_t generation;
    struct pst_str listener;
    struct pst_str edge;        /* n is 0 when no edge was chosen                              */
    struct pst_str sni;         /* normalised; n is 0 when none                                */
    struct pst_addr peer;       /* the socket's peer                                           */
    struct pst_addr client;     /* the effective client                                        */
    struct pst_addr local;
    struct pst_addr upstream;   /* the last one tried                                          */
    struct pst_str upstream_name; /* as configured                                             */
    uint64_t wall_start_us;     /* Unix time of the accept, microseconds                       */
    uint64_t t_accept, t_hello, t_handshake, t_connect_start, t_connected, t_first_byte, t_end;
    uint64_t client_in, client_out;     /* bytes from and to the client on the wire            */
    uint64_t upstream_in, upstream_out; /* bytes from and to the upstream on the wire          */
    struct pst_str module;      /* who denied; n is 0 when the core did                        */
    struct pst_str code;        /* short machine-readable reason of a denial or failure        */
    struct pst_str text;        /* for people                                                  */
    const struct pst_shadow *shadow;
    uint32_t n_shadow;
    uint32_t tries;             /* upstream targets tried                                      */
    uint32_t sys_errno;         /* of the failed call, 0: none                                 */
    uint32_t alert_sent;        /* TLS alert number plus 1, 0: none                            */
    uint32_t worker;
    uint32_t truncated;         /* 1: a direction ended without the proper end of its protocol */

    /* Since 1.1. */
    uint32_t alert_received;          /* from the client: number plus 1, 0: none               */
    uint32_t upstream_alert_sent;     /* to the upstream, likewise                             */
    uint32_t upstream_alert_received; /* from the upstream, likewise                           */
    uint32_t reserved;
    uint64_t t_upstream_ready;  /* the upstream's transport has shaken hands                   */
};

/*
 * The hook table. NULL: not interested. The host copies it at load; members beyond `size` count
 * as NULL. Nothing in it is mandatory.
 */
struct pst_hooks {
    uint32_t size;
    uint32_t reserved;

    /*
     * Make an instance from its configuration; `*inst` is the module's own pointer. Publish
     * services here. Report all errors with host->cfg_error(), not the first, and answer
     * PST_ERR_CONFIG. After a failure fini() is not called. [main]
     */
    int32_t (*init)(pst_instance *self, const pst_cfg *cfg, void **inst);

    /* All instances of the chain are made: find services, build heavy things. [main] */
    int32_t (*link)(void *inst);

    /*
     * Reload: take over state from `prev`, the instance of the same module in the chain of the
     * same name in the generation still serving. It serves on concurrently. [main]
     */
    int32_t (*adopt)(void *inst, void *prev);

    /* State per worker. All worker_init of a generation succeed before it serves. [worker] */
    int32_t (*worker_init)(void *inst, pst_worker *worker, void **worker_state);
    void (*worker_fini)(void *inst, void *worker_state);

    pst_hook on_accept;         /* [worker] [may pend] */
    pst_hook on_preface;        /* [worker] [may pend] */
    pst_hook on_client_hello;   /* [worker] [may pend] */
    pst_hook on_admit;          /* [worker] [may pend] */
    pst_hook on_transport;      /* [worker]            */
    pst_hook on_handshake_done; /* [worker] [may pend] */
    pst_hook on_upstream;       /* [worker] [may pend] */
    pst_hook on_upstream_ready; /* [worker] once per connected target: a failed upstream
                                   handshake moves on to the next                          */
    pst_hook on_established;    /* [worker]            */
    pst_hook on_close;          /* [worker] once, chain order, every module that saw the
                                   connection                                               */
    pst_hook conn_fini;         /* [worker] once, reverse order                             */

    /* A newer generation took over, or the proxy ends; no new connections will come. [main] */
    void (*retire)(void *inst);

    /* The last connection is gone, worker states too: free the instance. Reverse order. [main] */
    void (*fini)(void *inst);
};

#ifdef __cplusplus
}
#endif

#endif
