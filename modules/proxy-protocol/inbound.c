/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header that some peers of a listener must begin with. */
#include "parse.h"
#include "proxy.h"

#include <stdio.h>
#include <string.h>

static struct {
    int32_t peer_ip;
    int32_t accepted, local, refused;
} mod;

int32_t proxy_inbound_load(void)
{
    const struct pst_host *h = proxy_host;

    mod.peer_ip = h->var_id("conn.peer_ip");
    mod.accepted = h->metric_define(
        PROXY_NAME, "accepted", "headers that named a client or left it open", PST_METRIC_COUNTER);
    mod.local = h->metric_define(PROXY_NAME, "local", "headers by which a peer speaks for itself",
                                 PST_METRIC_COUNTER);
    mod.refused =
        h->metric_define(PROXY_NAME, "refused", "connections denied for a missing or wrong header",
                         PST_METRIC_COUNTER);
    return mod.peer_ip < 0 || mod.accepted < 0 || mod.local < 0 || mod.refused < 0 ? PST_ERR
                                                                                   : PST_OK;
}

/* --- whose ------------------------------------------------------------------------------------ */

/* Are the first `bits` bits the same? */
static bool same_bits(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
    uint32_t whole = bits / 8;

    return memcmp(a, b, whole) == 0 &&
           (bits % 8 == 0 || (a[whole] ^ b[whole]) >> (8 - bits % 8) == 0);
}

/* The peer of the socket, not the client: nobody gets in here by what a header says. */
static bool must_send(const struct proxy *p, pst_conn *conn)
{
    struct pst_value v = { 0 };

    if (proxy_host->var_get(conn, mod.peer_ip, &v) != PST_OK || v.type != PST_VALUE_ADDR) {
        return false;
    }
    if (v.u.addr.family == PST_AF_UNIX) {
        return p->accept_unix;
    }
    for (uint32_t i = 0; i < p->n_accept; i++) {
        const struct pst_net *net = &p->accept[i];

        if (net->addr.family == v.u.addr.family &&
            same_bits(net->addr.ip, v.u.addr.ip, net->prefix)) {
            return true;
        }
    }
    return false;
}

/* --- what it says ----------------------------------------------------------------------------- */

static void note(pst_conn *conn, int32_t id, const struct pst_value *v)
{
    /* Without memory a note is missing, as one is that no header brought. */
    (void)proxy_host->note_set(conn, id, v);
}

static void note_u64(pst_conn *conn, int32_t id, uint64_t n)
{
    struct pst_value v = { .type = PST_VALUE_U64 };

    v.u.u64 = n;
    note(conn, id, &v);
}

static void note_str(pst_conn *conn, int32_t id, uint32_t type, struct pst_str s)
{
    struct pst_value v = { .type = type };

    v.u.str = s;
    note(conn, id, &v);
}

static void leave_notes(pst_conn *conn, const struct proxy_header *h)
{
    struct pst_value v = { .type = PST_VALUE_ADDR };

    note_u64(conn, proxy_notes.version, h->version);
    note_str(conn, proxy_notes.command, PST_VALUE_STR, pst_str_of(h->local ? "LOCAL" : "PROXY"));
    if (h->dst.family != PST_AF_NONE) {
        v.u.addr = h->dst;
        note(conn, proxy_notes.dst_ip, &v);
        note_u64(conn, proxy_notes.dst_port, h->dst.port);
    }
    if (h->tlvs.n > 0) {
        note_str(conn, proxy_notes.tlvs, PST_VALUE_BYTES, h->tlvs);
    }
}

static int32_t take(pst_conn *conn, const struct proxy_header *h)
{
    proxy_host->metric_add(h->local ? mod.local : mod.accepted, 1);
    if (h->src.family != PST_AF_NONE && proxy_host->set_client_addr(conn, &h->src) != PST_OK) {
        return PST_ERROR;
    }
    leave_notes(conn, h);
    return PST_NEXT;
}

static int32_t refuse(pst_conn *conn, const char *code, const char *why)
{
    proxy_host->metric_add(mod.refused, 1);
    proxy_host->deny(conn, code, strlen(code), why, strlen(why));
    return PST_DENY;
}

int32_t proxy_on_preface(struct pst_call *k)
{
    struct pst_preface *in = k->arg;
    struct proxy_header h;

    if (!must_send(k->inst, k->conn)) {
        return PST_NEXT;
    }
    /* A peer that connects and says nothing owes no header: balancers look so if we live. */
    if (in->len == 0 && in->eof) {
        return PST_NEXT;
    }
    switch (proxy_parse(in->data, in->len, &h)) {
    case PROXY_DONE:
        in->consumed = h.size;
        return take(k->conn, &h);
    case PROXY_MORE:
        return in->eof ? refuse(k->conn, "proxy-truncated",
                                "the connection ended inside the PROXY protocol header")
                       : PST_MORE;
    case PROXY_MISSING:
        return refuse(k->conn, "proxy-missing", h.why);
    default:
        return refuse(k->conn, "proxy-bad-header", h.why);
    }
}
