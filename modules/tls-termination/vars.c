/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The variables "conn.tls.*" of tls_info.h: answered from what the handshake left behind. */
#include "term.h"

#include "services/tls_info.h"

enum {
    V_ALPN = TLS_VAR_OWN,
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

static const struct tls_var vars[V_COUNT] = {
    [TLS_VAR_VERSION] = { PST_VAR_TLS_VERSION, PST_VALUE_STR },
    [TLS_VAR_CIPHER] = { PST_VAR_TLS_CIPHER, PST_VALUE_STR },
    [TLS_VAR_GROUP] = { PST_VAR_TLS_GROUP, PST_VALUE_STR },
    [V_ALPN] = { PST_VAR_TLS_ALPN, PST_VALUE_STR },
    [TLS_VAR_RESUMED] = { PST_VAR_TLS_RESUMED, PST_VALUE_BOOL },
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

static void give_peer(uint32_t which, const struct term_peer *p, struct pst_value *v)
{
    switch (which) {
    case V_SUBJECT:
        tls_var_str(v, p->cert.subject);
        break;
    case V_CN:
        tls_var_str(v, p->cert.subject_cn);
        break;
    case V_SAN:
        tls_var_str(v, p->sans);
        break;
    case V_SERIAL:
        tls_var_str(v, p->cert.serial);
        break;
    case V_CERT_SHA256:
        tls_var_bytes(v, p->cert.cert_sha256, sizeof(p->cert.cert_sha256));
        break;
    case V_SPKI_SHA256:
        tls_var_bytes(v, p->cert.spki_sha256, sizeof(p->cert.spki_sha256));
        break;
    case V_ISSUER:
        tls_var_str(v, p->cert.issuer);
        break;
    case V_NOT_AFTER:
        v->type = PST_VALUE_U64;
        v->u.u64 = p->cert.not_after;
        break;
    case V_DER:
        tls_var_bytes(v, p->cert.der.p, p->cert.der.n);
        break;
    default:
        break;
    }
}

static void get(const struct tls_stream *t, uint32_t which, struct pst_value *value)
{
    const struct session *s = (const struct session *)t;

    switch (which) {
    case V_ALPN:
        tls_var_str(value, s->alpn);
        break;
    case V_VERIFIED:
        tls_var_bool(value, s->verified);
        break;
    case V_CERT_KEY:
        tls_var_str(value, pst_str_of(s->cert->key_name));
        break;
    case V_CERT_SIG:
        tls_var_str(value, pst_str_of(s->cert->cred.x509.sig));
        break;
    default:
        tls_var_facts(value, which, &s->facts);
        if (s->peer != NULL) {
            give_peer(which, s->peer, value);
        }
        break;
    }
}

int32_t vars_setup(const struct pst_host *host)
{
    return tls_vars_setup(host, TERM_NAME, vars, V_COUNT, get);
}
