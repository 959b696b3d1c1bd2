/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of core/conn: the connection and what its files call of each other. All [worker]. */
#ifndef POSTERN_CONN_CONN_PRIV_H
#define POSTERN_CONN_CONN_PRIV_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/conn/conn.h"
#include "core/hello/hello.h"
#include "core/module/vars.h"
#include "core/upstream/upstream.h"

struct chain;
struct dial;
struct edge;
struct relay;
struct ticket;
struct watch_scope;

enum conn_state {
    CONN_ACCEPT,             /* on_accept                                   */
    CONN_PREFACE,            /* reading, on_preface                         */
    CONN_HELLO,              /* reading, parsing                            */
    CONN_CLIENT_HELLO,       /* on_client_hello                             */
    CONN_ROUTE,              /* the edge is chosen                          */
    CONN_ADMIT,              /* on_admit                                    */
    CONN_TRANSPORT,          /* on_transport                                */
    CONN_HANDSHAKE,          /* the client's transport shakes hands         */
    CONN_HANDSHAKE_DONE,     /* on_handshake_done                           */
    CONN_UPSTREAM,           /* on_upstream                                 */
    CONN_DIAL,               /* connecting to a target                      */
    CONN_UPSTREAM_READY,     /* on_upstream_ready                           */
    CONN_UPSTREAM_HANDSHAKE, /* the upstream's transport shakes hands       */
    CONN_ESTABLISHED,        /* on_established                              */
    CONN_RELAY,
    CONN_CLOSED
};

/* What a state function answers: go on with the (new) state, or wait for an event. */
enum conn_step { STEP_GO, STEP_WAIT };

/* Who ended it and why: filled by conn_deny_note() and conn_end(). */
struct conn_why {
    const char *module;      /* NULL: the core */
    const char *code, *text; /* in the arena or static */
};

/* Everything that is only needed until the relay starts; freed then. */
struct conn_setup {
    struct conn *conn;
    struct loop_timer timer; /* the one deadline of the current wait                  */
    struct hello_reader hello;
    struct buf wire;         /* what was read from the client so far                  */
    size_t fed;              /* of it, given to the hello parser                      */
    uint64_t hello_deadline; /* absolute, monotonic ns: one for preface and hello     */
    struct ticket *ticket;   /* not NULL: a hook is suspended                         */
    struct ticket *fresh;    /* made by suspend() in the hook that runs now           */
    uint32_t step;           /* next hook of the current stage                        */
    uint32_t timer_reason;   /* PST_END_* when the timer fires                        */
    int32_t resumed;         /* verdict given back by a ticket, 0: none               */
    bool in_hook, pending_counted;
    bool client_eof;
    bool tls_seen, not_tls; /* the first byte was one of TLS, was not                */
    bool claimed;           /* a stream was supplied in this stage                   */
    bool supplied;          /* the upstream's stream is a module's                   */
    bool upstream_stacked;
    bool overload;     /* suspend() was refused in the hook that runs: max_pending */
    bool last_was_tls; /* the last target failed in its handshake               */
    bool again;        /* the next dial is another try with the same target     */
    bool tried_again;  /* it has had that                                       */
    int last_errno;
    struct conn_why noted;         /* by the hook that stacked the upstream's transport      */
    struct upstream_choice target; /* the one being tried                                */
    struct edge *named;            /* by set_edge()                                         */
    struct instance *running;      /* whose hook runs                                       */
    const struct pst_addr *chosen; /* by upstream_choose(), in the arena                    */
    struct dial *dial;
    struct buf app; /* PST_LAYER_APP                                         */
    struct pst_preface preface;
};

struct conn_shadow {
    struct conn_shadow *next;
    struct pst_shadow s;
};

#define CONN_ALERTS 4

/* The low bits of an id are the worker's number. */
#define CONN_ID_WORKERS 1023

struct conn {
    struct list node;
    struct conn_worker *w;
    struct generation *gen;
    struct listener *listener;
    struct edge *edge;
    struct conn_setup *setup; /* NULL once relaying or closed */
    struct stream *client, *upstream;
    struct relay *relay;
    struct arena arena;
    struct var_cache vars;
    struct watch_scope *scope;
    struct task task; /* runs conn_advance(), or ends the connection when `kill` is set */
    void *listener_state, *edge_state;
    const char *sni; /* in the arena, NULL: none */
    struct conn_shadow *shadow;
    const char *upstream_name; /* as configured; NULL: no target was tried   */
    const char *upstream_host; /* its host name, NULL: it has none           */
    struct conn_why why;
    uint64_t id;
    uint64_t wall_start_us, t_accept, t_hello, t_handshake, t_connect_start, t_connected;
    uint64_t t_upstream_ready;
    uint64_t upstream_in, upstream_out; /* of targets that were given up */
    struct pst_addr client_addr, upstream_addr;
    const struct pst_addr *peer;  /* client_addr, or in the arena when a module has set that one */
    const struct pst_addr *local; /* in the arena; NULL: conn_local() was not asked yet          */
    uint32_t sni_n;
    uint32_t tries;
    uint8_t state; /* enum conn_state */
    uint8_t stage; /* the last one entered */
    bool kill : 1;
    bool upstream_tls : 1; /* the target is a "tls://" one */
    /* TLS alerts plus one, 0: none; indexed by conn_alert_slot() */
    uint8_t alerts[CONN_ALERTS];
    struct upstream_walk walk; /* its current target is counted until the end */
};

/* Where conn.alerts has the last alert of a side and direction. */
static inline unsigned conn_alert_slot(uint32_t side, bool received)
{
    return (side == PST_SIDE_UPSTREAM ? 2u : 0u) + (received ? 1u : 0u);
}

/* What is only known at the end. */
struct conn_totals {
    uint64_t client_in, client_out, upstream_in, upstream_out; /* bytes on the wire */
    uint64_t t_first_byte;
};

/* How a connection ends. */
struct conn_end {
    uint32_t reason; /* PST_END_*                                        */
    uint32_t side;   /* PST_SIDE_*, 0: we                                */
    int sys_errno;
    uint8_t alert; /* TLS alert to send in the clear, 0: none          */
    bool abort;    /* the client gets RST                              */
    bool truncated;
    bool linger;             /* the client's last bytes are still to arrive     */
    const char *code, *text; /* static or in the arena; kept unless a module denied */
};

/* TLS alerts the core may send (RFC 8446 section 6, RFC 6066 section 3). */
enum {
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_ACCESS_DENIED = 49,
    ALERT_DECODE_ERROR = 50,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_UNRECOGNIZED_NAME = 112
};

/* conn.c */
void conn_advance(struct conn *c);
/* Queue conn_advance(): from callbacks of other layers. */
void conn_wake(struct conn *c);
/* One deadline at a time: in ms from now, ending the connection for `reason`. */
void conn_deadline(struct conn *c, uint64_t ms, uint32_t reason);
void conn_deadline_at(struct conn *c, uint64_t at_ns, uint32_t reason);
void conn_deadline_off(struct conn *c);
void conn_setup_free(struct conn *c);
/* A copy in the arena; NULL: out of memory. */
const struct pst_addr *conn_keep_addr(struct conn *c, const struct pst_addr *addr);
/* A connection and its linger are over: its worker and its generation may forget it. */
void conn_slot_free(struct conn_worker *w, struct generation *g);
/* True while the client may still be told an alert in the clear. */
bool conn_alert_possible(const struct conn *c);

/* conn_preface.c */
enum conn_step conn_preface(struct conn *c);
enum conn_step conn_hello(struct conn *c);
void conn_preface_taken(struct conn *c);
enum conn_step conn_route(struct conn *c);

/* conn_stage.c */
/*
 * Run what is left of a stage. PST_NEXT: all agreed; PST_CLAIM: a stream was supplied; PST_MORE;
 * PST_PENDING: wait, conn_advance() comes back here. Anything else: the connection was ended.
 */
int32_t conn_stage(struct conn *c, uint32_t stage, void *arg);
/* As above for stages whose only good ends are PST_NEXT: go to `next`, or wait. */
enum conn_step conn_stage_simple(struct conn *c, uint32_t stage, void *arg, enum conn_state next);
/* The chain and the state block a stage belongs to; NULL: no modules. */
struct chain *conn_stage_chain(const struct conn *c, uint32_t stage, void **state);
/* The client's stream has something to tell while a hook is suspended: it may have failed. */
void conn_suspended_event(struct conn *c, unsigned events);
/* Stages without a verdict: on_close, conn_fini, of both chains. */
void conn_stage_notify(struct conn *c, uint32_t stage, void *arg);
/* host->suspend(). */
pst_ticket *conn_suspend(pst_conn *conn, void (*cancel)(void *arg), void *arg);
/* A ticket's cancel and bookkeeping when the connection ends while suspended. */
void conn_stage_cancel(struct conn *c);

/* conn_upstream.c */
enum conn_step conn_transport(struct conn *c);
enum conn_step conn_handshake(struct conn *c);
enum conn_step conn_upstream(struct conn *c);
enum conn_step conn_dial(struct conn *c);
enum conn_step conn_upstream_ready(struct conn *c);
enum conn_step conn_upstream_handshake(struct conn *c);
enum conn_step conn_established(struct conn *c);
/*
 * The upstream's handshake failed with `rc`, or took too long: the same target again, the next one,
 * or the end.
 */
void conn_upstream_failed(struct conn *c, int32_t rc, int sys_errno);

/* conn_close.c */
/* End it: record, on_close, conn_fini, streams. `c` is freed when this returns. */
void conn_end(struct conn *c, const struct conn_end *e);
/* The same for the common case of a failure of ours or the peer's. */
void conn_fail(struct conn *c, uint32_t reason, uint32_t side, const char *code, const char *text);
/* A module said no: how it looks is the edge's or listener's setting. */
void conn_denied(struct conn *c);
/* The address that the client has reached; of no family when it cannot be told. */
const struct pst_addr *conn_local(struct conn *c);

/* conn_list.c: a connection leaves its list; places in it move on. */
void conn_cursors_pass(struct conn_worker *w, const struct conn *c);

/* conn_count.c */
void conn_count_accepted(const struct conn *c);
void conn_count_routed(const struct conn *c);
/* A handshake of a PST_SIDE_* was completed here, or failed. */
void conn_count_handshake(struct conn *c, uint32_t side);
void conn_count_handshake_failed(uint32_t side);
void conn_count_end(const struct conn *c, const struct conn_totals *t, uint32_t reason,
                    bool relayed);

/* conn_vars.c */
/* Keep the variables made from the hello that some module asked for. */
void conn_vars_keep(struct conn *c);
/* Replace cached values after the address of the client or of the target has changed. */
void conn_vars_client_changed(struct conn *c);
void conn_vars_upstream_changed(struct conn *c);

/* conn_linger.c */
/*
 * Take over a client's stream whose last bytes were just written: end our direction, read
 * and drop until the client ends too or a short deadline passes, then close. The connection's
 * slot is freed only then, so that a drain waits for those bytes too.
 */
void conn_linger(struct conn_worker *w, struct generation *g, struct stream *s);
void conn_linger_end_all(struct conn_worker *w);

#endif
