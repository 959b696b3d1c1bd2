/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection part of the host table. Arguments come from modules: what cannot be right is
 * answered with an error, never trusted.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/edge/generation.h"
#include "core/module/chain.h"
#include "core/module/host.h"
#include "core/module/load.h"
#include "core/module/watch.h"
#include "core/stream/relay.h"
#include "core/stream/stream.h"

/* Most memory a module may ask for one connection at once. */
#define CONN_ALLOC_MAX (1024 * 1024)
/* Longest code and text of a denial that are kept. */
#define DENY_TEXT_MAX 1024

static struct conn *conn_of(pst_conn *p)
{
    return (struct conn *)p;
}

/* True inside a hook of this stage. */
static bool in_stage(const struct conn *c, uint32_t stage)
{
    return c->setup != NULL && c->setup->in_hook && c->stage == stage;
}

static int32_t host_var_get(pst_conn *conn, int32_t id, struct pst_value *out)
{
    struct conn *c = conn_of(conn);

    return vars_get(&c->vars, &c->arena, conn, id, out);
}

static int32_t host_note_set(pst_conn *conn, int32_t id, const struct pst_value *value)
{
    struct conn *c = conn_of(conn);

    return vars_note(&c->vars, &c->arena, id, value);
}

static void *host_conn_alloc(pst_conn *conn, size_t n)
{
    return n > CONN_ALLOC_MAX ? NULL : arena_alloc(&conn_of(conn)->arena, n);
}

static const struct pst_hello *host_conn_hello(pst_conn *conn)
{
    const struct conn *c = conn_of(conn);

    return c->setup == NULL || c->setup->not_tls || c->t_hello == 0 ? NULL : &c->setup->hello.out;
}

static const char *deny_text(struct conn *c, const char *p, size_t n)
{
    if (p == NULL || n == 0) {
        return NULL;
    }
    return arena_strndup(&c->arena, p, n < DENY_TEXT_MAX ? n : DENY_TEXT_MAX);
}

static void host_deny(pst_conn *conn, const char *code, size_t code_n, const char *text,
                      size_t text_n)
{
    struct conn *c = conn_of(conn);

    c->why.code = deny_text(c, code, code_n);
    c->why.text = deny_text(c, text, text_n);
}

static int32_t host_set_client_addr(pst_conn *conn, const struct pst_addr *addr)
{
    struct conn *c = conn_of(conn);
    struct pst_addr known;

    if (!in_stage(c, PST_STAGE_ACCEPT) && !in_stage(c, PST_STAGE_PREFACE)) {
        return PST_ERR_STATE;
    }
    if (addr_from_module(&known, addr) != ERR_OK) {
        return PST_ERR_INVALID;
    }
    if (c->peer == &c->client_addr) {
        const struct pst_addr *peer = conn_keep_addr(c, c->peer);

        if (peer == NULL) {
            return PST_ERR_NOMEM;
        }
        c->peer = peer;
    }
    c->client_addr = known;
    conn_vars_client_changed(c);
    return PST_OK;
}

static int32_t host_set_edge(pst_conn *conn, const char *name, size_t n)
{
    struct conn *c = conn_of(conn);
    struct edge *e;

    if (!in_stage(c, PST_STAGE_CLIENT_HELLO)) {
        return PST_ERR_STATE;
    }
    e = generation_edge(c->gen, name, n);
    if (e == NULL) {
        return PST_ERR_NOT_FOUND;
    }
    c->setup->named = e;
    return PST_OK;
}

static void host_conn_kill(pst_conn *conn)
{
    struct conn *c = conn_of(conn);

    if (c->state != CONN_CLOSED) {
        c->kill = true;
        conn_wake(c);
    }
}

static int32_t host_stream_stack(pst_conn *conn, uint32_t side, const struct pst_stream_ops *ops,
                                 void *ctx, pst_stream **inner)
{
    struct conn *c = conn_of(conn);
    bool client = side == PST_SIDE_CLIENT;
    struct stream **at = client ? &c->client : &c->upstream;
    uint32_t role = client ? PST_ROLE_CLIENT_TRANSPORT : PST_ROLE_UPSTREAM_TRANSPORT;
    struct stream *top;

    if (!in_stage(c, client ? PST_STAGE_TRANSPORT : PST_STAGE_UPSTREAM_READY) ||
        (c->setup->running->module->desc.roles & role) == 0 || (client && c->setup->claimed)) {
        return PST_ERR_STATE;
    }
    top = stream_stack(*at, ops, ctx);
    if (top == NULL) {
        return PST_ERR_NOMEM;
    }
    *inner = (pst_stream *)*at;
    *at = top;
    if (client) {
        c->setup->claimed = true;
    } else {
        c->setup->upstream_stacked = true;
    }
    return PST_OK;
}

/* May the running hook supply the upstream stream now? */
static bool may_claim(const struct conn *c)
{
    return in_stage(c, PST_STAGE_UPSTREAM) && c->upstream == NULL &&
           (c->setup->running->module->desc.roles & PST_ROLE_UPSTREAM) != 0;
}

static int32_t host_upstream_claim(pst_conn *conn, const struct pst_stream_ops *ops, void *ctx,
                                   pst_stream **handle)
{
    struct conn *c = conn_of(conn);

    if (!may_claim(c)) {
        return PST_ERR_STATE;
    }
    c->upstream = stream_module_new(c->w->loop, ops, ctx);
    if (c->upstream == NULL) {
        return PST_ERR_NOMEM;
    }
    *handle = (pst_stream *)c->upstream;
    c->setup->claimed = true;
    return PST_OK;
}

static int32_t host_upstream_claim_fd(pst_conn *conn, int32_t fd)
{
    struct conn *c = conn_of(conn);

    if (!may_claim(c)) {
        return PST_ERR_STATE;
    }
    c->upstream = stream_raw_new(c->w->loop, fd);
    if (c->upstream == NULL) {
        return PST_ERR_NOMEM;
    }
    c->setup->claimed = true;
    return PST_OK;
}

static int32_t host_upstream_choose(pst_conn *conn, const struct pst_addr *addr)
{
    struct conn *c = conn_of(conn);

    if (!in_stage(c, PST_STAGE_UPSTREAM)) {
        return PST_ERR_STATE;
    }
    if ((addr->family != PST_AF_INET && addr->family != PST_AF_INET6) || addr->port == 0) {
        return PST_ERR_INVALID;
    }
    addr = conn_keep_addr(c, addr);
    if (addr == NULL) {
        return PST_ERR_NOMEM;
    }
    c->setup->chosen = addr;
    return PST_OK;
}

static int32_t host_prepend(pst_conn *conn, uint32_t layer, const uint8_t *data, size_t n)
{
    struct conn *c = conn_of(conn);

    if (!in_stage(c, PST_STAGE_UPSTREAM_READY)) {
        return PST_ERR_STATE;
    }
    switch (layer) {
    case PST_LAYER_WIRE:
        return stream_push_front(c->upstream, data, n) == ERR_OK ? PST_OK : PST_ERR_NOMEM;
    case PST_LAYER_APP:
        return buf_add(&c->setup->app, data, n) == ERR_OK ? PST_OK : PST_ERR_NOMEM;
    default:
        return PST_ERR_INVALID;
    }
}

static pst_listener *host_listener_find(pst_worker *worker, const char *name)
{
    struct conn_worker *w = conn_worker_here();

    (void)worker;
    return w == NULL ? NULL : (pst_listener *)generation_listener(w->current, name);
}

static int32_t host_conn_inject(pst_listener *listener, const struct pst_stream_ops *ops, void *ctx,
                                const struct pst_inject *attr, pst_stream **handle)
{
    struct conn_worker *w = conn_worker_here();
    struct pst_addr peer, local;
    struct stream *s = NULL;
    int32_t rc = PST_ERR_STATE;

    /* A listener's handle that was kept over a reload points at nothing. */
    if (w != NULL && !w->ended &&
        generation_has_listener(w->current, (struct listener *)listener)) {
        bool full = w->full(w);

        s = full ? NULL : stream_module_new(w->loop, ops, ctx);
        rc = full ? PST_ERR_LIMIT : PST_ERR_NOMEM;
    }
    if (s == NULL) {
        if (ops->close != NULL) {
            ops->close(ctx, PST_CLOSE_ABORT);
        }
        return rc;
    }
    *handle = (pst_stream *)s;
    /* What is no address counts as unknown. */
    (void)addr_from_module(&peer, &attr->peer);
    (void)addr_from_module(&local, &attr->local);
    return conn_start(w, (struct listener *)listener, s, &peer, &local) == ERR_OK ? PST_OK
                                                                                  : PST_ERR_NOMEM;
}

static pst_filter *host_filter_attach(pst_conn *conn, uint32_t dir,
                                      const struct pst_filter_ops *ops, void *ctx)
{
    struct conn *c = conn_of(conn);

    if (!in_stage(c, PST_STAGE_ESTABLISHED) ||
        (dir != PST_DIR_TO_UPSTREAM && dir != PST_DIR_TO_CLIENT)) {
        return NULL;
    }
    return (pst_filter *)relay_filter_attach(c->relay, dir, ops, ctx);
}

static void host_filter_detach(pst_filter *filter)
{
    relay_filter_detach((struct filter *)filter);
}

static int64_t host_stream_read(pst_stream *s, struct pst_iov *v, uint32_t n)
{
    return stream_read((struct stream *)s, v, n);
}

static int64_t host_stream_write(pst_stream *s, const struct pst_iov *v, uint32_t n)
{
    return stream_write((struct stream *)s, v, n);
}

static int32_t host_stream_flush(pst_stream *s)
{
    return stream_flush((struct stream *)s);
}

static int32_t host_stream_shutdown_write(pst_stream *s)
{
    return stream_shutdown_write((struct stream *)s);
}

static void host_stream_ready(pst_stream *s, uint32_t events)
{
    stream_module_ready((struct stream *)s, events);
}

static int32_t host_filter_pass(pst_filter_out *out, size_t n)
{
    return filter_pass(out, n) == ERR_OK ? PST_OK : PST_ERR_INVALID;
}

static int32_t host_filter_drop(pst_filter_out *out, size_t n)
{
    return filter_drop(out, n) == ERR_OK ? PST_OK : PST_ERR_INVALID;
}

static int32_t host_filter_emit(pst_filter_out *out, const uint8_t *data, size_t n)
{
    return filter_emit(out, data, n) == ERR_OK ? PST_OK : PST_ERR_NOMEM;
}

static void host_conn_alert(pst_conn *conn, uint32_t side, uint32_t received, uint32_t alert)
{
    if ((side == PST_SIDE_CLIENT || side == PST_SIDE_UPSTREAM) && alert < UINT8_MAX) {
        conn_of(conn)->alerts[conn_alert_slot(side, received != 0)] = (uint8_t)(alert + 1);
    }
}

static int32_t host_upstream_target(pst_conn *conn, struct pst_upstream_target *out)
{
    const struct conn *c = conn_of(conn);
    struct pst_upstream_target t = { .name = pst_str_of(c->upstream_name),
                                     .host = pst_str_of(c->upstream_host),
                                     .addr = c->upstream_addr };

    if (out == NULL || out->size < sizeof(out->size) + sizeof(out->flags)) {
        return PST_ERR_INVALID;
    }
    if (c->t_connected == 0) {
        return PST_ERR_STATE;
    }
    if (c->upstream_name == NULL) {
        return PST_ERR_NOT_FOUND;
    }
    t.flags = c->upstream_tls ? PST_TARGET_TLS : 0;
    t.size = out->size < sizeof(t) ? out->size : (uint32_t)sizeof(t);
    memcpy(out, &t, t.size);
    return PST_OK;
}

static void *host_conn_twin(pst_conn *conn, pst_instance *self)
{
    const struct conn *c = conn_of(conn);
    const struct instance *in = (const struct instance *)self;
    const struct chain *other = in->chain->scope == PST_SCOPE_EDGE ? c->listener->chain
                                : c->edge != NULL                  ? c->edge->chain
                                                                   : NULL;

    for (size_t i = 0; other != NULL && i < other->n; i++) {
        if (other->instances[i].module == in->module) {
            return other->instances[i].inst;
        }
    }
    return NULL;
}

static struct watch_scope *conn_scope(pst_conn *conn)
{
    struct conn *c = conn_of(conn);

    if (c->scope == NULL && c->state != CONN_CLOSED) {
        c->scope = watch_scope_new(c->w->loop);
    }
    return c->scope;
}

static uint64_t conn_id(pst_conn *conn)
{
    return conn_of(conn)->id;
}

void conn_host_fill(struct pst_host *h)
{
    h->var_get = host_var_get;
    h->note_set = host_note_set;
    h->conn_alloc = host_conn_alloc;
    h->conn_hello = host_conn_hello;
    h->deny = host_deny;
    h->set_client_addr = host_set_client_addr;
    h->set_edge = host_set_edge;
    h->conn_kill = host_conn_kill;
    h->suspend = conn_suspend;
    h->stream_stack = host_stream_stack;
    h->stream_read = host_stream_read;
    h->stream_write = host_stream_write;
    h->stream_flush = host_stream_flush;
    h->stream_shutdown_write = host_stream_shutdown_write;
    h->upstream_claim = host_upstream_claim;
    h->upstream_claim_fd = host_upstream_claim_fd;
    h->upstream_choose = host_upstream_choose;
    h->stream_ready = host_stream_ready;
    h->prepend = host_prepend;
    h->listener_find = host_listener_find;
    h->conn_inject = host_conn_inject;
    h->filter_attach = host_filter_attach;
    h->filter_detach = host_filter_detach;
    h->filter_pass = host_filter_pass;
    h->filter_drop = host_filter_drop;
    h->filter_emit = host_filter_emit;
    h->conn_alert = host_conn_alert;
    h->upstream_target = host_upstream_target;
    h->conn_twin = host_conn_twin;
    host_set_conn_scope(conn_scope);
    host_set_conn_id(conn_id);
}
