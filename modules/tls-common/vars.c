/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The variables of a module that speaks TLS. Getters are given nothing but the connection: its
 * session is a note there, as a number.
 */
#include "tls-common/tls_common.h"

#include <stdio.h>

/* One set a module: each has this file linked into it. */
static const struct pst_host *vars_host;
static tls_var_get vars_get;
static int32_t session_id = PST_ERR_NOT_FOUND;

void tls_var_str(struct pst_value *v, struct pst_str s)
{
    if (s.n > 0) {
        v->type = PST_VALUE_STR;
        v->u.str = s;
    }
}

void tls_var_bytes(struct pst_value *v, const void *p, size_t n)
{
    v->type = PST_VALUE_BYTES;
    v->u.str = (struct pst_str){ p, n };
}

void tls_var_bool(struct pst_value *v, bool b)
{
    v->type = PST_VALUE_BOOL;
    v->u.u64 = b;
}

void tls_var_facts(struct pst_value *v, uint32_t which, const struct tls_facts *f)
{
    switch (which) {
    case TLS_VAR_VERSION:
        tls_var_str(v, pst_str_of(f->version));
        break;
    case TLS_VAR_CIPHER:
        tls_var_str(v, pst_str_of(f->cipher));
        break;
    case TLS_VAR_GROUP:
        tls_var_str(v, pst_str_of(f->group));
        break;
    case TLS_VAR_RESUMED:
        tls_var_bool(v, f->resumed);
        break;
    default:
        break;
    }
}

static int32_t get(void *ctx, pst_conn *conn, struct pst_value *value)
{
    const struct tls_stream *t;
    struct pst_value note;

    if (vars_host->var_get(conn, session_id, &note) != PST_OK || note.type != PST_VALUE_U64) {
        return PST_OK;
    }
    t = (const struct tls_stream *)(uintptr_t)note.u.u64;
    if (t->done) {
        vars_get(t, (uint32_t)(uintptr_t)ctx, value);
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

int32_t tls_vars_setup(const struct pst_host *host, const char *module, const struct tls_var *vars,
                       uint32_t n, tls_var_get answer)
{
    char note[64];

    vars_host = host;
    vars_get = answer;
    for (uint32_t i = 0; i < n; i++) {
        int32_t id =
            host->var_register(module, vars[i].name, vars[i].type, get, (void *)(uintptr_t)i);

        if (id < 0) {
            return id;
        }
    }
    snprintf(note, sizeof(note), "%s.session", module);
    session_id = host->var_register(module, note, PST_VALUE_U64, nothing, NULL);
    return session_id < 0 ? session_id : PST_OK;
}

int32_t tls_vars_bind(const struct tls_stream *t)
{
    struct pst_value v = { .type = PST_VALUE_U64 };

    v.u.u64 = (uintptr_t)t;
    return vars_host->note_set(t->conn, session_id, &v);
}
