/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The variables "upstream.tls.*" of tls_info.h, and those of the client's side that we look at. */
#include "utls.h"

#include <stdint.h>

#include "services/tls_info.h"

/* The session of a connection, as a number: getters are given nothing but the connection. */
#define SESSION_NOTE UTLS_NAME ".session"

static int32_t session_id = PST_ERR_NOT_FOUND;
static int32_t client_version_id = PST_ERR_NOT_FOUND, client_alpn_id = PST_ERR_NOT_FOUND;

enum var {
    V_VERSION,
    V_CIPHER,
    V_GROUP,
    V_ALPN,
    V_RESUMED,
    V_VERIFIED,
    V_SUBJECT,
    V_CERT_SHA256,
    V_COUNT
};

static const struct {
    const char *name;
    uint32_t type;
} vars[V_COUNT] = {
    [V_VERSION] = { PST_VAR_UPSTREAM_TLS_VERSION, PST_VALUE_STR },
    [V_CIPHER] = { PST_VAR_UPSTREAM_TLS_CIPHER, PST_VALUE_STR },
    [V_GROUP] = { PST_VAR_UPSTREAM_TLS_GROUP, PST_VALUE_STR },
    [V_ALPN] = { PST_VAR_UPSTREAM_TLS_ALPN, PST_VALUE_STR },
    [V_RESUMED] = { PST_VAR_UPSTREAM_TLS_RESUMED, PST_VALUE_BOOL },
    [V_VERIFIED] = { PST_VAR_UPSTREAM_TLS_VERIFIED, PST_VALUE_BOOL },
    [V_SUBJECT] = { PST_VAR_UPSTREAM_TLS_PEER_SUBJECT, PST_VALUE_STR },
    [V_CERT_SHA256] = { PST_VAR_UPSTREAM_TLS_PEER_CERT_SHA256, PST_VALUE_BYTES },
};

static void give(struct pst_value *v, uint32_t type, struct pst_str s)
{
    if (s.n > 0) {
        v->type = type;
        v->u.str = s;
    }
}

static void give_bool(struct pst_value *v, bool b)
{
    v->type = PST_VALUE_BOOL;
    v->u.u64 = b;
}

static struct session *session_of(pst_conn *conn)
{
    struct pst_value v;

    if (utls_host->var_get(conn, session_id, &v) != PST_OK || v.type != PST_VALUE_U64) {
        return NULL;
    }
    return (struct session *)(uintptr_t)v.u.u64;
}

static int32_t get(void *ctx, pst_conn *conn, struct pst_value *value)
{
    const struct session *s = session_of(conn);

    if (s == NULL || !s->tls.done) {
        return PST_OK;
    }
    switch ((enum var)(uintptr_t)ctx) {
    case V_VERSION:
        give(value, PST_VALUE_STR, pst_str_of(s->facts.version));
        break;
    case V_CIPHER:
        give(value, PST_VALUE_STR, pst_str_of(s->facts.cipher));
        break;
    case V_GROUP:
        give(value, PST_VALUE_STR, pst_str_of(s->facts.group));
        break;
    case V_ALPN:
        give(value, PST_VALUE_STR, s->agreed);
        break;
    case V_RESUMED:
        give_bool(value, s->facts.resumed);
        break;
    case V_VERIFIED:
        give_bool(value, s->verified);
        break;
    case V_SUBJECT:
        give(value, PST_VALUE_STR, s->peer.subject);
        break;
    case V_CERT_SHA256:
        give(value, PST_VALUE_BYTES,
             (struct pst_str){ (const char *)s->peer.sha256, sizeof(s->peer.sha256) });
        break;
    case V_COUNT:
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
            host->var_register(UTLS_NAME, vars[i].name, vars[i].type, get, (void *)(uintptr_t)i);
        if (id < 0) {
            return id;
        }
    }
    session_id = host->var_register(UTLS_NAME, SESSION_NOTE, PST_VALUE_U64, nothing, NULL);
    return session_id < 0 ? session_id : PST_OK;
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

int32_t vars_bind(struct session *s)
{
    struct pst_value v = { .type = PST_VALUE_U64 };

    v.u.u64 = (uintptr_t)s;
    return utls_host->note_set(s->tls.conn, session_id, &v);
}
