/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of a client whose TLS ends here. */
#include "term.h"

#include <stdio.h>
#include <string.h>

#include <wolfssl/error-ssl.h>

/* --- handshake -------------------------------------------------------------------------------- */

/*
 * What the library promised is checked once more: nobody passes for whom a certificate was
 * required and none was judged.
 */
static bool client_is_proven(const struct session *s)
{
    const struct term_auth *a = &s->term->auth;

    if (a->n == 0) {
        return true;
    }
    if (!s->judged) {
        WOLFSSL_X509 *x = wolfSSL_get_peer_certificate(s->tls.ssl);
        bool shown = x != NULL;

        wolfSSL_X509_free(x);
        return !shown && a->mode < PST_TLS_AUTH_ANY && wolfSSL_session_reused(s->tls.ssl) == 0;
    }
    return s->peer != NULL && (s->verified || !a->chain_must_hold);
}

static int32_t finish(struct tls_stream *t)
{
    struct session *s = (struct session *)t;
    const struct pst_str *alpn;

    if (!tls_params_hold(&s->term->params, t->ssl)) {
        return session_failed(t, UNSUPPORTED_SUITE);
    }
    if (!client_is_proven(s)) {
        return session_failed(t, NO_PEER_CERT);
    }
    tls_facts_gather(&s->facts, t->ssl);
    alpn = tls_alpn_negotiated(&s->term->alpn, t->ssl);
    if (alpn != NULL) {
        s->alpn = *alpn;
    }
    return PST_OK;
}

static const struct tls_role role = {
    .step = wolfSSL_accept,
    .finish = finish,
    .fail = session_failed,
};

/* --- start ------------------------------------------------------------------------------------ */

/*
 * wolfSSL takes the client's first protocol that is in the list, so it gets only the one that we
 * prefer; when there is none it gets them all, and refuses with the right alert.
 */
static int use_alpn(struct session *s, const struct pst_hello *hello)
{
    const struct term *t = s->term;
    char list[sizeof(t->alpn.list)];
    int i;

    if (t->alpn.n == 0) {
        return 0;
    }
    i = term_choose_alpn(t, hello);
    snprintf(list, sizeof(list), "%s", i >= 0 ? t->alpn.name[i].p : t->alpn.list);
    return wolfSSL_UseALPN(s->tls.ssl, list, (unsigned)strlen(list),
                           WOLFSSL_ALPN_FAILED_ON_MISMATCH) == WOLFSSL_SUCCESS
               ? 0
               : -1;
}

static int use_authorities(const struct session *s)
{
    const struct term_auth *a = &s->term->auth;

    return a->n > 0 && !a->chain_must_hold ? trust_apply(&a->trust, s->tls.ssl) : 0;
}

int32_t session_start(struct session *s, const struct pst_hello *hello)
{
    const char *why = NULL;
    uint8_t alert;

    s->tls.role = &role;
    s->cert = term_choose(s->term, hello);
    s->tls.ssl = wolfSSL_new(s->cert->ctx);
    if (s->tls.ssl == NULL || use_alpn(s, hello) != 0 || use_authorities(s) != 0 ||
        tls_stream_stack(&s->tls, term_host, PST_SIDE_CLIENT) != PST_OK) {
        wolfSSL_free(s->tls.ssl);
        s->tls.ssl = NULL;
        term_host->deny(s->tls.conn, "tls-no-session", 14, "no TLS session could be made", 28);
        return PST_ERROR;
    }
    wolfSSL_SetCertCbCtx(s->tls.ssl, s);
    staple_offer(&s->cert->staple, s->tls.ssl);
    alert = term_refuses(s->term, hello, &why);
    s->tls.failed = alert == 0 ? PST_OK : session_refused(s, alert, why);
    return PST_CLAIM;
}
