/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The variables "upstream.tls.*" of tls_info.h, and those of the client's side that we look at. */
#include "utls.h"

#include "services/tls_info.h"

static int32_t client_version_id = PST_ERR_NOT_FOUND, client_alpn_id = PST_ERR_NOT_FOUND;

enum { V_ALPN = TLS_VAR_OWN, V_VERIFIED, V_SUBJECT, V_CERT_SHA256, V_COUNT };

static const struct tls_var vars[V_COUNT] = {
    [TLS_VAR_VERSION] = { PST_VAR_UPSTREAM_TLS_VERSION, PST_VALUE_STR },
    [TLS_VAR_CIPHER] = { PST_VAR_UPSTREAM_TLS_CIPHER, PST_VALUE_STR },
    [TLS_VAR_GROUP] = { PST_VAR_UPSTREAM_TLS_GROUP, PST_VALUE_STR },
    [V_ALPN] = { PST_VAR_UPSTREAM_TLS_ALPN, PST_VALUE_STR },
    [TLS_VAR_RESUMED] = { PST_VAR_UPSTREAM_TLS_RESUMED, PST_VALUE_BOOL },
    [V_VERIFIED] = { PST_VAR_UPSTREAM_TLS_VERIFIED, PST_VALUE_BOOL },
    [V_SUBJECT] = { PST_VAR_UPSTREAM_TLS_PEER_SUBJECT, PST_VALUE_STR },
    [V_CERT_SHA256] = { PST_VAR_UPSTREAM_TLS_PEER_CERT_SHA256, PST_VALUE_BYTES },
};

static void get(const struct tls_stream *t, uint32_t which, struct pst_value *value)
{
    const struct session *s = (const struct session *)t;

    switch (which) {
    case V_ALPN:
        tls_var_str(value, s->agreed);
        break;
    case V_VERIFIED:
        tls_var_bool(value, s->verified);
        break;
    case V_SUBJECT:
        tls_var_str(value, s->peer.subject);
        break;
    case V_CERT_SHA256:
        tls_var_bytes(value, s->peer.sha256, sizeof(s->peer.sha256));
        break;
    default:
        tls_var_facts(value, which, &s->facts);
        break;
    }
}

int32_t vars_setup(const struct pst_host *host)
{
    return tls_vars_setup(host, UTLS_NAME, vars, V_COUNT, get);
}

void vars_find(const struct pst_host *host)
{
    client_version_id = host->var_id(PST_VAR_TLS_VERSION);
    client_alpn_id = host->var_id(PST_VAR_TLS_ALPN);
}

bool vars_of_client(pst_conn *conn, struct pst_value *alpn)
{
    struct pst_value version = { 0 };

    if (client_version_id < 0 || utls_host->var_get(conn, client_version_id, &version) != PST_OK ||
        version.type != PST_VALUE_STR) {
        return false;
    }
    return utls_host->var_get(conn, client_alpn_id, alpn) == PST_OK;
}
