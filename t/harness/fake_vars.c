/* SPDX-License-Identifier: MIT */
/* Variables and notes. */
#include "fake_priv.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find(const char *name)
{
    for (int i = 0; i < fake_current->n_vars; i++) {
        if (strcmp(fake_current->vars[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int fake_var_id(const char *name, uint32_t type)
{
    struct fake_host *h = fake_current;
    int id = find(name);

    if (id >= 0) {
        return id;
    }
    if (h->n_vars == FAKE_VARS) {
        abort();
    }
    h->vars[h->n_vars] = (struct fake_var){ fake_copy(name, strlen(name)), type, NULL, NULL };
    return h->n_vars++;
}

static int32_t host_var_id(const char *name)
{
    int id = find(name);

    FAKE_MAIN();
    return id >= 0 ? id : PST_ERR_NOT_FOUND;
}

static int32_t host_var_get(pst_conn *conn, int32_t id, struct pst_value *out)
{
    const struct fake_var *v;
    struct pst_value *at;
    int32_t rc = PST_OK;

    FAKE_HERE();
    memset(out, 0, sizeof(*out));
    if (id < 0 || id >= fake_current->n_vars) {
        return PST_ERR_NOT_FOUND;
    }
    v = &fake_current->vars[id];
    at = &conn->values[id];
    if (at->type == PST_VALUE_NONE && v->get != NULL) {
        rc = v->get(v->ctx, conn, at);
    }
    *out = *at;
    out->reserved = 0;
    return rc;
}

static int32_t host_var_register(const char *module, const char *name, uint32_t type,
                                 pst_var_get get, void *ctx)
{
    size_t n = strlen(module);
    int id;

    FAKE_MAIN();
    if ((strncmp(name, module, n) != 0 || name[n] != '.') && strncmp(name, "conn.tls.", 9) != 0 &&
        strncmp(name, "upstream.tls.", 13) != 0) {
        fake_say("bug: variable %s is not of module %s", name, module);
        return PST_ERR_INVALID;
    }
    id = fake_var_id(name, type);
    fake_current->vars[id].type = type;
    fake_current->vars[id].get = get;
    fake_current->vars[id].ctx = ctx;
    return id;
}

static void free_value(struct pst_value *v)
{
    if (v->type == PST_VALUE_STR || v->type == PST_VALUE_BYTES) {
        void *p;

        memcpy(&p, &v->u.str.p, sizeof(p));
        free(p);
    }
    memset(v, 0, sizeof(*v));
}

/* Values that getters made are borrowed; those that were set are ours and marked so. */
#define OURS 1u

static void set_value(struct pst_value *at, const struct pst_value *v)
{
    if (at->reserved == OURS) {
        free_value(at);
    }
    *at = *v;
    at->reserved = OURS;
    if (v->type == PST_VALUE_STR || v->type == PST_VALUE_BYTES) {
        at->u.str.p = fake_copy(v->u.str.p, v->u.str.n);
    }
}

static int32_t host_note_set(pst_conn *conn, int32_t id, const struct pst_value *value)
{
    FAKE_HERE();
    if (id < 0 || id >= fake_current->n_vars) {
        return PST_ERR_NOT_FOUND;
    }
    if (value->type != PST_VALUE_NONE && value->type != fake_current->vars[id].type) {
        fake_say("bug: note %s has the wrong type", fake_current->vars[id].name);
        return PST_ERR_INVALID;
    }
    set_value(&conn->values[id], value);
    return PST_OK;
}

void fake_conn_set(pst_conn *c, const char *name, const struct pst_value *v)
{
    set_value(&c->values[fake_var_id(name, v->type)], v);
}

void fake_conn_set_str(pst_conn *c, const char *name, const char *text)
{
    struct pst_value v = { 0 };

    v.type = PST_VALUE_STR;
    v.u.str = pst_str_of(text);
    fake_conn_set(c, name, &v);
}

void fake_conn_set_ip(pst_conn *c, const char *name, const char *ip)
{
    struct pst_value v = { 0 };

    v.type = PST_VALUE_ADDR;
    if (inet_pton(AF_INET, ip, v.u.addr.ip) == 1) {
        v.u.addr.family = PST_AF_INET;
    } else if (inet_pton(AF_INET6, ip, v.u.addr.ip) == 1) {
        v.u.addr.family = PST_AF_INET6;
    } else {
        v.u.addr.family = PST_AF_UNIX;
    }
    fake_conn_set(c, name, &v);
}

const char *fake_conn_var(pst_conn *c, const char *name)
{
    struct pst_value v;
    char text[64];

    if (host_var_get(c, host_var_id(name), &v) != PST_OK) {
        return "";
    }
    free(c->shown);
    switch (v.type) {
    case PST_VALUE_STR:
    case PST_VALUE_BYTES:
        c->shown = fake_copy(v.u.str.p, v.u.str.n);
        return c->shown;
    case PST_VALUE_U64:
    case PST_VALUE_BOOL:
        snprintf(text, sizeof(text), "%llu", (unsigned long long)v.u.u64);
        break;
    case PST_VALUE_ADDR:
        if (v.u.addr.family != PST_AF_INET && v.u.addr.family != PST_AF_INET6) {
            snprintf(text, sizeof(text), "%s", v.u.addr.family == PST_AF_UNIX ? "unix" : "");
            break;
        }
        inet_ntop(v.u.addr.family == PST_AF_INET ? AF_INET : AF_INET6, v.u.addr.ip, text,
                  sizeof(text));
        break;
    default:
        text[0] = '\0';
    }
    c->shown = fake_copy(text, strlen(text));
    return c->shown;
}

void fake_vars_end(pst_conn *c)
{
    for (int i = 0; i < FAKE_VARS; i++) {
        if (c->values[i].reserved == OURS) {
            free_value(&c->values[i]);
        }
    }
}

void fake_vars_free(struct fake_host *h)
{
    for (int i = 0; i < h->n_vars; i++) {
        free(h->vars[i].name);
    }
}

void fake_vars_table(struct pst_host *t)
{
    t->var_id = host_var_id;
    t->var_get = host_var_get;
    t->var_register = host_var_register;
    t->note_set = host_note_set;
}
