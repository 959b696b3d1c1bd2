/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session with an upstream: what is asked for, offered, and kept. */
#include "utls.h"

#include <string.h>

#include <wolfssl/error-ssl.h>

#include "services/tls_info.h"

/* A handshake that takes longer hangs; one that is cut short before may be the client's doing. */
#define PATIENCE_NS UINT64_C(1000000000)

/* --- handshake -------------------------------------------------------------------------------- */

static void keep(struct session *s)
{
    s->ticket_came = false;
    if (s->cache != NULL) {
        cache_keep(s->cache, s->key, s->tls.ssl, &s->peer, s->facts.resumed ? s->depth + 1 : 0);
    }
}

static int on_ticket(WOLFSSL *ssl, const unsigned char *ticket, int n, void *arg)
{
    struct session *s = arg;

    (void)ssl;
    (void)ticket;
    s->ticket_came = n > 0;
    return 0;
}

/* The session is complete only when the library has returned. */
static void after_read(struct tls_stream *t)
{
    struct session *s = (struct session *)t;

    if (s->ticket_came) {
        keep(s);
    }
}

/* An upstream may ignore what is offered, but not answer something else. */
static bool protocol_is_ours(struct session *s)
{
    const struct pst_str *agreed = tls_alpn_negotiated(s->alpn, s->tls.ssl);
    char *name = NULL;
    unsigned short n = 0;

    if (agreed != NULL) {
        s->agreed = *agreed;
        return true;
    }
    return wolfSSL_ALPN_GetProtocol(s->tls.ssl, &name, &n) != WOLFSSL_SUCCESS || n == 0;
}

static int32_t finish(struct tls_stream *t)
{
    struct session *s = (struct session *)t;

    tls_facts_gather(&s->facts, t->ssl);
    if (!tls_params_hold(&s->u->params, t->ssl)) {
        return session_failed(t, UNSUPPORTED_SUITE);
    }
    if (!peer_is_proven(s)) {
        return session_failed(t, VERIFY_CERT_ERROR);
    }
    if (!protocol_is_ours(s)) {
        return session_failed(t, UNKNOWN_ALPN_PROTOCOL_NAME_E);
    }
    /* In TLS 1.3 there is nothing to keep before a ticket comes. */
    if (s->ticket_came || (wolfSSL_version(t->ssl) & 0xff) < 4) {
        keep(s);
    }
    return PST_OK;
}

/*
 * An upstream that hangs over what it was offered shall be asked for a whole handshake next time.
 */
static void unfinished(struct tls_stream *t)
{
    struct session *s = (struct session *)t;

    if (s->offered && !s->judged && utls_host->now_ns() - s->begun > PATIENCE_NS) {
        cache_refuse(s->cache, s->key);
    }
}

static const struct tls_role role = {
    .step = wolfSSL_connect,
    .finish = finish,
    .fail = session_failed,
    .after_read = after_read,
    .unfinished = unfinished,
};

/* --- start ------------------------------------------------------------------------------------ */

/* What the client negotiated when its TLS ends here, else what it offers. NULL: no memory. */
static const struct tls_alpn *alpn_of_client(pst_conn *conn)
{
    struct tls_alpn *a = utls_host->conn_alloc(conn, sizeof(*a));
    const struct pst_hello *hello = utls_host->conn_hello(conn);
    struct pst_value v;

    if (a == NULL) {
        return NULL;
    }
    if (vars_of_client(conn, &v)) {
        if (v.type == PST_VALUE_STR && tls_alpn_name_ok(&v.u.str)) {
            (void)tls_alpn_add(a, &v.u.str);
        }
        return a;
    }
    for (uint32_t i = 0; hello != NULL && i < hello->n_alpn; i++) {
        if (tls_alpn_name_ok(&hello->alpn[i]) && !tls_alpn_add(a, &hello->alpn[i])) {
            break;
        }
    }
    return a;
}

/* server_name, or else the target's name or address. */
static struct utls_who who_of(const struct utls *u, const struct pst_upstream_target *t)
{
    struct utls_who who = u->who;

    if (who.name.n == 0 && who.ip.family == PST_AF_NONE) {
        who.name = t->host;
        who.ip = t->addr;
    }
    if (who.name.n > 0) {
        memset(&who.ip, 0, sizeof(who.ip));
    }
    who.ip.port = 0;
    return who;
}

static bool is_known(const struct utls_who *who)
{
    return who->name.n > 0 || who->ip.family == PST_AF_INET || who->ip.family == PST_AF_INET6;
}

static bool prepare(struct session *s)
{
    WOLFSSL *ssl = s->tls.ssl;

    wolfSSL_SetCertCbCtx(ssl, s);
    if (s->who.name.n > 0 && wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, s->who.name.p,
                                            (unsigned short)s->who.name.n) != WOLFSSL_SUCCESS) {
        return false;
    }
    if (s->alpn->n > 0) {
        char list[sizeof(s->alpn->list)];

        memcpy(list, s->alpn->list, sizeof(list));
        if (wolfSSL_UseALPN(ssl, list, (unsigned)strlen(list), WOLFSSL_ALPN_FAILED_ON_MISMATCH) !=
            WOLFSSL_SUCCESS) {
            return false;
        }
    }
    return wolfSSL_set_SessionTicket_cb(ssl, on_ticket, s) == WOLFSSL_SUCCESS;
}

static void offer(struct session *s, const struct pst_upstream_target *t, struct utls_cache *cache)
{
    if (cache == NULL || t->name.n == 0 || !cache_key(s->key, t, &s->who, s->alpn)) {
        return;
    }
    s->cache = cache;
    s->offered = cache_offer(cache, s->key, s->tls.ssl, &s->peer, &s->depth);
    if (s->offered && s->peer.subject.n > 0) {
        char *copy = utls_host->conn_alloc(s->tls.conn, s->peer.subject.n);

        if (copy != NULL) {
            memcpy(copy, s->peer.subject.p, s->peer.subject.n);
        }
        s->peer.subject.p = copy;
        s->peer.subject.n = copy == NULL ? 0 : s->peer.subject.n;
    }
}

int32_t session_start(struct session *s, const struct utls *u, struct utls_cache *cache,
                      pst_conn *conn, const struct pst_upstream_target *t)
{
    static const char code[] = "upstream-tls-no-session", text[] = "no TLS session could be made";

    memset(s, 0, sizeof(*s));
    s->u = u;
    s->begun = utls_host->now_ns();
    s->tls.role = &role;
    s->tls.conn = conn;
    s->who = who_of(u, t);
    s->alpn = u->alpn_of_client ? alpn_of_client(conn) : &u->alpn;
    s->tls.ssl = s->alpn == NULL ? NULL : wolfSSL_new(ctx_wolfssl(u->ctx));
    if (s->tls.ssl == NULL || !prepare(s) || tls_vars_bind(&s->tls) != PST_OK ||
        tls_stream_stack(&s->tls, utls_host, PST_SIDE_UPSTREAM) != PST_OK) {
        wolfSSL_free(s->tls.ssl);
        s->tls.ssl = NULL;
        utls_host->deny(conn, code, sizeof(code) - 1, text, sizeof(text) - 1);
        return PST_ERROR;
    }
    if (u->verify && !is_known(&s->who)) {
        s->tls.failed = session_refused(s, "upstream-tls-name",
                                        "the upstream has no name that its certificate could be "
                                        "checked for: set server_name");
    } else {
        offer(s, t, cache);
    }
    return PST_NEXT;
}
