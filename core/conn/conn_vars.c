/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core's variables. Names and meanings are part of the module ABI. */
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/config/conf.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/hello/ja4.h"

enum core_var {
    V_ID,
    V_PEER_IP,
    V_PEER_PORT,
    V_CLIENT_IP,
    V_CLIENT_PORT,
    V_LOCAL_IP,
    V_LOCAL_PORT,
    V_LISTENER,
    V_START_NS,
    V_SNI,
    V_ALPN,
    V_HELLO,
    V_JA4,
    V_VERSIONS,
    V_ECH,
    V_EDGE,
    V_UPSTREAM_ADDR,
    V_UPSTREAM_NAME,
    V_UPSTREAM_CONNECT_NS,
    V_COUNT
};

static const struct {
    const char *name;
    uint32_t type;
} core_vars[V_COUNT] = {
    [V_ID] = { "conn.id", PST_VALUE_U64 },
    [V_PEER_IP] = { "conn.peer_ip", PST_VALUE_ADDR },
    [V_PEER_PORT] = { "conn.peer_port", PST_VALUE_U64 },
    [V_CLIENT_IP] = { "conn.client_ip", PST_VALUE_ADDR },
    [V_CLIENT_PORT] = { "conn.client_port", PST_VALUE_U64 },
    [V_LOCAL_IP] = { "conn.local_ip", PST_VALUE_ADDR },
    [V_LOCAL_PORT] = { "conn.local_port", PST_VALUE_U64 },
    [V_LISTENER] = { "conn.listener", PST_VALUE_STR },
    [V_START_NS] = { "conn.start_ns", PST_VALUE_U64 },
    [V_SNI] = { "conn.tls.sni", PST_VALUE_STR },
    [V_ALPN] = { "conn.tls.alpn_offered", PST_VALUE_STR },
    [V_HELLO] = { "conn.tls.hello", PST_VALUE_BYTES },
    [V_JA4] = { "conn.tls.ja4", PST_VALUE_STR },
    [V_VERSIONS] = { "conn.tls.versions_offered", PST_VALUE_STR },
    [V_ECH] = { "conn.tls.ech_offered", PST_VALUE_BOOL },
    [V_EDGE] = { "edge.name", PST_VALUE_STR },
    [V_UPSTREAM_ADDR] = { "upstream.addr", PST_VALUE_ADDR },
    [V_UPSTREAM_NAME] = { "upstream.name", PST_VALUE_STR },
    [V_UPSTREAM_CONNECT_NS] = { "upstream.connect_ns", PST_VALUE_U64 },
};

/* Their ids: written once before any thread starts. */
static int32_t core_ids[V_COUNT];

static void set_str(struct pst_value *v, const char *p, size_t n)
{
    if (p != NULL) {
        v->type = PST_VALUE_STR;
        v->u.str = (struct pst_str){ p, n };
    }
}

static void set_u64(struct pst_value *v, uint64_t n)
{
    v->type = PST_VALUE_U64;
    v->u.u64 = n;
}

static void set_addr(struct pst_value *v, const struct pst_addr *a)
{
    if (a->family != PST_AF_NONE) {
        v->type = PST_VALUE_ADDR;
        v->u.addr = *a;
    }
}

/* The hello while it is there and is one. */
static const struct pst_hello *hello_of(const struct conn *c)
{
    if (c->setup == NULL || c->setup->not_tls || c->t_hello == 0) {
        return NULL;
    }
    return &c->setup->hello.out;
}

static int32_t get_alpn(struct conn *c, struct pst_value *v)
{
    const struct pst_hello *h = hello_of(c);
    size_t n = 0;
    char *p;
    char *at;

    if (h == NULL || h->n_alpn == 0) {
        return PST_OK;
    }
    for (uint32_t i = 0; i < h->n_alpn; i++) {
        n += h->alpn[i].n + 1;
    }
    p = at = arena_alloc(&c->arena, n);
    if (p == NULL) {
        return PST_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < h->n_alpn; i++) {
        memcpy(at, h->alpn[i].p, h->alpn[i].n);
        at += h->alpn[i].n;
        *at++ = ',';
    }
    set_str(v, p, n - 1);
    return PST_OK;
}

/*
 * Names of versions in the client's order; GREASE (RFC 8701) is no version. The text is good until
 * the thread's next: the cache has its own.
 */
static void get_versions(const struct conn *c, struct pst_value *v)
{
    static const char *const names[] = { "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3" };
    const struct pst_hello *h = hello_of(c);
    static _Thread_local char text[256];
    char unknown[16];
    size_t n = 0;

    for (uint32_t i = 0; h != NULL && i < h->n_versions; i++) {
        uint16_t id = h->versions[i];
        const char *name = unknown;

        if ((id & 0x0f0f) == 0x0a0a) {
            continue;
        }
        if (id >= 0x0300 && id < 0x0300 + sizeof(names) / sizeof(names[0])) {
            name = names[id - 0x0300];
        } else {
            (void)snprintf(unknown, sizeof(unknown), "0x%04x", id);
        }
        size_t len = strlen(name);
        if (n + len + 1 > sizeof(text)) {
            break;
        }
        text[n] = ',';
        memcpy(text + n + 1, name, len);
        n += len + 1;
    }
    if (n > 0) {
        set_str(v, text + 1, n - 1);
    }
}

/* Its text, too, is good until the thread's next. */
static int32_t get_ja4(const struct conn *c, struct pst_value *v)
{
    const struct pst_hello *h = hello_of(c);
    static _Thread_local char text[JA4_LEN + 1];

    if (h == NULL) {
        return PST_OK;
    }
    if (ja4_compute(h, text) != ERR_OK) {
        return PST_ERR_NOMEM;
    }
    set_str(v, text, JA4_LEN);
    return PST_OK;
}

static int32_t get_tls(struct conn *c, enum core_var which, struct pst_value *v)
{
    const struct pst_hello *h;

    switch (which) {
    case V_SNI:
        set_str(v, c->sni, c->sni_n);
        return PST_OK;
    case V_ALPN:
        return get_alpn(c, v);
    case V_JA4:
        return get_ja4(c, v);
    case V_VERSIONS:
        get_versions(c, v);
        return PST_OK;
    default:
        h = hello_of(c);
        if (h != NULL && which == V_ECH) {
            v->type = PST_VALUE_BOOL;
            v->u.u64 = (h->flags & PST_HELLO_ECH) != 0;
        } else if (h != NULL) {
            set_str(v, h->raw.p, h->raw.n);
            v->type = PST_VALUE_BYTES;
        }
        return PST_OK;
    }
}

static int32_t get_core(void *ctx, pst_conn *conn, struct pst_value *v)
{
    enum core_var which = (enum core_var)((const int32_t *)ctx - core_ids);
    struct conn *c = (struct conn *)conn;

    switch (which) {
    case V_ID:
        set_u64(v, c->id);
        break;
    case V_PEER_IP:
        set_addr(v, c->peer);
        break;
    case V_PEER_PORT:
        set_u64(v, c->peer->port);
        break;
    case V_CLIENT_IP:
        set_addr(v, &c->client_addr);
        break;
    case V_CLIENT_PORT:
        set_u64(v, c->client_addr.port);
        break;
    case V_LOCAL_IP:
        set_addr(v, conn_local(c));
        break;
    case V_LOCAL_PORT:
        set_u64(v, conn_local(c)->port);
        break;
    case V_LISTENER:
        set_str(v, c->listener->conf->name, strlen(c->listener->conf->name));
        break;
    case V_START_NS:
        set_u64(v, c->t_accept);
        break;
    case V_EDGE:
        if (c->edge != NULL) {
            set_str(v, c->edge->conf->name, strlen(c->edge->conf->name));
        }
        break;
    case V_UPSTREAM_ADDR:
        set_addr(v, &c->upstream_addr);
        break;
    case V_UPSTREAM_NAME:
        if (c->upstream_name != NULL) {
            set_str(v, c->upstream_name, strlen(c->upstream_name));
        }
        break;
    case V_UPSTREAM_CONNECT_NS:
        if (c->t_connected != 0) {
            set_u64(v, c->t_connected - c->t_connect_start);
        }
        break;
    default:
        return get_tls(c, which, v);
    }
    return PST_OK;
}

int conn_vars_register(void)
{
    for (int i = 0; i < V_COUNT; i++) {
        core_ids[i] =
            vars_register_core(core_vars[i].name, core_vars[i].type, get_core, &core_ids[i]);
        if (core_ids[i] < 0) {
            return ERR_NOMEM;
        }
    }
    return ERR_OK;
}

/* A cached value that has changed is replaced; one that nobody asked for is not cached. */
static void refresh(struct conn *c, enum core_var which)
{
    if (!vars_wanted(core_ids[which])) {
        return;
    }
    struct pst_value v = { 0 };
    if (get_core(&core_ids[which], (pst_conn *)c, &v) == PST_OK && v.type != PST_VALUE_NONE) {
        (void)vars_set(&c->vars, &c->arena, core_ids[which], &v);
    }
}

void conn_vars_client_changed(struct conn *c)
{
    refresh(c, V_CLIENT_IP);
    refresh(c, V_CLIENT_PORT);
}

void conn_vars_upstream_changed(struct conn *c)
{
    refresh(c, V_UPSTREAM_ADDR);
    refresh(c, V_UPSTREAM_NAME);
    refresh(c, V_UPSTREAM_CONNECT_NS);
}

void conn_vars_keep(struct conn *c)
{
    refresh(c, V_ALPN);
    refresh(c, V_JA4);
    refresh(c, V_VERSIONS);
    refresh(c, V_ECH);
}
