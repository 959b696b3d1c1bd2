/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contexts of an instance, and which of them serves a client. */
#include "term.h"

#include <stdio.h>
#include <string.h>

/* --- making ----------------------------------------------------------------------------------- */

/* Everything that a resumed session must not get around: it is part of each ticket's seal. */
static int policy_digest(struct term *t)
{
    static const char label[] = "postern ticket policy 1";
    struct pst_str edge = { "", 0 };
    uint32_t scope;
    wc_Sha256 sha;
    int rc = 0;

    (void)term_host->instance_info(t->self, &edge, &scope);
    if (wc_InitSha256(&sha) != 0) {
        return -1;
    }
    rc |= tls_digest_mix(&sha, label, sizeof(label));
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
    t->tickets.ring = ticket_ring_new();
    if (t->tickets.ring == NULL) {
        return PST_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < t->n_certs; i++) {
        const char *why = make_context(t, &t->certs[i]);

        if (why != NULL) {
            char text[200];
            int n = snprintf(text, sizeof(text), "certificates[%u]: %s", i, why);

            term_host->log(t->self, NULL, PST_LOG_ERROR, text, (size_t)n);
            return PST_ERR;
        }
        /* The context has its own copy now. */
        explicit_bzero(t->certs[i].cred.key, t->certs[i].cred.key_n);
    }
    return PST_OK;
}

/* --- choosing --------------------------------------------------------------------------------- */

/* Names of RFC 8446 section 4.2.3. */
enum {
    SIG_RSA_PKCS1_SHA256 = 0x0401,
    SIG_ECDSA_P256 = 0x0403,
    SIG_RSA_PKCS1_SHA384 = 0x0501,
    SIG_ECDSA_P384 = 0x0503,
    SIG_RSA_PKCS1_SHA512 = 0x0601,
    SIG_ECDSA_P521 = 0x0603,
    SIG_PSS_SHA256 = 0x0804,
    SIG_PSS_SHA384 = 0x0805,
    SIG_PSS_SHA512 = 0x0806,
    SIG_ED25519 = 0x0807
};

/* Extensions: RFC 8446 section 4.2. */
enum {
    SUPPORTED_GROUPS = 10,
    SIGNATURE_ALGORITHMS = 13,
    PRE_SHARED_KEY = 41,
    SUPPORTED_VERSIONS = 43,
    KEY_SHARE = 51
};

#define FALLBACK_SCSV 0x5600 /* a cipher suite that says something: RFC 7507 */

static bool has(const uint16_t *list, uint32_t n, uint16_t what)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i] == what) {
            return true;
        }
    }
    return false;
}

static bool has_extension(const struct pst_hello *h, uint16_t type)
{
    return has(h->extensions, h->n_extensions, type);
}

static bool can_verify(const struct pst_hello *h, const struct tls_x509 *x, bool tls13)
{
    const uint16_t *s = h->sigalgs;
    uint32_t n = h->n_sigalgs;
    bool pss = has(s, n, SIG_PSS_SHA256) || has(s, n, SIG_PSS_SHA384) || has(s, n, SIG_PSS_SHA512);
    bool pkcs1 = has(s, n, SIG_RSA_PKCS1_SHA256) || has(s, n, SIG_RSA_PKCS1_SHA384) ||
                 has(s, n, SIG_RSA_PKCS1_SHA512);
    bool e256 = has(s, n, SIG_ECDSA_P256), e384 = has(s, n, SIG_ECDSA_P384);
    bool e521 = has(s, n, SIG_ECDSA_P521);

    if (x->key == TLS_KEY_RSA) {
        return pss || (pkcs1 && !tls13);
    }
    if (x->key == TLS_KEY_ED25519) {
        return has(s, n, SIG_ED25519);
    }
    /* TLS 1.3 ties the hash to the curve, TLS 1.2 names the curves in supported_groups. */
    if (tls13) {
        return (e256 && x->curve == 23) || (e384 && x->curve == 24) || (e521 && x->curve == 25);
    }
    return (e256 || e384 || e521) && (h->n_groups == 0 || has(h->groups, h->n_groups, x->curve));
}

/* Do both sides know a suite of TLS 1.2 for this kind of key? */
static bool has_suite(const struct term *t, const struct pst_hello *h, uint8_t key)
{
    for (uint8_t i = 0; i < t->params.n_suites; i++) {
        const struct tls_suite *s = tls_suite_by_id(t->params.suites[i]);

        if ((s->keys & key) != 0 && has(h->ciphers, h->n_ciphers, s->id)) {
            return true;
        }
    }
    return false;
}

static bool usable(const struct term *t, const struct pst_hello *h, const struct tls_x509 *x)
{
    bool tls13 = t->params.max >= 4 && has(h->versions, h->n_versions, 0x0304);

    return can_verify(h, x, tls13) && (tls13 || has_suite(t, h, x->key));
}

const struct term_cert *term_choose(const struct term *t, const struct pst_hello *hello)
{
    const struct term_cert *best = &t->certs[0];
    int best_score = -1;

    for (uint32_t i = 0; i < t->n_certs && t->n_certs > 1; i++) {
        const struct term_cert *c = &t->certs[i];
        int score = 0;

        /* First what the client can use at all, then the right name, then the cheaper key. */
        score += usable(t, hello, &c->cred.x509) ? 4 : 0;
        score += tls_x509_covers(&c->cred.x509, hello->sni.p, hello->sni.n) ? 2 : 0;
        score += c->cred.x509.key != TLS_KEY_RSA ? 1 : 0;
        if (score > best_score) {
            best = c;
            best_score = score;
        }
    }
    return best;
}

/* RFC 8446 section 4.2.1: without supported_versions a hello speaks of TLS 1.2 at most. */
static bool shares_tls13(const struct term *t, const struct pst_hello *h)
{
    return t->params.max >= 4 && has_extension(h, SUPPORTED_VERSIONS) &&
           has(h->versions, h->n_versions, 0x0304);
}

static bool shares_tls12(const struct term *t, const struct pst_hello *h)
{
    return t->params.min <= 3 &&
           (has_extension(h, SUPPORTED_VERSIONS) ? has(h->versions, h->n_versions, 0x0303)
                                                 : h->legacy_version >= 0x0303);
}

/* RFC 8446 section 9.2: what a hello of TLS 1.3 must have. Not every library looks. */
static bool lacks_extension(const struct pst_hello *h)
{
    bool groups = has_extension(h, SUPPORTED_GROUPS);

    return groups != has_extension(h, KEY_SHARE) ||
           (!has_extension(h, PRE_SHARED_KEY) &&
            !(groups && has_extension(h, SIGNATURE_ALGORITHMS)));
}

static bool shares_group(const struct term *t, const struct pst_hello *h)
{
    for (uint8_t i = 0; i < t->params.n_groups; i++) {
        if (has(h->groups, h->n_groups, t->params.groups[i])) {
            return true;
        }
    }
    return h->n_groups == 0;
}

uint8_t term_refuses(const struct term *t, const struct pst_hello *hello, const char **why)
{
    bool tls13 = shares_tls13(t, hello);

    if (hello->n_ciphers > TERM_CLIENT_SUITES) {
        *why = "more cipher suites than this build of wolfSSL can take";
        return ALERT_HANDSHAKE_FAILURE;
    }
    if (!tls13 && !shares_tls12(t, hello)) {
        *why = "no TLS version in common";
        return ALERT_PROTOCOL_VERSION;
    }
    if (!tls13 && t->params.max >= 4 && has(hello->ciphers, hello->n_ciphers, FALLBACK_SCSV)) {
        *why = "the client fell back to an older version, which somebody made it do";
        return ALERT_INAPPROPRIATE_FALLBACK;
    }
    if (tls13 && lacks_extension(hello)) {
        *why = "the hello lacks an extension of TLS 1.3";
        return ALERT_MISSING_EXTENSION;
    }
    if (!shares_group(t, hello)) {
        *why = "no key exchange group in common";
        return ALERT_HANDSHAKE_FAILURE;
    }
    return 0;
}

int term_choose_alpn(const struct term *t, const struct pst_hello *hello)
{
    for (uint32_t i = 0; i < t->alpn.n; i++) {
        for (uint32_t k = 0; k < hello->n_alpn; k++) {
            if (t->alpn.name[i].n == hello->alpn[k].n &&
                memcmp(t->alpn.name[i].p, hello->alpn[k].p, t->alpn.name[i].n) == 0) {
                return (int)i;
            }
        }
    }
    return -1;
}
