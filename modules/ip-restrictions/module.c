/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ip-restrictions: lets connections in or out by the effective client address.
 *
 * A connection passes when at least one allow rule and no deny rule contains its address; the
 * order of rules is irrelevant. At a listener the judgement waits for on_client_hello, because
 * a PROXY header in front of the hello may still replace the address; at an edge it is on_admit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipr.h"

#define NAME "ip-restrictions"

/* Set once in load(), read-only afterwards. */
static struct {
    const struct pst_host *host;
    int32_t client_ip;
    int32_t decision, matched_cidr, rule, enforced;
    int32_t allowed, denied;
} mod;

/* What decided. rule is NULL when no rule names the address. */
struct judgement {
    bool pass;
    bool is_ip;
    struct cidr addr;
    const struct rule *rule;
};

static struct judgement judge(const struct ipr *ipr, pst_conn *conn)
{
    struct judgement j = { 0 };
    struct pst_value v = { 0 };

    if (mod.host->var_get(conn, mod.client_ip, &v) == PST_OK && v.type == PST_VALUE_ADDR) {
        j.is_ip = cidr_of_addr(&v.u.addr, &j.addr);
    }
    if (j.is_ip) {
        j.rule = rule_set_find(&ipr->deny, &j.addr);
        if (j.rule != NULL) {
            return j;
        }
        j.rule = rule_set_find(&ipr->allow, &j.addr);
    }
    j.pass = j.rule != NULL || ipr->allow_by_default;
    return j;
}

/* Text put together without printf(), which costs more than all else that is done here. */
struct text {
    char p[300];
    size_t n;
};

/* As much as there is room for. */
static void add(struct text *t, const char *z)
{
    size_t n = strlen(z), room = sizeof(t->p) - t->n;

    n = n < room ? n : room;
    memcpy(t->p + t->n, z, n);
    t->n += n;
}

static void add_u32(struct text *t, uint32_t v)
{
    char digits[11];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    add(t, digits + at);
}

/* Where a rule was written: "allow[3]", "policy office", "allow_file /path:17". */
static void add_origin(struct text *t, const struct ipr *ipr, const struct rule *rule)
{
    const struct source *src = &ipr->sources[rule->source];

    switch (src->kind) {
    case SOURCE_LIST:
        add(t, src->key);
        add(t, "[");
        add_u32(t, rule->line);
        add(t, "]");
        break;
    case SOURCE_FILE:
        add(t, src->key);
        add(t, " ");
        add(t, src->name);
        add(t, ":");
        add_u32(t, rule->line);
        break;
    case SOURCE_POLICY:
        add(t, "policy ");
        add(t, src->name);
        break;
    }
}

static void note(pst_conn *conn, int32_t id, struct pst_str text)
{
    struct pst_value v = { 0 };

    v.type = PST_VALUE_STR;
    v.u.str = text;
    mod.host->note_set(conn, id, &v);
}

/* An older host cannot tell; there a decision counts as enforced. */
static void note_enforced(const struct pst_call *k)
{
    struct pst_value v = { .type = PST_VALUE_BOOL };

    v.u.u64 = !PST_HAS(mod.host, instance_enforces) || mod.host->instance_enforces(k->self);
    mod.host->note_set(k->conn, mod.enforced, &v);
}

/* Why a connection is denied, for the log and the event. */
static void tell(const struct ipr *ipr, pst_conn *conn, const struct judgement *j, const char *net,
                 const struct text *origin)
{
    char addr[CIDR_TEXT] = "a client without IP address", text[512];
    const char *code = j->rule != NULL ? "ip-denied" : "ip-not-allowed";
    int n;

    if (j->is_ip) {
        cidr_format(&j->addr, true, addr);
    }
    if (j->rule != NULL) {
        const struct source *src = &ipr->sources[j->rule->source];
        const struct pst_str none = { "", 0 },
                             *detail = src->details != NULL ? &src->details[j->rule->line] : &none;

        n = snprintf(text, sizeof(text), "%s matches deny %s (%.*s%s%.*s)", addr, net,
                     (int)origin->n, origin->p, detail->n > 0 ? ": " : "",
                     (int)(detail->n < 200 ? detail->n : 200), detail->n > 0 ? detail->p : "");
    } else {
        n = snprintf(text, sizeof(text), "%s matches no allow rule", addr);
    }
    if (n < 0) {
        n = 0;
    }
    mod.host->deny(conn, code, strlen(code), text,
                   (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void explain(const struct ipr *ipr, pst_conn *conn, const struct judgement *j)
{
    char net[CIDR_TEXT] = "";
    struct text origin = { .n = 0 };
    size_t n = 0;

    if (j->rule != NULL) {
        struct cidr c = { j->rule->hi, j->rule->lo, j->rule->prefix, j->rule->family };

        n = cidr_format(&c, false, net);
        add_origin(&origin, ipr, j->rule);
    } else {
        add(&origin, "default");
    }
    note(conn, mod.decision, pst_str_of(j->pass ? "allow" : "block"));
    note(conn, mod.matched_cidr, (struct pst_str){ net, n });
    note(conn, mod.rule, (struct pst_str){ origin.p, origin.n });
    if (!j->pass) {
        tell(ipr, conn, j, net, &origin);
    }
}

static int32_t decide(struct pst_call *k)
{
    const struct ipr *ipr = k->inst;
    struct judgement j = judge(ipr, k->conn);

    explain(ipr, k->conn, &j);
    note_enforced(k);
    mod.host->metric_add(j.pass ? mod.allowed : mod.denied, 1);
    return j.pass ? PST_NEXT : PST_DENY;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct ipr *ipr = calloc(1, sizeof(*ipr));
    int32_t rc = ipr != NULL ? ipr_configure(mod.host, self, cfg, ipr) : PST_ERR_NOMEM;

    if (rc != PST_OK) {
        ipr_free(ipr);
        return rc;
    }
    *inst = ipr;
    return PST_OK;
}

static void fini(void *inst)
{
    ipr_free(inst);
}

/* Our variables are notes: until a judgement has left one there is no value. */
static int32_t no_value(void *ctx, pst_conn *conn, struct pst_value *value)
{
    (void)ctx;
    (void)conn;
    value->type = PST_VALUE_NONE;
    return PST_OK;
}

static int32_t load(const struct pst_host *host)
{
    mod.host = host;
    mod.client_ip = host->var_id("conn.client_ip");
    mod.decision = host->var_register(NAME, NAME ".decision", PST_VALUE_STR, no_value, NULL);
    mod.matched_cidr =
        host->var_register(NAME, NAME ".matched_cidr", PST_VALUE_STR, no_value, NULL);
    mod.rule = host->var_register(NAME, NAME ".rule", PST_VALUE_STR, no_value, NULL);
    mod.enforced = host->var_register(NAME, NAME ".enforced", PST_VALUE_BOOL, no_value, NULL);
    mod.allowed =
        host->metric_define(NAME, "allowed", "connections let through", PST_METRIC_COUNTER);
    mod.denied = host->metric_define(NAME, "denied", "connections denied", PST_METRIC_COUNTER);
    if (mod.client_ip < 0 || mod.decision < 0 || mod.matched_cidr < 0 || mod.rule < 0 ||
        mod.enforced < 0 || mod.allowed < 0 || mod.denied < 0) {
        return PST_ERR;
    }
    return PST_OK;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_client_hello = decide,
    .on_admit = decide,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = NAME,
    .version = "1.0.0",
    .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
    .n_options = IPR_N_OPTIONS,
    .option_size = sizeof(struct pst_option),
    .options = ipr_options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
