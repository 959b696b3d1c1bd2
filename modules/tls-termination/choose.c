/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client is served with, and whether it can be served at all: from its hello alone. */
#include "term.h"

#include <string.h>

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

/*
 * The certificates for one name, with the best first: the first that the client can use. *first is
 * set when it was NULL.
 */
static const struct term_cert *choose_for(const struct term *t, const struct pst_hello *h,
                                          const char *name, size_t n,
                                          const struct term_cert **first)
{
    const struct term_name *at;
    uint32_t count = certs_find(&t->certs, name, n, &at);

    for (uint32_t i = 0; i < count; i++) {
        const struct term_cert *c = &t->certs.all[at[i].cert];

        *first = *first != NULL ? *first : c;
        if (usable(t, h, &c->cred.x509)) {
            return c;
        }
    }
    return NULL;
}

const struct term_cert *term_choose(const struct term *t, const struct pst_hello *hello)
{
    const struct term_cert *first = NULL, *c;
    const char *name = hello->sni.n > 0 ? hello->sni.p : "", *dot;
    char wild[TERM_NAME_MAX];

    c = choose_for(t, hello, name, hello->sni.n, &first);
    dot = hello->sni.n > 0 && hello->sni.n < sizeof(wild) ? memchr(name, '.', hello->sni.n) : NULL;
    if (c == NULL && dot != NULL) {
        /* RFC 6125 section 6.4: a wildcard is the whole first label and stands for one label. */
        size_t n = hello->sni.n - (size_t)(dot - name);

        wild[0] = '*';
        memcpy(wild + 1, dot, n);
        c = choose_for(t, hello, wild, n + 1, &first);
    }
    if (c == NULL) {
        c = choose_for(t, hello, "", 0, &first);
    }
    return c != NULL ? c : first;
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
