/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The descriptor and the hooks of mutual-tls. A certificate is judged inside the handshake; after
 * it the end state is looked at once more, so that neither a resumed session nor a terminator that
 * forgot to ask lets anybody in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <services/tls_info.h>

#include "mtls.h"

#define JUDGED     MTLS_NAME ".judged"
#define RULE       MTLS_NAME ".rule"
#define JUDGED_MAX 16

#define ALERT_ACCESS_DENIED 49 /* RFC 8446 section 6.2 */

const struct pst_host *mtls_host;

/* Ids, set once in load(), read-only afterwards. */
static struct {
    int32_t judged, rule;
    int32_t accepted, rejected;
} mod;

/* What is left on a connection about each certificate that an instance accepted. */
struct mark {
    uint8_t policy[MTLS_DIGEST], cert[MTLS_DIGEST];
};

/* --- marks ------------------------------------------------------------------------------------ */

static struct pst_str marks_of(pst_conn *conn)
{
    struct pst_value v = { 0 };
    struct pst_str none = { "", 0 };

    return mtls_host->var_get(conn, mod.judged, &v) == PST_OK && v.type == PST_VALUE_BYTES ? v.u.str
                                                                                           : none;
}

static bool has_mark(pst_conn *conn, const struct mark *mark)
{
    struct pst_str marks = marks_of(conn);

    for (size_t i = 0; i + sizeof(*mark) <= marks.n; i += sizeof(*mark)) {
        if (memcmp(marks.p + i, mark, sizeof(*mark)) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_mark(pst_conn *conn, const struct mark *mark)
{
    char all[JUDGED_MAX * sizeof(*mark)];
    struct pst_str marks = marks_of(conn);
    struct pst_value v = { .type = PST_VALUE_BYTES };

    if (marks.n > sizeof(all) - sizeof(*mark)) {
        return false;
    }
    memcpy(all, marks.p, marks.n);
    memcpy(all + marks.n, mark, sizeof(*mark));
    v.u.str = (struct pst_str){ all, marks.n + sizeof(*mark) };
    return mtls_host->note_set(conn, mod.judged, &v) == PST_OK;
}

static struct mark mark_of(const struct mtls *m, const void *cert_sha256)
{
    struct mark mark;

    memcpy(mark.policy, m->auth.policy_digest, MTLS_DIGEST);
    memcpy(mark.cert, cert_sha256, MTLS_DIGEST);
    return mark;
}

/* --- in the handshake ------------------------------------------------------------------------- */

static uint32_t reject(const struct mtls *m, pst_conn *conn, const struct pst_peer_cert *leaf,
                       const char *why, uint32_t *alert)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "client certificate of \"%.*s\" refused: %s",
                     (int)(leaf->subject.n < 300 ? leaf->subject.n : 300), leaf->subject.p, why);

    mtls_host->log(m->self, conn, PST_LOG_INFO, text,
                   n < 0                      ? 0
                   : (size_t)n < sizeof(text) ? (size_t)n
                                              : sizeof(text) - 1);
    mtls_host->metric_add(mod.rejected, 1);
    *alert = ALERT_ACCESS_DENIED;
    return PST_TLS_AUTH_REJECT;
}

static void note_rule(pst_conn *conn, int rule)
{
    struct pst_value v = { .type = PST_VALUE_STR };
    char text[32];

    snprintf(text, sizeof(text), "allow[%d]", rule);
    v.u.str = pst_str_of(text);
    (void)mtls_host->note_set(conn, mod.rule, &v);
}

static uint32_t verify(void *inst, pst_conn *conn, const struct pst_peer_cert *leaf,
                       const struct pst_str *chain, uint32_t n_chain, uint32_t engine_result,
                       uint32_t *alert)
{
    const struct mtls *m = inst;
    bool must_hold = m->auth.mode == PST_TLS_AUTH_REQUIRED || m->auth.mode == PST_TLS_AUTH_OPTIONAL;
    struct mark mark = mark_of(m, leaf->cert_sha256);
    int rule = -1;

    (void)chain;
    (void)n_chain;
    if (must_hold && engine_result != 0) {
        return reject(m, conn, leaf, "its chain does not verify", alert);
    }
    if (m->n_rules > 0) {
        rule = mtls_match(m->rules, m->n_rules, leaf);
        if (rule < 0) {
            return reject(m, conn, leaf, "no rule of \"allow\" matches", alert);
        }
        note_rule(conn, rule);
    }
    if (!add_mark(conn, &mark)) {
        return reject(m, conn, leaf, "the judgement could not be kept", alert);
    }
    mtls_host->metric_add(mod.accepted, 1);
    return PST_TLS_AUTH_ACCEPT;
}

/* --- after the handshake ---------------------------------------------------------------------- */

static int32_t deny(struct pst_call *k, const char *code, const char *text)
{
    mtls_host->metric_add(mod.rejected, 1);
    mtls_host->deny(k->conn, code, strlen(code), text, strlen(text));
    return PST_DENY;
}

static int32_t on_handshake_done(struct pst_call *k)
{
    const struct mtls *m = k->inst;
    uint32_t mode = m->auth.mode;
    struct pst_value cert = { 0 }, verified = { 0 };
    bool shown, holds;
    struct mark mark;

    if (mode == PST_TLS_AUTH_REQUEST) {
        return PST_NEXT;
    }
    shown = mtls_host->var_get(k->conn, m->vars.cert_sha256, &cert) == PST_OK &&
            cert.type == PST_VALUE_BYTES && cert.u.str.n == MTLS_DIGEST;
    holds = mtls_host->var_get(k->conn, m->vars.verified, &verified) == PST_OK &&
            verified.type == PST_VALUE_BOOL && verified.u.u64 != 0;
    if (!shown) {
        return mode == PST_TLS_AUTH_OPTIONAL
                   ? PST_NEXT
                   : deny(k, "mtls-no-certificate", "the session has no client certificate");
    }
    if (mode != PST_TLS_AUTH_ANY && !holds) {
        return deny(k, "mtls-unverified", "the client's certificate was not verified");
    }
    /* In a resumed session nobody asked us; since it began, we may have become of another mind. */
    mark = mark_of(m, cert.u.str.p);
    if (!has_mark(k->conn, &mark)) {
        return deny(k, "mtls-not-judged", "the client's certificate was not judged here");
    }
    return PST_NEXT;
}

/* --- life ------------------------------------------------------------------------------------- */

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct mtls *m = calloc(1, sizeof(*m));
    int32_t rc = PST_ERR_NOMEM;

    if (m != NULL) {
        m->self = self;
        m->auth.verify = verify;
        rc = mtls_configure(m, cfg);
    }
    if (rc == PST_OK) {
        rc = mtls_host->publish(self, PST_TLS_CLIENT_AUTH, &m->auth, PST_SERVICE_MUST_BE_CONSUMED);
    }
    if (rc < 0) {
        mtls_free(m);
        return rc;
    }
    *inst = m;
    return PST_OK;
}

/* The terminator may be loaded after us, so its variables are looked up here. */
static int32_t link_up(void *inst)
{
    struct mtls *m = inst;

    m->vars.verified = mtls_host->var_id(PST_VAR_TLS_PEER_VERIFIED);
    m->vars.cert_sha256 = mtls_host->var_id(PST_VAR_TLS_PEER_CERT_SHA256);
    return PST_OK;
}

static void fini(void *inst)
{
    mtls_free(inst);
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
    mtls_host = host;
    mod.judged = host->var_register(MTLS_NAME, JUDGED, PST_VALUE_BYTES, no_value, NULL);
    mod.rule = host->var_register(MTLS_NAME, RULE, PST_VALUE_STR, no_value, NULL);
    mod.accepted = host->metric_define(MTLS_NAME, "accepted", "client certificates accepted",
                                       PST_METRIC_COUNTER);
    mod.rejected = host->metric_define(
        MTLS_NAME, "rejected", "client certificates and sessions rejected", PST_METRIC_COUNTER);
    return mod.judged < 0 || mod.rule < 0 || mod.accepted < 0 || mod.rejected < 0 ? PST_ERR
                                                                                  : PST_OK;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .link = link_up,
    .on_handshake_done = on_handshake_done,
    .fini = fini,
};

/* No PST_FLAG_DECIDES: what is refused inside the handshake could not be let through. */
static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),
    .name = MTLS_NAME,
    .version = "1.0.0",
    .scopes = PST_SCOPE_EDGE,
    .n_options = MTLS_N_OPTIONS,
    .option_size = sizeof(struct pst_option),
    .options = mtls_options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
