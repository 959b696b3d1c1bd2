/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header that an edge's upstreams get, always the first bytes on the wire. */
#include "proxy.h"
#include "write.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "services/tls_info.h"

static struct {
    int32_t conn_id, client_ip, local_ip;
    int32_t sent, left_out;
    uint64_t boot; /* tells the ids of this process from those of others */
} mod;

static const char *const var_names[PROXY_VAR_COUNT] = {
    [PROXY_VAR_SNI] = PST_VAR_TLS_SNI,
    [PROXY_VAR_ALPN] = PST_VAR_TLS_ALPN,
    [PROXY_VAR_VERSION] = PST_VAR_TLS_VERSION,
    [PROXY_VAR_CIPHER] = PST_VAR_TLS_CIPHER,
    [PROXY_VAR_GROUP] = PST_VAR_TLS_GROUP,
    [PROXY_VAR_SIG_ALG] = PST_VAR_TLS_CERT_SIG,
    [PROXY_VAR_KEY_ALG] = PST_VAR_TLS_CERT_KEY,
    [PROXY_VAR_RESUMED] = PST_VAR_TLS_RESUMED,
    [PROXY_VAR_VERIFIED] = PST_VAR_TLS_PEER_VERIFIED,
    [PROXY_VAR_PEER_CN] = PST_VAR_TLS_PEER_CN,
    [PROXY_VAR_PEER_DIGEST] = PST_VAR_TLS_PEER_CERT_SHA256,
    [PROXY_VAR_PEER_DER] = PST_VAR_TLS_PEER_DER,
};

int32_t proxy_outbound_load(void)
{
    const struct pst_host *h = proxy_host;

    mod.conn_id = h->var_id("conn.id");
    mod.client_ip = h->var_id("conn.client_ip");
    mod.local_ip = h->var_id("conn.local_ip");
    mod.sent =
        h->metric_define(PROXY_NAME, "sent", "headers sent to upstreams", PST_METRIC_COUNTER);
    mod.left_out =
        h->metric_define(PROXY_NAME, "left_out", "TLVs that did not fit the header to an upstream",
                         PST_METRIC_COUNTER);
    if (getrandom(&mod.boot, sizeof(mod.boot), 0) != (ssize_t)sizeof(mod.boot)) {
        return PST_ERR;
    }
    return mod.conn_id < 0 || mod.client_ip < 0 || mod.local_ip < 0 || mod.sent < 0 ||
                   mod.left_out < 0
               ? PST_ERR
               : PST_OK;
}

void proxy_outbound_link(struct proxy *p)
{
    for (int i = 0; i < PROXY_VAR_COUNT; i++) {
        p->vars[i] = proxy_host->var_id(var_names[i]);
    }
}

/* --- values ----------------------------------------------------------------------------------- */

static struct pst_addr addr_of(pst_conn *conn, int32_t id)
{
    struct pst_value v = { 0 };

    if (proxy_host->var_get(conn, id, &v) != PST_OK || v.type != PST_VALUE_ADDR) {
        return (struct pst_addr){ .family = PST_AF_NONE };
    }
    return v.u.addr;
}

/* Text or bytes; false: there is no value. */
static bool text_of(const struct proxy *p, pst_conn *conn, enum proxy_var which, struct pst_str *s)
{
    struct pst_value v = { 0 };

    if (p->vars[which] < 0 || proxy_host->var_get(conn, p->vars[which], &v) != PST_OK ||
        (v.type != PST_VALUE_STR && v.type != PST_VALUE_BYTES) || v.u.str.n == 0) {
        return false;
    }
    *s = v.u.str;
    return true;
}

static bool is_true(const struct proxy *p, pst_conn *conn, enum proxy_var which)
{
    struct pst_value v = { 0 };

    return p->vars[which] >= 0 && proxy_host->var_get(conn, p->vars[which], &v) == PST_OK &&
           v.type == PST_VALUE_BOOL && v.u.u64 != 0;
}

/*
 * What the client connected to: by the header it came with, so that a chain of proxies is seen
 * through to its beginning, or else the address of our socket.
 */
static struct pst_addr destination(pst_conn *conn)
{
    struct pst_addr a = addr_of(conn, proxy_notes.dst_ip);

    return a.family != PST_AF_NONE ? a : addr_of(conn, mod.local_ip);
}

/* --- TLVs, in the order in which they matter when not all fit --------------------------------- */

static void put_var(struct proxy_writer *w, const struct proxy *p, pst_conn *conn,
                    enum proxy_var which, uint8_t type)
{
    struct pst_str s;

    if (text_of(p, conn, which, &s)) {
        (void)proxy_write_tlv(w, type, s);
    }
}

static void put_unique_id(struct proxy_writer *w, pst_conn *conn)
{
    struct pst_value v = { 0 };
    char text[48];
    int n;

    if (proxy_host->var_get(conn, mod.conn_id, &v) != PST_OK || v.type != PST_VALUE_U64) {
        return;
    }
    n = snprintf(text, sizeof(text), "%016" PRIx64 "-%" PRIu64, mod.boot, v.u.u64);
    v.type = PST_VALUE_STR;
    v.u.str = (struct pst_str){ text, (size_t)n };
    if (proxy_write_tlv(w, PROXY_TLV_UNIQUE_ID, v.u.str)) {
        (void)proxy_host->note_set(conn, proxy_notes.sent_unique_id, &v);
    }
}

/*
 * Section 2.2.6. A resumed session knows its certificate, but has not seen it on this connection.
 * Without TLS of ours there is nothing to tell: the client's goes on to the upstream.
 */
static void put_ssl(struct proxy_writer *w, const struct proxy *p, pst_conn *conn)
{
    uint8_t client = PROXY_CLIENT_SSL;
    struct pst_str version, cipher, digest;
    char name[PROXY_CIPHER_MAX];
    uint32_t verify = 1;

    if (!text_of(p, conn, PROXY_VAR_VERSION, &version)) {
        return;
    }
    if (text_of(p, conn, PROXY_VAR_PEER_DIGEST, &digest)) {
        client |= PROXY_CLIENT_CERT_SESS;
        if (!is_true(p, conn, PROXY_VAR_RESUMED)) {
            client |= PROXY_CLIENT_CERT_CONN;
        }
        verify = is_true(p, conn, PROXY_VAR_VERIFIED) ? 0 : 1;
    }
    if (!proxy_write_ssl(w, client, verify)) {
        return;
    }
    (void)proxy_write_tlv(w, PROXY_SSL_VERSION, version);
    if (text_of(p, conn, PROXY_VAR_CIPHER, &cipher)) {
        (void)proxy_write_tlv(w, PROXY_SSL_CIPHER, proxy_cipher_name(cipher, name));
    }
    put_var(w, p, conn, PROXY_VAR_GROUP, PROXY_SSL_GROUP);
    put_var(w, p, conn, PROXY_VAR_SIG_ALG, PROXY_SSL_SIG_ALG);
    put_var(w, p, conn, PROXY_VAR_KEY_ALG, PROXY_SSL_KEY_ALG);
    if ((client & PROXY_CLIENT_CERT_SESS) != 0) {
        put_var(w, p, conn, PROXY_VAR_PEER_CN, PROXY_SSL_CN);
        if ((p->add & PROXY_ADD_CLIENT_CERT) != 0) {
            put_var(w, p, conn, PROXY_VAR_PEER_DER, PROXY_SSL_CLIENT_CERT);
        }
    }
    proxy_write_ssl_end(w);
}

/* One that was received and is passed on takes the place of ours. */
static bool ours(const struct proxy *p, uint32_t add, struct pst_str received, uint8_t type)
{
    struct pst_str s;

    return (p->add & add) != 0 && !(p->forward[type] && proxy_tlv_find(received, type, &s));
}

static void put_tlvs(struct proxy_writer *w, const struct proxy *p, pst_conn *conn)
{
    struct pst_str received = proxy_received_tlvs(conn), rest = received;
    struct proxy_tlv tlv;

    if (ours(p, PROXY_ADD_UNIQUE_ID, received, PROXY_TLV_UNIQUE_ID)) {
        put_unique_id(w, conn);
    }
    if (ours(p, PROXY_ADD_AUTHORITY, received, PROXY_TLV_AUTHORITY)) {
        put_var(w, p, conn, PROXY_VAR_SNI, PROXY_TLV_AUTHORITY);
    }
    if (ours(p, PROXY_ADD_ALPN, received, PROXY_TLV_ALPN)) {
        put_var(w, p, conn, PROXY_VAR_ALPN, PROXY_TLV_ALPN);
    }
    while (proxy_tlv_next(&rest, &tlv) > 0) {
        if (p->forward[tlv.type]) {
            (void)proxy_write_tlv(w, tlv.type, tlv.value);
        }
    }
    if (ours(p, PROXY_ADD_SSL, received, PROXY_TLV_SSL)) {
        put_ssl(w, p, conn);
    }
}

int32_t proxy_on_upstream_ready(struct pst_call *k)
{
    const struct proxy *p = k->inst;
    struct pst_addr src = addr_of(k->conn, mod.client_ip);
    struct pst_addr dst = destination(k->conn);
    struct proxy_writer w;

    if (p->send == 1) {
        w.n = proxy_write_v1(w.p, &src, &dst);
    } else {
        proxy_write_begin(&w, &src, &dst, (p->add & PROXY_ADD_CRC32C) != 0);
        put_tlvs(&w, p, k->conn);
        proxy_write_end(&w);
        if (w.left_out > 0) {
            proxy_host->metric_add(mod.left_out, w.left_out);
        }
    }
    proxy_host->metric_add(mod.sent, 1);
    return proxy_host->prepend(k->conn, PST_LAYER_WIRE, w.p, w.n) == PST_OK ? PST_NEXT : PST_ERROR;
}
