/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The authorities that client certificates are judged by, apart from wolfSSL's own record of them.
 * It puts each authority that a client shows into the context's record and leaves it there for all
 * clients: one that was found good, without its depth and its end, and one that was not when the
 * chain of a client need not hold. So in the first case the chain that is shown must be whole, and
 * in the second each session has a record of its own.
 */
#include "term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As mutual-tls has it; lists of which each session has a copy are to be smaller. */
#define AUTHORITIES_MAX (256 * TLS_FILE_MAX)

typedef int (*next_fn)(const uint8_t *pem, size_t n, size_t *off, DerBuffer **der);

void trust_free(struct term_trust *t)
{
    for (uint32_t i = 0; i < t->n_ca; i++) {
        wc_FreeDer(&t->ca[i]);
    }
    for (uint32_t i = 0; i < t->n_crl; i++) {
        wc_FreeDer(&t->crl[i]);
    }
    free(t->ca);
    free(t->crl);
    free(t->anchors);
    memset(t, 0, sizeof(*t));
}

static int32_t add(DerBuffer ***list, uint32_t *n, DerBuffer *der)
{
    DerBuffer **larger = reallocarray(*list, *n + 1, sizeof(DerBuffer *));

    if (larger == NULL) {
        wc_FreeDer(&der);
        return PST_ERR_NOMEM;
    }
    *list = larger;
    larger[(*n)++] = der;
    return PST_OK;
}

/* All pieces of a file. mutual-tls has looked for damage already; other contributors may not. */
static int32_t read_file(const char *path, size_t most, next_fn next, DerBuffer ***list,
                         uint32_t *n, char *why, size_t why_n)
{
    size_t size = 0, off = 0;
    uint8_t *pem = tls_file_read_most(path, false, most, &size, why, why_n);
    int32_t rc = pem == NULL ? PST_ERR : PST_OK;
    DerBuffer *der = NULL;
    int found = 0;

    while (rc == PST_OK && (found = next(pem, size, &off, &der)) > 0) {
        rc = add(list, n, der);
    }
    if (found < 0) {
        snprintf(why, why_n, "%s is damaged", path);
        rc = PST_ERR;
    }
    free(pem);
    return rc;
}

/* Their names, which each chain is compared with. */
static int32_t name_anchors(struct term_trust *t, char *why, size_t n)
{
    t->anchors = calloc(t->n_ca, sizeof(*t->anchors));
    for (uint32_t i = 0; i < t->n_ca; i++) {
        struct tls_x509 x;

        if (t->anchors == NULL) {
            return PST_ERR_NOMEM;
        }
        if (tls_x509_read(t->ca[i]->buffer, t->ca[i]->length, &x) != 0) {
            snprintf(why, n, "an authority for client certificates cannot be read (number %u)",
                     i + 1);
            return PST_ERR;
        }
        t->anchors[i] = x.subject;
    }
    return PST_OK;
}

int32_t trust_read(struct term_trust *t, const struct pst_tls_client_auth *p, bool own_record,
                   char *why, size_t n)
{
    const size_t most = own_record ? TLS_FILE_MAX : AUTHORITIES_MAX;
    int32_t rc = PST_OK;

    for (uint32_t i = 0; i < p->n_ca_files && rc == PST_OK; i++) {
        rc = read_file(p->ca_files[i].p, most, tls_pem_next, &t->ca, &t->n_ca, why, n);
    }
    for (uint32_t i = 0; own_record && i < p->n_crl_files && rc == PST_OK; i++) {
        rc = read_file(p->crl_files[i].p, most, tls_pem_next_crl, &t->crl, &t->n_crl, why, n);
    }
    return rc == PST_OK ? name_anchors(t, why, n) : rc;
}

/* --- a record of its own ---------------------------------------------------------------------- */

static bool fill(const struct term_trust *t, WOLFSSL_CERT_MANAGER *cm)
{
    bool ok = true;

    for (uint32_t i = 0; i < t->n_ca && ok; i++) {
        ok = wolfSSL_CertManagerLoadCABuffer(cm, t->ca[i]->buffer, (long)t->ca[i]->length,
                                             WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
    }
    if (ok && t->n_crl > 0) {
        ok = wolfSSL_CertManagerEnableCRL(cm, WOLFSSL_CRL_CHECKALL) == WOLFSSL_SUCCESS;
    }
    for (uint32_t i = 0; i < t->n_crl && ok; i++) {
        ok = wolfSSL_CertManagerLoadCRLBuffer(cm, t->crl[i]->buffer, (long)t->crl[i]->length,
                                              WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
    }
    return ok;
}

int trust_apply(const struct term_trust *t, WOLFSSL *ssl)
{
    WOLFSSL_X509_STORE *store = wolfSSL_X509_STORE_new();

    if (store != NULL && fill(t, store->cm) &&
        wolfSSL_set0_verify_cert_store(ssl, store) == WOLFSSL_SUCCESS) {
        return 0;
    }
    wolfSSL_X509_STORE_free(store);
    wolfSSL_ERR_clear_error();
    return -1;
}

/* --- a whole chain ---------------------------------------------------------------------------- */

static bool is_same(const struct tls_der *a, const struct tls_der *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static bool is_anchor(const struct term_trust *t, const struct tls_der *name)
{
    for (uint32_t i = 0; i < t->n_ca; i++) {
        if (is_same(&t->anchors[i], name)) {
            return true;
        }
    }
    return false;
}

bool trust_chain_is_whole(const struct term_trust *t, const struct pst_str *chain, uint32_t n)
{
    struct tls_x509 at, next;

    if (n == 0 || tls_x509_read((const uint8_t *)chain[0].p, chain[0].n, &at) != 0) {
        return false;
    }
    for (uint32_t steps = 0; steps < n; steps++) {
        bool found = false;

        if (is_anchor(t, &at.issuer)) {
            return true;
        }
        for (uint32_t i = 1; i < n && !found; i++) {
            found = tls_x509_read((const uint8_t *)chain[i].p, chain[i].n, &next) == 0 &&
                    is_same(&next.subject, &at.issuer);
        }
        if (!found) {
            return false;
        }
        at = next;
    }
    return false;
}
