/* SPDX-License-Identifier: MIT */
/*
 * What a module may ask of the host: one table of functions, handed to load().
 *
 * The table only grows at its end. Code compiled with a newer header must test PST_HAS() before
 * it calls what an older host may lack. What is not marked is in 1.0 and may be called as it is.
 */
#ifndef PST_HOST_H
#define PST_HOST_H

#include "pst_abi.h"
#include "pst_config.h"
#include "pst_hooks.h"
#include "pst_stream.h"
#include "pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 1 when the host has this member. */
#define PST_HAS(host, member)                                                                      \
    ((host)->size >= offsetof(struct pst_host, member) + sizeof((host)->member) &&                 \
     (host)->member != NULL)

/* Kinds of scope: what a timer, a watch or a job belongs to. */
enum {
    PST_OWNER_CONN = 1,   /* a connection: callbacks on its worker, cancelled when it ends     */
    PST_OWNER_WORKER = 2, /* an instance on one worker: callbacks there                        */
    PST_OWNER_INSTANCE = 3 /* an instance: callbacks on the main thread                        */
};

/* A scope. Build it with PST_OF_CONN(), PST_OF_WORKER(), PST_OF_INSTANCE() below. */
struct pst_scope {
    uint32_t kind; /* PST_OWNER_* */
    uint32_t reserved;
    void *owner;
};

/* Flags of publish(). */
enum {
    PST_SERVICE_MUST_BE_CONSUMED = 1u << 0 /* nobody found it after link: the start is refused */
};

/* Layers of prepend(). */
enum {
    PST_LAYER_WIRE = 1, /* the first bytes on the upstream's socket, before any upstream TLS   */
    PST_LAYER_APP = 2   /* the first bytes inside the upstream's transport                     */
};

/* Types of metrics. */
enum {
    PST_METRIC_COUNTER = 1,
    PST_METRIC_GAUGE = 2
};

/* Attributes of an injected connection. */
struct pst_inject {
    uint32_t size;
    uint32_t reserved;
    struct pst_addr peer;  /* who is at the other end of the stream                            */
    struct pst_addr local; /* the address it was meant for                                     */
};

/* A declared variable: answers its value for a connection. [worker] `value` arrives as NONE. */
typedef int32_t (*pst_var_get)(void *ctx, pst_conn *conn, struct pst_value *value);

/* Flags of pst_upstream_target. */
enum {
    PST_TARGET_TLS = 1u << 0 /* configured as "tls://..."                                      */
};

/* The target that a connection has been connected to. Strings are borrowed. Since 1.1. */
struct pst_upstream_target {
    uint32_t size;        /* set by the caller: the host fills in no more than that             */
    uint32_t flags;       /* PST_TARGET_*                                                       */
    struct pst_str name;  /* as configured; "module" for one that upstream_choose() named       */
    struct pst_str host;  /* its host name, normalised; n is 0 for addresses and unix sockets   */
    struct pst_addr addr; /* what was connected to                                              */
};

struct pst_host {
    uint32_t size;
    uint32_t minor; /* PST_ABI_MINOR of the host */

    /* --- log ------------------------------------------------------------------------------- */

    /* 1 when a message of this level would be written. [any] */
    uint32_t (*log_enabled)(uint32_t level);

    /*
     * Write a message; the host adds module, listener or edge, and connection. Control characters
     * are escaped. `self` may be NULL inside load(), `conn` may always be NULL. Repeated messages
     * are rate-limited. [any], with `conn` only on its worker.
     */
    void (*log)(pst_instance *self, pst_conn *conn, uint32_t level, const char *text, size_t n);

    /* --- configuration: only inside init() [main] -------------------------------------------- */

    /*
     * Readers. `key` names a member of the group `node`; NULL means `node` itself. They answer
     * PST_OK, PST_ERR_NOT_FOUND when the key is absent and has no declared default, or
     * PST_ERR_CONFIG when the value is wrong (the error is recorded). Strings are
     * NUL-terminated too and live until fini().
     */
    int32_t (*cfg_str)(const pst_cfg *node, const char *key, struct pst_str *out);
    int32_t (*cfg_u64)(const pst_cfg *node, const char *key, uint64_t *out);
    int32_t (*cfg_bool)(const pst_cfg *node, const char *key, uint32_t *out);
    int32_t (*cfg_duration)(const pst_cfg *node, const char *key, uint64_t *ms);
    int32_t (*cfg_size)(const pst_cfg *node, const char *key, uint64_t *bytes);
    int32_t (*cfg_net)(const pst_cfg *node, const char *key, struct pst_net *out);
    int32_t (*cfg_addr)(const pst_cfg *node, const char *key, struct pst_addr *out);
    /* An absolute path; nothing is opened. */
    int32_t (*cfg_path)(const pst_cfg *node, const char *key, struct pst_str *out);

    /* Walking. `cfg_get` answers NULL when absent; nodes live until init() returns. */
    const pst_cfg *(*cfg_get)(const pst_cfg *node, const char *key);
    uint32_t (*cfg_type)(const pst_cfg *node);                        /* PST_CFG_*              */
    uint32_t (*cfg_count)(const pst_cfg *node);                       /* elements or members    */
    const pst_cfg *(*cfg_at)(const pst_cfg *node, uint32_t i);        /* element or member i    */
    int32_t (*cfg_name)(const pst_cfg *node, struct pst_str *out);    /* name of a member       */

    /*
     * The group called `name` in the shared top-level list `section` ("ip_policies" in 1.0),
     * whichever file it stands in; NULL when there is none.
     */
    const pst_cfg *(*cfg_shared)(pst_instance *self, const char *section, const char *name);

    /* Record an error or a warning at `node`; the host prints file, line and path before it. */
    void (*cfg_error)(const pst_cfg *node, const char *text, size_t n);
    void (*cfg_warn)(const pst_cfg *node, const char *text, size_t n);

    /* --- instance ---------------------------------------------------------------------------- */

    /* Name of the listener or edge, and PST_SCOPE_LISTENER or PST_SCOPE_EDGE. [any] */
    int32_t (*instance_info)(pst_instance *self, struct pst_str *chain, uint32_t *scope);

    /*
     * Services of one chain: publish in init(), find in link(). `table` is a size-prefixed
     * struct that lives until fini(). `find_each` calls `found` for every publisher in list order
     * and answers how many. [main]
     */
    int32_t (*publish)(pst_instance *self, const char *service, const void *table, uint32_t flags);
    int32_t (*find_each)(pst_instance *self, const char *service,
                         void (*found)(void *arg, const void *table), void *arg);

    /* A table of the host itself that is not in 1.0, by "name/revision"; NULL: unknown. [main] */
    const void *(*get_service)(const char *name);

    /* --- variables and notes ------------------------------------------------------------------ */

    /* The id of a variable, or PST_ERR_NOT_FOUND. Inside load(), init() or link(). [main] */
    int32_t (*var_id)(const char *name);
    /* PST_OK also when the value is NONE. Borrowed until the hook returns. [worker] */
    int32_t (*var_get)(pst_conn *conn, int32_t id, struct pst_value *out);
    /*
     * Declare a variable in load(). Its name begins with the module's name and a dot; modules
     * with the role CLIENT_TRANSPORT may also declare "conn.tls.*", those with UPSTREAM_TRANSPORT
     * "upstream.tls.*" (since 1.1). Values are cached per connection once they are not NONE.
     * Answers the id. [main]
     */
    int32_t (*var_register)(const char *module, const char *name, uint32_t type, pst_var_get get,
                            void *ctx);
    /*
     * Notes: values that modules leave on a connection, under a variable they declared. The
     * bytes of strings are copied. A later set replaces. [worker]
     */
    int32_t (*note_set)(pst_conn *conn, int32_t id, const struct pst_value *value);

    /* --- connection [worker] ------------------------------------------------------------------ */

    /* Zeroed memory that lives until conn_fini has run; NULL: out of memory. */
    void *(*conn_alloc)(pst_conn *conn, size_t n);
    /* The parsed hello; NULL before on_client_hello, after on_established, or without TLS. */
    const struct pst_hello *(*conn_hello)(pst_conn *conn);
    /* Say why PST_DENY follows: a short code and a sentence. Both are copied. */
    void (*deny)(pst_conn *conn, const char *code, size_t code_n, const char *text, size_t text_n);
    /* Set the effective client address. on_accept and on_preface only. */
    int32_t (*set_client_addr)(pst_conn *conn, const struct pst_addr *addr);
    /* Name the edge instead of the SNI look-up. on_client_hello only. */
    int32_t (*set_edge)(pst_conn *conn, const char *name, size_t n);
    /* End a connection from outside its hooks; the reason is `killed`. */
    void (*conn_kill)(pst_conn *conn);

    /*
     * Suspend the hook that is running; it then returns PST_PENDING. `cancel` runs on the worker
     * when the connection dies or the deadline passes before resume; the ticket stays valid
     * memory until resume() or ticket_free() was called exactly once. NULL: not possible here.
     */
    pst_ticket *(*suspend)(pst_conn *conn, void (*cancel)(void *arg), void *arg);
    /*
     * Give the verdict (PST_NEXT, PST_DENY, PST_ERROR) and the ticket back. `resume` on the owning
     * worker, `resume_any` on any thread. The chain goes on at the next module, never inside this
     * call. Late or after cancel: a no-op that frees the ticket.
     */
    void (*resume)(pst_ticket *ticket, int32_t verdict);
    void (*resume_any)(pst_ticket *ticket, int32_t verdict);
    /* Give a ticket back without a verdict, after cancel ran. [any] */
    void (*ticket_free)(pst_ticket *ticket);

    /* --- streams [worker] --------------------------------------------------------------------- */

    /*
     * Stack a stream on one side: PST_SIDE_CLIENT in on_transport (then return PST_CLAIM),
     * PST_SIDE_UPSTREAM in on_upstream_ready. `*inner` is the stream below. The host owns `ctx`
     * from here on and ends it with ops->close(); after an error it is still the module's.
     */
    int32_t (*stream_stack)(pst_conn *conn, uint32_t side, const struct pst_stream_ops *ops,
                            void *ctx, pst_stream **inner);
    int64_t (*stream_read)(pst_stream *s, struct pst_iov *v, uint32_t n);
    int64_t (*stream_write)(pst_stream *s, const struct pst_iov *v, uint32_t n);
    int32_t (*stream_flush)(pst_stream *s);
    int32_t (*stream_shutdown_write)(pst_stream *s);

    /*
     * Supply the upstream stream in on_upstream (then return PST_CLAIM): a stream that the module
     * implements, or a connected non-blocking socket that the host then owns. After an error
     * `ctx` is still the module's, `fd` only after PST_ERR_STATE.
     */
    int32_t (*upstream_claim)(pst_conn *conn, const struct pst_stream_ops *ops, void *ctx,
                              pst_stream **handle);
    int32_t (*upstream_claim_fd)(pst_conn *conn, int32_t fd);
    /* Dial this address instead of the configured targets. on_upstream only. */
    int32_t (*upstream_choose)(pst_conn *conn, const struct pst_addr *addr);
    /*
     * A stream without a socket became readable or writable (PST_STREAM_*). Never runs the
     * connection inside this call. Not after ops->close().
     */
    void (*stream_ready)(pst_stream *handle, uint32_t events);

    /* Put bytes in front of what goes upstream; on_upstream_ready only. Bytes are copied. */
    int32_t (*prepend)(pst_conn *conn, uint32_t layer, const uint8_t *data, size_t n);

    /*
     * Start a connection on this worker that no socket accepted: it passes the chain of
     * `listener` like any other, beginning after this call. The handle of a listener is borrowed:
     * find it anew for each connection, because a reload replaces it. PST_ERR_LIMIT when there
     * are max_connections already. The host owns `ctx` from here on, also after an error.
     */
    pst_listener *(*listener_find)(pst_worker *worker, const char *name);
    int32_t (*conn_inject)(pst_listener *listener, const struct pst_stream_ops *ops, void *ctx,
                           const struct pst_inject *attr, pst_stream **handle);

    /* --- byte filters [worker] ---------------------------------------------------------------- */

    /* Attach in on_established; that direction is then copied, not spliced. NULL: not possible. */
    pst_filter *(*filter_attach)(pst_conn *conn, uint32_t dir, const struct pst_filter_ops *ops,
                                 void *ctx);
    void (*filter_detach)(pst_filter *filter);
    /* Inside data(): let the next n bytes go on, drop them, or insert bytes (copied). */
    int32_t (*filter_pass)(pst_filter_out *out, size_t n);
    int32_t (*filter_drop)(pst_filter_out *out, size_t n);
    int32_t (*filter_emit)(pst_filter_out *out, const uint8_t *data, size_t n);

    /* --- timers, watches, jobs ---------------------------------------------------------------- */

    /*
     * A timer fires once after timer_start() and may be started again. It ends with its scope;
     * timer_free() ends it sooner. On the thread of the scope.
     */
    pst_timer *(*timer_new)(struct pst_scope scope, void (*fire)(void *arg), void *arg);
    int32_t (*timer_start)(pst_timer *timer, uint64_t ms);
    void (*timer_stop)(pst_timer *timer);
    void (*timer_free)(pst_timer *timer);

    /* Watch a descriptor of the module's own, level-triggered. It is never closed by the host. */
    pst_watch *(*watch_new)(struct pst_scope scope, int32_t fd, uint32_t events,
                            void (*ready)(void *arg, uint32_t events), void *arg);
    int32_t (*watch_change)(pst_watch *watch, uint32_t events);
    void (*watch_free)(pst_watch *watch);

    /*
     * Run `job` on a helper thread, then `done` on the thread of the scope. `done` always runs
     * exactly once, with PST_ERR_CANCELLED when the scope ended before; free `arg` there. That may
     * be after conn_fini, worker_fini or fini has run: a `done` that was cancelled touches nothing
     * but `arg`, and so does `job`, which may still be running then.
     */
    int32_t (*offload)(struct pst_scope scope, void (*job)(void *arg),
                       void (*done)(void *arg, int32_t status), void *arg);

    /* --- metrics and clocks [any] ------------------------------------------------------------- */

    /*
     * Define in load(), or later on the main thread: a name of [a-z0-9_], one line of help. The
     * same name answers the same id.
     * Since 1.1 fixed labels may follow, `handshakes{version="1.3",resumed="no"}`: names that
     * differ only in them are one family. Shown as "postern_<module>_<name>", a counter with
     * "_total" behind it.
     */
    int32_t (*metric_define)(const char *module, const char *name, const char *help, uint32_t type);
    void (*metric_add)(int32_t id, int64_t n);
    uint64_t (*now_ns)(void);  /* monotonic */
    uint64_t (*wall_us)(void); /* Unix time */

    /* --- since 1.1 ----------------------------------------------------------------------------- */

    /*
     * A transport sent (`received` 0) or got (1) the TLS alert `alert` on this side: for the
     * record. The last one of each kind is kept. [worker]
     */
    void (*conn_alert)(pst_conn *conn, uint32_t side, uint32_t received, uint32_t alert);

    /*
     * What the connection is connected to: from on_upstream_ready on. PST_ERR_STATE before, and
     * PST_ERR_NOT_FOUND when a module supplied the stream. [worker]
     */
    int32_t (*upstream_target)(pst_conn *conn, struct pst_upstream_target *out);

    /*
     * The same module in the connection's other chain: for an instance of a listener that of the
     * chosen edge, for one of an edge that of the listener. Answers what its init() stored; NULL:
     * there is none. The first one when it is listed more than once. [worker]
     */
    void *(*conn_twin)(pst_conn *conn, pst_instance *self);

    /* 0 when the administrator wrote `enforce = false` for it, else 1. [any] */
    uint32_t (*instance_enforces)(pst_instance *self);
};

static inline struct pst_scope PST_OF_CONN(pst_conn *c)
{
    struct pst_scope s = { PST_OWNER_CONN, 0, c };
    return s;
}

static inline struct pst_scope PST_OF_WORKER(pst_worker *w)
{
    struct pst_scope s = { PST_OWNER_WORKER, 0, w };
    return s;
}

static inline struct pst_scope PST_OF_INSTANCE(pst_instance *i)
{
    struct pst_scope s = { PST_OWNER_INSTANCE, 0, i };
    return s;
}

/* A pst_str of a NUL-terminated string. */
static inline struct pst_str pst_str_of(const char *z)
{
    struct pst_str s = { z, 0 };
    while (z != NULL && z[s.n] != '\0') {
        s.n++;
    }
    return s;
}

#ifdef __cplusplus
}
#endif

#endif
