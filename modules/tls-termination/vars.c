/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The variables "conn.tls.*" of tls_info.h: answered from what the handshake left behind. */
#include "term.h"

#include <stdint.h>

#include "services/tls_info.h"

/* The session of a connection, as a number: getters are given nothing but the connection. */
#define SESSION_NOTE TERM_NAME ".session"

static int32_t session_id = PST_ERR_NOT_FOUND;

enum var {
    V_VERSION,
    V_CIPHER,
    V_GROUP,
    V_ALPN,
    V_RESUMED,
    V_VERIFIED,
    V_SUBJECT,
    V_CN,
    V_SAN,
    V_SERIAL,
    V_CERT_SHA256,
    V_SPKI_SHA256,
    V_ISSUER,
    V_NOT_AFTER,
    V_DER,
    V_CERT_KEY,
    V_CERT_SIG,
    V_COUNT
};

static const struct {
    const char *name;
    uint32_t type;
} vars[V_COUNT] = {
    [V_VERSION] = { PST_VAR_TLS_VERSION, PST_VALUE_STR },
    [V_CIPHER] = { PST_VAR_TLS_CIPHER, PST_VALUE_STR },
    [V_GROUP] = { PST_VAR_TLS_GROUP, PST_VALUE_STR },
    [V_ALPN] = { PST_VAR_TLS_ALPN, PST_VALUE_STR },
    [V_RESUMED] = { PST_VAR_TLS_RESUMED, PST_VALUE_BOOL },
    [V_VERIFIED] = { PST_VAR_TLS_PEER_VERIFIED, PST_VALUE_BOOL },
    [V_SUBJECT] = { PST_VAR_TLS_PEER_SUBJECT, PST_VALUE_STR },
    [V_CN] = { PST_VAR_TLS_PEER_CN, PST_VALUE_STR },
    [V_SAN] = { PST_VAR_TLS_PEER_SAN, PST_VALUE_STR },
    [V_SERIAL] = { PST_VAR_TLS_PEER_SERIAL, PST_VALUE_STR },
    [V_CERT_SHA256] = { PST_VAR_TLS_PEER_CERT_SHA256, PST_VALUE_BYTES },
    [V_SPKI_SHA256] = { PST_VAR_TLS_PEER_SPKI_SHA256, PST_VALUE_BYTES },
    [V_ISSUER] = { PST_VAR_TLS_PEER_ISSUER, PST_VALUE_STR },
    [V_NOT_AFTER] = { PST_VAR_TLS_PEER_NOT_AFTER, PST_VALUE_U64 },
    [V_DER] = { PST_VAR_TLS_PEER_DER, PST_VALUE_BYTES },
    [V_CERT_KEY] = { PST_VAR_TLS_CERT_KEY, PST_VALUE_STR },
    [V_CERT_SIG] = { PST_VAR_TLS_CERT_SIG, PST_VALUE_STR },
};

static void give_str(struct pst_value *v, struct pst_str s)
{
    if (s.n > 0) {
        v->type = PST_VALUE_STR;
        v->u.str = s;
    }
}

static void give_bool(struct pst_value *v, bool b)
{
    v->type = PST_VALUE_BOOL;
    v->u.u64 = b;
}

static void give_bytes(struct pst_value *v, const void *p, size_t n)
{
    v->type = PST_VALUE_BYTES;
    v->u.str.p = p;
    v->u.str.n = n;
}

static void give_peer(enum var which, const struct term_peer *p, struct pst_value *v)
{
    switch (which) {
    case V_SUBJECT:
        give_str(v, p->cert.subject);
        break;
    case V_CN:
        give_str(v, p->cert.subject_cn);
        break;
    case V_SAN:
        give_str(v, p->sans);
        break;
    case V_SERIAL:
        give_str(v, p->cert.serial);
        break;
    case V_CERT_SHA256:
        give_bytes(v, p->cert.cert_sha256, sizeof(p->cert.cert_sha256));
        break;
    case V_SPKI_SHA256:
        give_bytes(v, p->cert.spki_sha256, sizeof(p->cert.spki_sha256));
        break;
    case V_ISSUER:
        give_str(v, p->cert.issuer);
        break;
    case V_NOT_AFTER:
        v->type = PST_VALUE_U64;
        v->u.u64 = p->cert.not_after;
        break;
    case V_DER:
        give_bytes(v, p->cert.der.p, p->cert.der.n);
        break;
    default:
        break;
    }
}

static struct session *session_of(pst_conn *conn)
{
    struct pst_value v;

    if (term_host->var_get(conn, session_id, &v) != PST_OK || v.type != PST_VALUE_U64) {
        return NULL;
    }
    return (struct session *)(uintptr_t)v.u.u64;
}

static int32_t get(void *ctx, pst_conn *conn, struct pst_value *value)
{
    enum var which = (enum var)(uintptr_t)ctx;
    const struct session *s = session_of(conn);

    if (s == NULL || !s->tls.done) {
        return PST_OK;
    }
    switch (which) {
    case V_VERSION:
        give_str(value, pst_str_of(s->facts.version));
        break;
    case V_CIPHER:
        give_str(value, pst_str_of(s->facts.cipher));
        break;
    case V_GROUP:
        give_str(value, pst_str_of(s->facts.group));
        break;
    case V_ALPN:
        give_str(value, s->alpn);
        break;
    case V_RESUMED:
        give_bool(value, s->facts.resumed);
        break;
    case V_VERIFIED:
        give_bool(value, s->verified);
        break;
    case V_CERT_KEY:
        give_str(value, pst_str_of(s->cert->key_name));
        break;
    case V_CERT_SIG:
        give_str(value, pst_str_of(s->cert->cred.x509.sig));
        break;
    default:
        if (s->peer != NULL) {
            give_peer(which, s->peer, value);
        }
        break;
    }
    return PST_OK;
}

static int32_t nothing(void *ctx, pst_conn *conn, struct pst_value *value)
{
    (void)ctx;
    (void)conn;
    value->type = PST_VALUE_NONE;
    return PST_OK;
}

int32_t vars_setup(const struct pst_host *host)
{
    for (uint32_t i = 0; i < V_COUNT; i++) {
        int32_t id =
            host->var_register(TERM_NAME, vars[i].name, vars[i].type, get, (void *)(uintptr_t)i);
        if (id < 0) {
            return id;
        }
    }
    session_id = host->var_register(TERM_NAME, SESSION_NOTE, PST_VALUE_U64, nothing, NULL);
    return session_id < 0 ? session_id : PST_OK;
}

int32_t vars_bind(struct session *s)
{
    struct pst_value v = { .type = PST_VALUE_U64 };

    v.u.u64 = (uintptr_t)s;
    return term_host->note_set(s->tls.conn, session_id, &v);
}
