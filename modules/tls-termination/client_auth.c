/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client certificates: who wants them, and the judgement inside the handshake. wolfSSL verifies
 * chains; the modules that published "tls.client-auth/1" decide about the leaf.
 */
#include "term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- collecting ------------------------------------------------------------------------------- */

static void count(void *arg, const void *table)
{
    (void)table;
    (*(uint32_t *)arg)++;
}

static void add(void *arg, const void *table)
{
    struct term_auth *a = arg;
    const struct pst_tls_client_auth *p = table;

    a->all[a->n++] = p;
    a->mode = p->mode > a->mode ? p->mode : a->mode;
    if (p->mode == PST_TLS_AUTH_OPTIONAL || p->mode == PST_TLS_AUTH_REQUIRED) {
        a->chain_must_hold = true;
    }
    if (p->depth != 0 && p->depth < a->depth) {
        a->depth = p->depth;
    }
}

static bool same_files(const struct pst_str *a, uint32_t n_a, const struct pst_str *b, uint32_t n_b)
{
    bool same = n_a == n_b;

    for (uint32_t i = 0; i < n_a && same; i++) {
        same = a[i].n == b[i].n && memcmp(a[i].p, b[i].p, a[i].n) == 0;
    }
    return same;
}

static int32_t complain(const struct term *t, const char *text)
{
    term_host->log(t->self, NULL, PST_LOG_ERROR, text, strlen(text));
    return PST_ERR_CONFIG;
}

/*
 * All judge by one record of authorities: with several lists, what one module trusts would be good
 * enough for the others, too.
 */
static int32_t agree_on_authorities(struct term *t)
{
    struct term_auth *a = &t->auth;
    const struct pst_tls_client_auth *first = NULL;
    char why[600] = "out of memory";
    int32_t rc = PST_OK;

    for (uint32_t i = 0; i < a->n && rc == PST_OK; i++) {
        const struct pst_tls_client_auth *p = a->all[i];

        if (p->n_ca_files == 0 && p->n_crl_files == 0) {
            continue;
        }
        if (first != NULL &&
            (!same_files(first->ca_files, first->n_ca_files, p->ca_files, p->n_ca_files) ||
             !same_files(first->crl_files, first->n_crl_files, p->crl_files, p->n_crl_files))) {
            return complain(t, "the modules that judge client certificates here name different "
                               "authorities or revocation lists: give all of them the same");
        }
        rc = first == NULL ? trust_read(&a->trust, p, !a->chain_must_hold, why, sizeof(why)) : PST_OK;
        first = p;
    }
    return rc == PST_ERR ? complain(t, why) : rc;
}

int32_t auth_collect(struct term *t)
{
    struct term_auth *a = &t->auth;
    uint32_t n = 0;

    if (term_host->find_each(t->self, PST_TLS_CLIENT_AUTH, count, &n) < 0) {
        return PST_ERR;
    }
    if (n == 0) {
        return PST_OK;
    }
    a->all = calloc(n, sizeof(*a->all));
    if (a->all == NULL) {
        return PST_ERR_NOMEM;
    }
    a->depth = UINT32_MAX;
    (void)term_host->find_each(t->self, PST_TLS_CLIENT_AUTH, add, a);
    if (a->depth == UINT32_MAX) {
        a->depth = TERM_AUTH_DEPTH;
    }
    /* Both "must be given" and "must verify", asked for by different modules, are REQUIRED. */
    if (a->mode == PST_TLS_AUTH_ANY && a->chain_must_hold) {
        a->mode = PST_TLS_AUTH_REQUIRED;
    }
    return agree_on_authorities(t);
}

void auth_free(struct term_auth *a)
{
    free(a->all);
    trust_free(&a->trust);
    memset(a, 0, sizeof(*a));
}

/* --- applying --------------------------------------------------------------------------------- */

static int failed(const struct term *t, const char *what, const struct pst_str *path, int rc)
{
    char text[600], engine[100];
    int n = snprintf(text, sizeof(text), "%s %.*s: %s", what, (int)(path->n < 400 ? path->n : 400),
                     path->p, tls_error_text(rc, engine, sizeof(engine)));

    term_host->log(t->self, NULL, PST_LOG_ERROR, text, (size_t)n);
    return -1;
}

static int load_files(const struct term *t, const struct pst_tls_client_auth *p, WOLFSSL_CTX *ctx)
{
    for (uint32_t i = 0; i < p->n_ca_files; i++) {
        int rc = wolfSSL_CTX_load_verify_locations(ctx, p->ca_files[i].p, NULL);
        if (rc != WOLFSSL_SUCCESS) {
            return failed(t, "certificate authorities in", &p->ca_files[i], rc);
        }
    }
    for (uint32_t i = 0; i < p->n_crl_files; i++) {
        int rc = wolfSSL_CTX_EnableCRL(ctx, WOLFSSL_CRL_CHECKALL);

        if (rc == WOLFSSL_SUCCESS) {
            rc = wolfSSL_CTX_LoadCRLFile(ctx, p->crl_files[i].p, WOLFSSL_FILETYPE_PEM);
        }
        if (rc != WOLFSSL_SUCCESS) {
            return failed(t, "revocation list", &p->crl_files[i], rc);
        }
    }
    return 0;
}

/* --- judging ---------------------------------------------------------------------------------- */

static void note_alert(struct session *s, uint32_t alert)
{
    if (s->alert == 0 && alert > 0 && alert < 256) {
        s->alert = (uint8_t)alert;
    }
}

/* All contributors must agree; each may look at the whole chain. */
static bool contributors_agree(struct session *s, const struct pst_str *chain, uint32_t n)
{
    const struct term_auth *a = &s->term->auth;

    for (uint32_t i = 0; i < a->n; i++) {
        const struct pst_tls_client_auth *p = a->all[i];
        uint32_t alert = 0;

        if (p->verify != NULL && p->verify(p->inst, s->tls.conn, &s->peer->cert, chain, n,
                                           s->engine_error, &alert) != PST_TLS_AUTH_ACCEPT) {
            note_alert(s, alert);
            return false;
        }
    }
    return true;
}

/* The leaf, after everything above it. */
static bool judge(struct session *s, const WOLFSSL_X509_STORE_CTX *store)
{
    const struct term_auth *a = &s->term->auth;
    struct pst_str chain[16];
    uint32_t n = store->totalCerts < 0 ? 0 : (uint32_t)store->totalCerts;

    s->judged = true;
    s->judged_error = s->engine_error;
    s->agreed = false;
    if (n == 0 || n > sizeof(chain) / sizeof(chain[0]) || n - 1 > a->depth) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        chain[i].p = (const char *)store->certs[i].buffer;
        chain[i].n = store->certs[i].length;
    }
    s->peer = peer_parse(s->tls.conn, store->certs[0].buffer, store->certs[0].length);
    if (s->peer == NULL) {
        return false;
    }
    if (a->chain_must_hold && !trust_chain_is_whole(&a->trust, chain, n)) {
        return false;
    }
    s->verified = s->engine_error == 0;
    s->agreed = contributors_agree(s, chain, n);
    return s->agreed;
}

/*
 * Called for each certificate of the chain, the leaf last; 0 refuses. Since 5.9 for a leaf with
 * faults several times: it is judged anew only when a fault was not known before.
 */
static int on_verify(int ok, WOLFSSL_X509_STORE_CTX *store)
{
    struct session *s = store->userCtx;
    bool hold = s != NULL && s->term->auth.chain_must_hold;

    if (s == NULL) {
        return 0;
    }
    if (store->totalCerts <= 0) {
        /* None was shown; whether one had to be is for the library, and for us afterwards. */
        return ok;
    }
    if (ok != 1 && s->engine_error == 0) {
        s->engine_error = store->error < 0 ? (uint32_t)-store->error : (uint32_t)store->error;
        s->engine_error = s->engine_error == 0 ? 1 : s->engine_error;
    }
    if (s->engine_error != 0 && hold) {
        return 0;
    }
    if (store->error_depth != 0) {
        return 1;
    }
    if (s->judged && s->judged_error == s->engine_error) {
        return s->agreed ? 1 : 0;
    }
    return judge(s, store) ? 1 : 0;
}

/*
 * Clients choose their certificate by the names of the authorities. wolfSSL takes those of one
 * file; half of them would be worse than none, which lets a client show what it has.
 */
static void tell_authorities(const struct term_auth *a, WOLFSSL_CTX *ctx)
{
    const struct pst_str *only = NULL;
    WOLF_STACK_OF(WOLFSSL_X509_NAME) * names;

    for (uint32_t i = 0; i < a->n; i++) {
        if (a->all[i]->n_ca_files > 1 || (a->all[i]->n_ca_files == 1 && only != NULL)) {
            return;
        }
        only = a->all[i]->n_ca_files == 1 ? a->all[i]->ca_files : only;
    }
    names = only == NULL ? NULL : wolfSSL_load_client_CA_file(only->p);
    if (names != NULL) {
        wolfSSL_CTX_set_client_CA_list(ctx, names);
    }
}

int auth_apply(const struct term *t, WOLFSSL_CTX *ctx)
{
    const struct term_auth *a = &t->auth;
    int mode = WOLFSSL_VERIFY_PEER;

    if (a->n == 0) {
        wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
        return 0;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (load_files(t, a->all[i], ctx) != 0) {
            return -1;
        }
    }
    tell_authorities(a, ctx);
    if (a->mode >= PST_TLS_AUTH_ANY) {
        mode |= WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    wolfSSL_CTX_set_verify(ctx, mode, on_verify);
    return 0;
}
