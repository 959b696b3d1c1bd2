/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the upstream is. Names are compared with the alternative names of the certificate, with
 * their lengths, as our own reader finds them; a common name counts for nothing (RFC 6125).
 */
#include "utls.h"

#include <string.h>

#define SUBJECT_MAX 1024

static size_t ip_size(const struct pst_addr *a)
{
    return a->family == PST_AF_INET ? 4 : a->family == PST_AF_INET6 ? 16 : 0;
}

bool peer_is(const struct tls_x509 *x, const struct utls_who *who)
{
    size_t n = ip_size(&who->ip);

    if (who->name.n > 0) {
        return tls_x509_covers(x, who->name.p, who->name.n);
    }
    return n > 0 && tls_x509_has_ip(x, who->ip.ip, n);
}

static void judge(struct session *s, const WOLFSSL_X509_STORE_CTX *store)
{
    struct tls_x509 x;

    s->judged = true;
    s->name_wrong = tls_x509_read(store->certs[0].buffer, store->certs[0].length, &x) != 0 ||
                    !peer_is(&x, &s->who);
    s->verified = s->chain_error == 0 && !s->name_wrong;
}

/* Called for each certificate of the chain, the upstream's own last; 0 refuses. */
int peer_on_verify(int ok, WOLFSSL_X509_STORE_CTX *store)
{
    struct session *s = store->userCtx;

    if (s == NULL || store->totalCerts <= 0) {
        return 0;
    }
    if (ok != 1 && s->chain_error == 0) {
        s->chain_error = store->error != 0 ? store->error : -1;
    }
    if (store->error_depth == 0) {
        judge(s, store);
        return s->verified ? 1 : 0;
    }
    return s->chain_error == 0 ? 1 : 0;
}

/* What is told about the certificate. */
static bool describe(struct session *s, const struct tls_x509 *x)
{
    char buf[SUBJECT_MAX];
    struct tls_text t = { buf, 0, sizeof(buf), false };
    struct tls_der cn;
    char *copy;

    s->peer = (struct utls_peer){ .not_after = s->u->verify ? x->not_after : UINT64_MAX,
                                  .verified_at = utls_host->now_ns() };
    if (wc_Sha256Hash(x->der.p, (word32)x->der.n, s->peer.sha256) != 0) {
        return false;
    }
    if (!tls_text_name(&t, &x->subject, &cn) || t.n == 0) {
        return true;
    }
    copy = utls_host->conn_alloc(s->tls.conn, t.n);
    if (copy != NULL) {
        memcpy(copy, buf, t.n);
        s->peer.subject = (struct pst_str){ copy, t.n };
    }
    return copy != NULL;
}

/* The certificate that the library is left with is looked at once more, whatever it said. */
static bool certificate_holds(struct session *s)
{
    WOLFSSL_X509 *cert = wolfSSL_get_peer_certificate(s->tls.ssl);
    const unsigned char *der = NULL;
    struct tls_x509 x;
    bool good = false;
    int n = 0;

    if (cert != NULL) {
        der = wolfSSL_X509_get_der(cert, &n);
    }
    if (der != NULL && n > 0 && tls_x509_read(der, (size_t)n, &x) == 0) {
        good = !s->u->verify ||
               (s->judged && s->verified && s->chain_error == 0 &&
                wolfSSL_get_verify_result(s->tls.ssl) == CHAIN_OK && peer_is(&x, &s->who));
        good = good && describe(s, &x);
    }
    wolfSSL_X509_free(cert);
    return good;
}

bool peer_is_proven(struct session *s)
{
    /* What was offered was verified under this policy, for this name. */
    if (s->facts.resumed) {
        s->verified = s->offered && s->u->verify;
        return s->offered;
    }
    return certificate_holds(s);
}
