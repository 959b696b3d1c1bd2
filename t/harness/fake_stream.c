/* SPDX-License-Identifier: MIT */
/* Streams, claims, injection, prepend and byte filters. */
#include "fake_priv.h"

#include <stdlib.h>
#include <string.h>

static void copy_ops(struct pst_stream_ops *to, const struct pst_stream_ops *from)
{
    memset(to, 0, sizeof(*to));
    memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
}

static pst_stream *push(pst_conn *c, uint32_t side, const struct pst_stream_ops *ops, void *ctx,
                        int owned)
{
    pst_stream *s = fake_alloc(sizeof(*s));

    s->below = c->top[side];
    copy_ops(&s->ops, ops);
    s->ctx = ctx;
    s->owned = owned;
    c->top[side] = s;
    return s;
}

void fake_conn_set_stream(pst_conn *c, uint32_t side, const struct pst_stream_ops *ops, void *ctx)
{
    push(c, side, ops, ctx, 0);
}

const struct pst_stream_ops *fake_conn_stream(pst_conn *c, uint32_t side, void **ctx)
{
    pst_stream *s = c->top[side];

    *ctx = s != NULL ? s->ctx : NULL;
    return s != NULL ? &s->ops : NULL;
}

static int32_t host_stream_stack(pst_conn *conn, uint32_t side, const struct pst_stream_ops *ops,
                                 void *ctx, pst_stream **inner)
{
    uint32_t stage = side == PST_SIDE_CLIENT ? PST_STAGE_TRANSPORT : PST_STAGE_UPSTREAM_READY;

    FAKE_HERE();
    if ((side != PST_SIDE_CLIENT && side != PST_SIDE_UPSTREAM) || conn->stage != stage ||
        conn->top[side] == NULL) {
        return PST_ERR_STATE;
    }
    *inner = conn->top[side];
    push(conn, side, ops, ctx, 1);
    fake_say("stack side %u", (unsigned)side);
    return PST_OK;
}

static int64_t host_stream_read(pst_stream *s, struct pst_iov *v, uint32_t n)
{
    FAKE_HERE();
    return s->ops.read(s->ctx, v, n);
}

static int64_t host_stream_write(pst_stream *s, const struct pst_iov *v, uint32_t n)
{
    FAKE_HERE();
    return s->ops.write(s->ctx, v, n);
}

static int32_t host_stream_flush(pst_stream *s)
{
    FAKE_HERE();
    return s->ops.flush != NULL ? s->ops.flush(s->ctx) : PST_OK;
}

static int32_t host_stream_shutdown_write(pst_stream *s)
{
    FAKE_HERE();
    return s->ops.shutdown_write != NULL ? s->ops.shutdown_write(s->ctx) : PST_OK;
}

static int32_t host_upstream_claim(pst_conn *conn, const struct pst_stream_ops *ops, void *ctx,
                                   pst_stream **handle)
{
    FAKE_HERE();
    if (conn->stage != PST_STAGE_UPSTREAM || conn->top[PST_SIDE_UPSTREAM] != NULL) {
        return PST_ERR_STATE;
    }
    *handle = push(conn, PST_SIDE_UPSTREAM, ops, ctx, 1);
    fake_say("claim");
    return PST_OK;
}

static int32_t host_upstream_claim_fd(pst_conn *conn, int32_t fd)
{
    FAKE_HERE();
    if (conn->stage != PST_STAGE_UPSTREAM) {
        return PST_ERR_STATE;
    }
    conn->claimed_fd = fd;
    fake_say("claim fd");
    return PST_OK;
}

int fake_conn_claimed_fd(const pst_conn *c)
{
    return c->claimed_fd;
}

static int32_t host_upstream_choose(pst_conn *conn, const struct pst_addr *addr)
{
    struct pst_value v = { 0 };

    FAKE_HERE();
    if (conn->stage != PST_STAGE_UPSTREAM) {
        return PST_ERR_STATE;
    }
    v.type = PST_VALUE_ADDR;
    v.u.addr = *addr;
    fake_conn_set(conn, "upstream.chosen", &v);
    fake_say("choose %s port %u", fake_conn_var(conn, "upstream.chosen"), (unsigned)addr->port);
    return PST_OK;
}

static void host_stream_ready(pst_stream *handle, uint32_t events)
{
    FAKE_HERE();
    (void)handle;
    fake_say("ready %u", (unsigned)events);
}

static int32_t host_prepend(pst_conn *conn, uint32_t layer, const uint8_t *data, size_t n)
{
    FAKE_HERE();
    if (conn->stage != PST_STAGE_UPSTREAM_READY) {
        return PST_ERR_STATE;
    }
    if (layer != PST_LAYER_WIRE && layer != PST_LAYER_APP) {
        return PST_ERR_INVALID;
    }
    fake_append(&conn->prepended[layer], data, n);
    fake_say("prepend layer %u: %zu bytes", (unsigned)layer, n);
    return PST_OK;
}

struct pst_str fake_conn_prepended(const pst_conn *c, uint32_t layer)
{
    return (struct pst_str){ c->prepended[layer].p, c->prepended[layer].n };
}

/* Any name is a listener here. */
static pst_listener *host_listener_find(pst_worker *worker, const char *name)
{
    pst_listener *l = fake_current->listeners;

    FAKE_HERE();
    (void)worker;
    while (l != NULL && strcmp(l->name, name) != 0) {
        l = l->next;
    }
    if (l == NULL) {
        l = fake_alloc(sizeof(*l));
        l->name = fake_copy(name, strlen(name));
        l->next = fake_current->listeners;
        fake_current->listeners = l;
    }
    return l;
}

static int32_t host_conn_inject(pst_listener *listener, const struct pst_stream_ops *ops, void *ctx,
                                const struct pst_inject *attr, pst_stream **handle)
{
    int n = 0;
    struct pst_value v = { 0 };
    pst_conn *c;

    FAKE_HERE();
    while (fake_host_injected(fake_current, n) != NULL) {
        n++;
    }
    c = fake_conn_new(fake_current);
    c->injected = n + 1;
    v.type = PST_VALUE_ADDR;
    v.u.addr = attr->peer;
    fake_conn_set(c, "conn.peer_ip", &v);
    fake_conn_set(c, "conn.client_ip", &v);
    v.u.addr = attr->local;
    fake_conn_set(c, "conn.local_ip", &v);
    *handle = push(c, PST_SIDE_CLIENT, ops, ctx, 1);
    fake_say("inject at %s", listener->name);
    return PST_OK;
}

/* --- filters ------------------------------------------------------------------------------ */

static pst_filter *host_filter_attach(pst_conn *conn, uint32_t dir,
                                      const struct pst_filter_ops *ops, void *ctx)
{
    pst_filter *f, **at = &conn->filters;

    FAKE_HERE();
    if (conn->stage == 0 || conn->stage > PST_STAGE_ESTABLISHED ||
        (dir != PST_DIR_TO_UPSTREAM && dir != PST_DIR_TO_CLIENT) || fake_refuses()) {
        return NULL;
    }
    f = fake_alloc(sizeof(*f));
    f->conn = conn;
    f->dir = dir;
    memcpy(&f->ops, ops, ops->size < sizeof(f->ops) ? ops->size : sizeof(f->ops));
    f->ctx = ctx;
    /* Pairs nest: what is nearest to the client is last on the way to it. */
    if (dir == PST_DIR_TO_UPSTREAM) {
        while (*at != NULL) {
            at = &(*at)->next;
        }
    }
    f->next = *at;
    *at = f;
    fake_say("filter dir %u", (unsigned)dir);
    return f;
}

static void host_filter_detach(pst_filter *filter)
{
    FAKE_HERE();
    if (!filter->gone) {
        filter->gone = 1;
        if (filter->ops.detach != NULL) {
            filter->ops.detach(filter->ctx);
        }
    }
}

static int32_t host_filter_pass(pst_filter_out *out, size_t n)
{
    FAKE_HERE();
    if (n > out->n - out->used) {
        return PST_ERR_INVALID;
    }
    fake_append(out->out, out->data + out->used, n);
    out->used += n;
    return PST_OK;
}

static int32_t host_filter_drop(pst_filter_out *out, size_t n)
{
    FAKE_HERE();
    if (n > out->n - out->used) {
        return PST_ERR_INVALID;
    }
    out->used += n;
    return PST_OK;
}

static int32_t host_filter_emit(pst_filter_out *out, const uint8_t *data, size_t n)
{
    FAKE_HERE();
    fake_append(out->out, data, n);
    return PST_OK;
}

/* One filter over its kept bytes and the new ones. */
static int32_t filter_once(pst_filter *f, const struct fake_text *in, uint32_t fin,
                           struct fake_text *out)
{
    struct pst_filter_out o;
    struct fake_text rest = { 0 };
    int32_t rc;

    fake_append(&f->kept, in->p, in->n);
    o = (struct pst_filter_out){ (const uint8_t *)f->kept.p, f->kept.n, 0, out };
    rc = f->ops.data(f->ctx, &o, o.data, o.n, fin);
    if (!fin) {
        fake_append(&rest, o.data + o.used, o.n - o.used);
    }
    if (f->gone) {
        fake_append(out, rest.p, rest.n);
        rest.n = 0;
    }
    free(f->kept.p);
    f->kept = rest;
    return rc;
}

struct pst_str fake_conn_filter(pst_conn *c, uint32_t dir, const void *data, size_t n, uint32_t fin,
                                int32_t *rc)
{
    struct fake_text in = { 0 };

    *rc = PST_OK;
    fake_append(&in, data, n);
    for (pst_filter *f = c->filters; f != NULL && *rc >= 0; f = f->next) {
        if (f->dir == dir && !f->gone) {
            struct fake_text out = { 0 };

            fake_append(&out, "", 0);
            *rc = filter_once(f, &in, fin, &out);
            free(in.p);
            in = out;
        }
    }
    free(c->filtered[dir].p);
    c->filtered[dir] = in;
    return (struct pst_str){ in.p, in.n };
}

void fake_stream_end(pst_conn *c)
{
    while (c->filters != NULL) {
        pst_filter *f = c->filters;

        host_filter_detach(f);
        c->filters = f->next;
        free(f->kept.p);
        free(f);
    }
    for (int side = PST_SIDE_CLIENT; side <= PST_SIDE_UPSTREAM; side++) {
        while (c->top[side] != NULL) {
            pst_stream *s = c->top[side];

            c->top[side] = s->below;
            if (s->owned && s->ops.close != NULL) {
                s->ops.close(s->ctx, PST_CLOSE_GRACEFUL);
            }
            free(s);
        }
        free(c->prepended[side].p);
        free(c->filtered[side].p);
    }
}

void fake_stream_table(struct pst_host *t)
{
    t->stream_stack = host_stream_stack;
    t->stream_read = host_stream_read;
    t->stream_write = host_stream_write;
    t->stream_flush = host_stream_flush;
    t->stream_shutdown_write = host_stream_shutdown_write;
    t->upstream_claim = host_upstream_claim;
    t->upstream_claim_fd = host_upstream_claim_fd;
    t->upstream_choose = host_upstream_choose;
    t->stream_ready = host_stream_ready;
    t->prepend = host_prepend;
    t->listener_find = host_listener_find;
    t->conn_inject = host_conn_inject;
    t->filter_attach = host_filter_attach;
    t->filter_detach = host_filter_detach;
    t->filter_pass = host_filter_pass;
    t->filter_drop = host_filter_drop;
    t->filter_emit = host_filter_emit;
}
