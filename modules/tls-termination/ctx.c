/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contexts of an instance: one for each certificate, all under the same policy. */
#include "term.h"

#include <stdio.h>
#include <string.h>

/*
 * Everything that a resumed session must not get around: it is part of each ticket's seal. So is
 * the version of the library, for others read what is inside in their own way, and then fail.
 */
static int policy_digest(struct term *t)
{
    static const char label[] = "postern ticket policy 1";
    struct pst_str edge = { "", 0 };
    uint32_t scope, library = wolfSSL_lib_version_hex();
    wc_Sha256 sha;
    int rc = 0;

    (void)term_host->instance_info(t->self, &edge, &scope);
    if (wc_InitSha256(&sha) != 0) {
        return -1;
    }
    rc |= tls_digest_mix(&sha, label, sizeof(label));
    rc |= tls_digest_mix(&sha, &library, sizeof(library));
    rc |= tls_digest_mix(&sha, edge.p, edge.n);
    rc |= tls_digest_mix(&sha, &t->params.min, 1);
    rc |= tls_digest_mix(&sha, &t->params.max, 1);
    rc |= tls_digest_mix(&sha, t->params.suites, t->params.n_suites * sizeof(t->params.suites[0]));
    rc |= tls_digest_mix(&sha, t->params.groups, t->params.n_groups * sizeof(t->params.groups[0]));
    rc |= tls_digest_mix(&sha, t->alpn.list, strlen(t->alpn.list));
    rc |= tls_digest_mix(&sha, &t->auth.mode, sizeof(t->auth.mode));
    for (uint32_t i = 0; i < t->auth.n; i++) {
        rc |= tls_digest_mix(&sha, t->auth.all[i]->policy_digest,
                             sizeof(t->auth.all[i]->policy_digest));
    }
    rc |= wc_Sha256Final(&sha, t->tickets.policy);
    wc_Sha256Free(&sha);
    return rc == 0 ? 0 : -1;
}

/*
 * A resumed session shows no certificate, so its rules could not be applied again: with client
 * authentication nothing is resumed.
 */
static int apply_tickets(struct term *t, WOLFSSL_CTX *ctx)
{
    return t->tickets_on && t->auth.n == 0 ? tickets_apply(&t->tickets, ctx) : tickets_refuse(ctx);
}

static const char *make_context(struct term *t, struct term_cert *c)
{
    c->ctx = wolfSSL_CTX_new(wolfSSLv23_server_method());
    if (c->ctx == NULL) {
        return "out of memory";
    }
    if (tls_cred_apply(&c->cred, c->ctx) != 0) {
        return "wolfSSL refuses the certificate or its key";
    }
    if (staple_apply(&c->staple, c->ctx) != 0) {
        return "wolfSSL refuses the stapling of an OCSP response";
    }
    if (tls_params_apply(&t->params, c->ctx) != 0) {
        return "wolfSSL refuses the versions, cipher suites or groups";
    }
    (void)wolfSSL_CTX_set_session_cache_mode(c->ctx, WOLFSSL_SESS_CACHE_OFF);
    (void)wolfSSL_CTX_clear_mode(c->ctx, SSL_MODE_AUTO_RETRY);
#ifdef WOLFSSL_EARLY_DATA
    if (wolfSSL_CTX_set_max_early_data(c->ctx, 0) < 0) {
        return "wolfSSL cannot switch early data off";
    }
#endif
    if (apply_tickets(t, c->ctx) != 0) {
        return "wolfSSL refuses the setting of session tickets";
    }
    return auth_apply(t, c->ctx) != 0 ? "the settings of client certificates cannot be used" : NULL;
}

int32_t term_contexts(struct term *t)
{
    if (policy_digest(t) != 0) {
        return PST_ERR;
    }
    if (t->tickets.ring == NULL) {
        t->tickets.ring = ticket_ring_new();
    }
    if (t->tickets.ring == NULL) {
        return PST_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < t->certs.n; i++) {
        struct term_cert *c = &t->certs.all[i];
        const char *why = make_context(t, c);

        if (why != NULL) {
            char text[600];
            int n = snprintf(text, sizeof(text), "%.400s: %s", c->path, why);

            term_host->log(t->self, NULL, PST_LOG_ERROR, text, (size_t)n);
            return PST_ERR;
        }
        /* The context has its own copy now. */
        tls_cred_applied(&c->cred);
    }
    return PST_OK;
}
