/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contexts, shared by all instances of the same settings: a hundred edges with tls:// targets read
 * and keep the system's authorities once.
 */
#include "utls.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct utls_ctx {
    struct utls_ctx *next;
    WOLFSSL_CTX *ctx;
    unsigned refs;
    uint8_t digest[UTLS_DIGEST];
};

/* All that live; the main thread's. */
static struct utls_ctx *contexts;

__attribute__((format(printf, 3, 4))) static int because(char *why, size_t n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, n, fmt, ap);
    va_end(ap);
    return -1;
}

/* --- authorities ------------------------------------------------------------------------------ */

/* 1: loaded, 0: left out, -1: an error. */
static int load_one(WOLFSSL_CTX *ctx, const DerBuffer *der, const struct utls_ca *ca, size_t at,
                    char *why, size_t why_n)
{
    char engine[128];
    struct tls_x509 x;
    int rc;

    if (tls_x509_read(der->buffer, der->length, &x) != 0) {
        return ca->system ? 0
                          : because(why, why_n, "%s: certificate %zu cannot be read", ca->path, at);
    }
    /* wolfSSL does not look at the time of an authority again. */
    if (utls_host->wall_us() / 1000000 > x.not_after) {
        return ca->system ? 0
                          : because(why, why_n, "%s: certificate %zu has expired", ca->path, at);
    }
    rc = wolfSSL_CTX_load_verify_buffer(ctx, der->buffer, (long)der->length, WOLFSSL_FILETYPE_ASN1);
    wolfSSL_ERR_clear_error();
    if (rc == WOLFSSL_SUCCESS) {
        return 1;
    }
    return ca->system ? 0
                      : because(why, why_n, "%s: certificate %zu: %s", ca->path, at,
                                tls_error_text(rc, engine, sizeof(engine)));
}

static int load_file(WOLFSSL_CTX *ctx, const struct utls_ca *ca, char *why, size_t why_n)
{
    size_t off = 0, at = 0, loaded = 0;
    DerBuffer *der = NULL;
    int more;

    while ((more = tls_pem_next(ca->pem, ca->n, &off, &der)) > 0) {
        int rc = load_one(ctx, der, ca, ++at, why, why_n);

        wc_FreeDer(&der);
        if (rc < 0) {
            return -1;
        }
        loaded += (size_t)rc;
    }
    if (more < 0 && at > 0) {
        return because(why, why_n, "%s: damaged PEM", ca->path);
    }
    return loaded > 0 ? 0 : because(why, why_n, "%s: no certificate in it", ca->path);
}

/* --- making ----------------------------------------------------------------------------------- */

static int digest_of(const struct utls_material *m, uint8_t digest[UTLS_DIGEST])
{
    static const char label[] = "postern upstream context 1";
    const struct tls_params *p = m->params;
    const uint8_t flags[] = { p->min, p->max, m->verify, m->sessions };
    wc_Sha256 sha;
    int rc = 0;

    if (wc_InitSha256(&sha) != 0) {
        return -1;
    }
    rc |= tls_digest_mix(&sha, label, sizeof(label));
    rc |= tls_digest_mix(&sha, flags, sizeof(flags));
    rc |= tls_digest_mix(&sha, p->suites, p->n_suites * sizeof(p->suites[0]));
    rc |= tls_digest_mix(&sha, p->groups, p->n_groups * sizeof(p->groups[0]));
    for (uint32_t i = 0; i < m->n_ca; i++) {
        rc |= tls_digest_mix(&sha, m->ca[i].system ? "s" : "f", 1);
        rc |= tls_digest_mix(&sha, m->ca[i].pem, m->ca[i].n);
    }
    if (m->cred != NULL) {
        rc |= tls_digest_mix(&sha, m->cred->chain, m->cred->chain_n);
        rc |= tls_digest_mix(&sha, m->cred->key, m->cred->key_n);
    }
    rc |= wc_Sha256Final(&sha, digest);
    wc_Sha256Free(&sha);
    return rc == 0 ? 0 : -1;
}

static int trust(const struct utls_material *m, WOLFSSL_CTX *ctx, char *why, size_t why_n)
{
    /* Some builds verify nobody unless told to. */
    if (!m->verify) {
        wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
        return 0;
    }
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, peer_on_verify);
    for (uint32_t i = 0; i < m->n_ca; i++) {
        if (load_file(ctx, &m->ca[i], why, why_n) != 0) {
            return -1;
        }
    }
    return 0;
}

static int fill(const struct utls_material *m, WOLFSSL_CTX *ctx, char *why, size_t why_n)
{
    if (tls_params_apply(m->params, ctx) != 0) {
        return because(why, why_n, "wolfSSL refuses the versions, cipher suites or groups");
    }
    /* Sessions are kept in a cache of ours, which knows whose they are. */
    (void)wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
    (void)wolfSSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    if (m->sessions && wolfSSL_CTX_UseSessionTicket(ctx) != WOLFSSL_SUCCESS) {
        return because(why, why_n, "wolfSSL cannot use session tickets");
    }
    if (m->cred != NULL && tls_cred_apply(m->cred, ctx) != 0) {
        return because(why, why_n, "wolfSSL refuses the certificate or its key");
    }
    return trust(m, ctx, why, why_n);
}

struct utls_ctx *ctx_get(const struct utls_material *m, char *why, size_t why_n)
{
    uint8_t digest[UTLS_DIGEST];
    struct utls_ctx *c;

    if (digest_of(m, digest) != 0) {
        because(why, why_n, "out of memory");
        return NULL;
    }
    for (c = contexts; c != NULL; c = c->next) {
        if (memcmp(c->digest, digest, sizeof(digest)) == 0) {
            c->refs++;
            return c;
        }
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL || (c->ctx = wolfSSL_CTX_new(wolfSSLv23_client_method())) == NULL) {
        because(why, why_n, "out of memory");
        free(c);
        return NULL;
    }
    if (fill(m, c->ctx, why, why_n) != 0) {
        wolfSSL_CTX_free(c->ctx);
        free(c);
        return NULL;
    }
    memcpy(c->digest, digest, sizeof(digest));
    c->refs = 1;
    c->next = contexts;
    contexts = c;
    return c;
}

void ctx_put(struct utls_ctx *c)
{
    struct utls_ctx **at = &contexts;

    if (c == NULL || --c->refs > 0) {
        return;
    }
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    wolfSSL_CTX_free(c->ctx);
    free(c);
}

WOLFSSL_CTX *ctx_wolfssl(const struct utls_ctx *c)
{
    return c->ctx;
}
