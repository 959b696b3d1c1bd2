/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OCSP responses from files, stapled to the handshake of clients that ask for it. The next update
 * is the end of one: after it, nothing is sent. What fetches responses writes the file and reloads.
 */
#include "term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest response: it travels in one handshake message with the certificates. */
#define STAPLE_MAX ((size_t)16 * 1024)

static void warn(const pst_cfg *node, const char *path, const char *what)
{
    char text[600];
    int n = snprintf(text, sizeof(text), "%.500s %s: it is not sent", path, what);

    term_host->cfg_warn(node, text, (size_t)n);
}

/* Why a response is of no use to clients; NULL: it is. */
static const char *is_useless(const struct tls_ocsp *o)
{
    uint64_t now = term_host->wall_us() / 1000000;

    if (o->status != TLS_OCSP_GOOD) {
        return "says that the certificate is not good";
    }
    if (o->next_update == 0) {
        return "does not tell when it expires";
    }
    if (now >= o->next_update) {
        return "has expired";
    }
    return now < o->this_update ? "is not valid yet" : NULL;
}

int32_t staple_read(struct term_cert *c, const pst_cfg *node, const char *path)
{
    struct term_staple *s = &c->staple;
    struct tls_ocsp about;
    char why[600] = "";
    const char *what = NULL;

    if (!TLS_HAVE_STATUS_CB && !TLS_HAVE_STATUS_RESP) {
        return term_wrong(node, "%s: this build of wolfSSL cannot staple OCSP responses", path);
    }
    s->der = tls_file_read(path, false, &s->n, why, sizeof(why));
    if (s->der == NULL) {
        return term_wrong(node, "%s", why);
    }
    if (s->n > STAPLE_MAX) {
        return term_wrong(node, "%s is larger than %zu bytes", path, STAPLE_MAX);
    }
    if (tls_ocsp_read(s->der, s->n, &c->cred.x509, &about, &what) != 0) {
        return term_wrong(node, "%s %s", path, what);
    }
    what = is_useless(&about);
    if (what != NULL) {
        warn(node, path, what);
        staple_free(s);
        return PST_OK;
    }
    s->until = about.next_update;
    return PST_OK;
}

void staple_free(struct term_staple *s)
{
    free(s->der);
    memset(s, 0, sizeof(*s));
}

/* --- sending ---------------------------------------------------------------------------------- */

#if TLS_HAVE_STATUS_CB || TLS_HAVE_STATUS_RESP
static bool is_current(const struct term_staple *s)
{
    return s->der != NULL && term_host->wall_us() / 1000000 < s->until;
}
#endif

#if TLS_HAVE_STATUS_CB

/* The library frees what it is given. */
static int on_status(WOLFSSL *ssl, void *arg)
{
    const struct term_staple *s = arg;
    uint8_t *copy = is_current(s) ? malloc(s->n) : NULL;

    if (copy == NULL) {
        return WOLFSSL_OCSP_STATUS_CB_NOACK;
    }
    memcpy(copy, s->der, s->n);
    if (wolfSSL_set_tlsext_status_ocsp_resp(ssl, copy, (int)s->n) != WOLFSSL_SUCCESS) {
        free(copy);
        return WOLFSSL_OCSP_STATUS_CB_NOACK;
    }
    return WOLFSSL_OCSP_STATUS_CB_OK;
}

int staple_apply(struct term_staple *s, WOLFSSL_CTX *ctx)
{
    return s->der == NULL || (wolfSSL_CTX_set_tlsext_status_cb(ctx, on_status) == WOLFSSL_SUCCESS &&
                              wolfSSL_CTX_set_tlsext_status_arg(ctx, s) == WOLFSSL_SUCCESS)
               ? 0
               : -1;
}

void staple_offer(const struct term_staple *s, WOLFSSL *ssl)
{
    (void)s;
    (void)ssl;
}

#elif TLS_HAVE_STATUS_RESP

int staple_apply(struct term_staple *s, WOLFSSL_CTX *ctx)
{
    return s->der == NULL || wolfSSL_CTX_EnableOCSPStapling(ctx) == WOLFSSL_SUCCESS ? 0 : -1;
}

/* The memory stays ours. */
void staple_offer(const struct term_staple *s, WOLFSSL *ssl)
{
    if (is_current(s)) {
        (void)wolfSSL_set_tlsext_status_ocsp_resp(ssl, s->der, (int)s->n);
    }
}

#else

int staple_apply(struct term_staple *s, WOLFSSL_CTX *ctx)
{
    (void)ctx;
    return s->der == NULL ? 0 : -1;
}

void staple_offer(const struct term_staple *s, WOLFSSL *ssl)
{
    (void)s;
    (void)ssl;
}

#endif
