/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of a client whose TLS ends here. */
#include "term.h"

#include <stdio.h>
#include <string.h>

#include <wolfssl/error-ssl.h>

/* Taken by one write() before others get their turn. */
#define WRITE_TURN ((size_t)256 * 1024)
/* Encrypted at once: with a slow client no more than this has to be kept for it. */
#define WRITE_PART ((size_t)64 * 1024)

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
        WOLFSSL_X509 *x = wolfSSL_get_peer_certificate(s->ssl);
        bool shown = x != NULL;

        wolfSSL_X509_free(x);
        return !shown && a->mode < PST_TLS_AUTH_ANY && wolfSSL_session_reused(s->ssl) == 0;
    }
    return s->peer != NULL && (s->verified || !a->chain_must_hold);
}

static const char *group_name(WOLFSSL *ssl)
{
    const char *name = wolfSSL_get_curve_name(ssl);
    const struct tls_group *g = name == NULL ? NULL : tls_group_find(name);

    return g != NULL ? g->iana : name;
}

static void gather_facts(struct session *s)
{
    struct term_facts *f = &s->facts;
    const struct tls_suite *suite =
        tls_suite_by_id((uint16_t)wolfSSL_get_current_cipher_suite(s->ssl));
    char *alpn = NULL;
    unsigned short n = 0;

    f->version = tls_version_name(wolfSSL_version(s->ssl) & 0xff);
    f->cipher = suite != NULL ? suite->iana : NULL;
    f->resumed = wolfSSL_session_reused(s->ssl) != 0;
    f->group = group_name(s->ssl);
    if (wolfSSL_ALPN_GetProtocol(s->ssl, &alpn, &n) != WOLFSSL_SUCCESS || alpn == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->term->n_alpn; i++) {
        const struct pst_str *ours = &s->term->alpn[i];

        if (ours->n == n && memcmp(ours->p, alpn, n) == 0) {
            f->alpn = *ours;
        }
    }
}

/* Only what the list of suites allows may have been negotiated: else our settings did not hold. */
static bool is_as_configured(const struct session *s)
{
    const struct tls_params *p = &s->term->params;
    int minor = wolfSSL_version(s->ssl) & 0xff;
    uint16_t suite = (uint16_t)wolfSSL_get_current_cipher_suite(s->ssl);

    if (minor < p->min || minor > p->max) {
        return false;
    }
    for (uint8_t i = 0; i < p->n_suites; i++) {
        if (p->suites[i] == suite) {
            return true;
        }
    }
    return false;
}

static int32_t finish(struct session *s)
{
    if (!is_as_configured(s)) {
        return session_failed(s, UNSUPPORTED_SUITE);
    }
    if (!client_is_proven(s)) {
        return session_failed(s, NO_PEER_CERT);
    }
    gather_facts(s);
    s->done = true;
    /* The account of idle records begins now; the handshake had its own. */
    tls_io_earn(&s->io, 0);
    s->io.credit = 64;
    return PST_OK;
}

static int32_t do_handshake(void *ctx)
{
    struct session *s = ctx;
    int32_t pushed;
    int rc, err;

    if (s->failed == 0 && !s->done) {
        rc = wolfSSL_accept(s->ssl);
        err = rc == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(s->ssl, rc);
        if (rc == WOLFSSL_SUCCESS) {
            s->failed = finish(s);
        } else if (err != WOLFSSL_ERROR_WANT_READ && err != WOLFSSL_ERROR_WANT_WRITE) {
            s->failed = session_failed(s, err);
        }
        wolfSSL_ERR_clear_error();
    }
    pushed = tls_io_push(&s->io);
    if (pushed == PST_OK) {
        pushed = term_host->stream_flush(s->io.inner);
    }
    if (pushed == PST_WANT_READ || pushed == PST_WANT_WRITE) {
        return pushed;
    }
    if (s->failed != 0) {
        return s->failed;
    }
    if (pushed != PST_OK || s->done) {
        return pushed;
    }
    return s->io.want == PST_WANT_WRITE ? PST_WANT_WRITE : PST_WANT_READ;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* What a read that gave nothing means. */
static int64_t read_result(struct session *s, int rc)
{
    int err = wolfSSL_get_error(s->ssl, rc);
    int64_t r = PST_ERR_PROTOCOL;

    if (err == WOLFSSL_ERROR_WANT_READ) {
        return s->io.want == PST_WANT_WRITE ? PST_WANT_WRITE : PST_WANT_READ;
    }
    if (err == WOLFSSL_ERROR_WANT_WRITE) {
        return PST_WANT_WRITE;
    }
    if (err == WOLFSSL_ERROR_ZERO_RETURN || err == ZERO_RETURN) {
        s->read_ended = true;
        r = 0;
    } else if (s->io.failed != 0) {
        r = s->io.failed;
    } else if (s->io.eof) {
        /* The wire ended without close_notify: somebody may have cut it (RFC 8446 section 6.1). */
        r = PST_ERR_RESET;
    }
    session_note_alerts(s);
    wolfSSL_ERR_clear_error();
    return r;
}

static int64_t do_read(void *ctx, struct pst_iov *v, uint32_t n)
{
    struct session *s = ctx;
    int64_t r;
    uint32_t i = 0;
    int rc;

    if (s->read_ended) {
        return 0;
    }
    /* Answers to the client (KeyUpdate) must not heap up while it does not read them. */
    if (tls_io_waiting(&s->io) && !s->write_ended && tls_io_push(&s->io) == PST_WANT_WRITE) {
        return PST_WANT_WRITE;
    }
    while (i < n && v[i].n == 0) {
        i++;
    }
    if (i == n) {
        return PST_ERR_INVALID;
    }
    rc = wolfSSL_read(s->ssl, v[i].p, v[i].n < INT32_MAX ? (int)v[i].n : INT32_MAX);
    if (rc > 0) {
        tls_io_earn(&s->io, (size_t)rc);
    }
    r = rc > 0 ? rc : read_result(s, rc);
    (void)tls_io_push(&s->io);
    return r;
}

/* Encrypt from `v`; the bytes taken, or a negative error when there are none. */
static int64_t encrypt(struct session *s, const struct pst_iov *v, uint32_t n)
{
    size_t total = 0;

    for (uint32_t i = 0; i < n; i++) {
        for (size_t off = 0; off < v[i].n;) {
            size_t part = v[i].n - off < WRITE_PART ? v[i].n - off : WRITE_PART;
            int rc = wolfSSL_write(s->ssl, v[i].p + off, (int)part);

            if (rc <= 0) {
                wolfSSL_ERR_clear_error();
                return total > 0 ? (int64_t)total : s->io.failed != 0 ? s->io.failed : PST_ERR_IO;
            }
            off += (size_t)rc;
            total += (size_t)rc;
            if (tls_io_waiting(&s->io) || total >= WRITE_TURN) {
                return (int64_t)total;
            }
        }
    }
    return (int64_t)total;
}

static int64_t do_write(void *ctx, const struct pst_iov *v, uint32_t n)
{
    struct session *s = ctx;
    int64_t r;
    int32_t pushed;

    if (s->write_ended) {
        return PST_ERR_STATE;
    }
    if (tls_io_waiting(&s->io)) {
        pushed = tls_io_push(&s->io);
        if (pushed != PST_OK) {
            return pushed;
        }
    }
    r = encrypt(s, v, n);
    pushed = tls_io_push(&s->io);
    return pushed == PST_OK || pushed == PST_WANT_WRITE || pushed == PST_WANT_READ ? r : pushed;
}

static int32_t do_flush(void *ctx)
{
    struct session *s = ctx;

    return tls_io_push(&s->io);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void send_close_notify(struct session *s)
{
    if (s->write_ended) {
        return;
    }
    s->write_ended = true;
    if (s->done && s->io.failed == 0) {
        (void)wolfSSL_shutdown(s->ssl);
        wolfSSL_ERR_clear_error();
    }
}

/* close_notify, and behind it the end of the stream below; reading goes on. */
static int32_t do_shutdown_write(void *ctx)
{
    struct session *s = ctx;
    int32_t rc;

    if (s->io.muted) {
        return PST_OK;
    }
    send_close_notify(s);
    rc = tls_io_push(&s->io);
    if (rc != PST_OK) {
        return rc;
    }
    rc = term_host->stream_shutdown_write(s->io.inner);
    s->io.muted = rc == PST_OK;
    return rc;
}

static void do_close(void *ctx, uint32_t how)
{
    struct session *s = ctx;

    if (how == PST_CLOSE_GRACEFUL && !s->io.muted) {
        send_close_notify(s);
        (void)tls_io_push(&s->io);
    }
    /* The destructor must not write any more. */
    s->io.muted = true;
    wolfSSL_free(s->ssl);
    s->ssl = NULL;
    tls_io_end(&s->io);
}

static const struct pst_stream_ops ops = {
    .size = sizeof(ops),
    .handshake = do_handshake,
    .read = do_read,
    .write = do_write,
    .flush = do_flush,
    .shutdown_write = do_shutdown_write,
    .close = do_close,
};

/* --- start ------------------------------------------------------------------------------------ */

/*
 * wolfSSL takes the client's first protocol that is in the list, so it gets only the one that we
 * prefer; when there is none it gets them all, and refuses with the right alert.
 */
static int use_alpn(struct session *s, const struct pst_hello *hello)
{
    const struct term *t = s->term;
    char list[sizeof(t->alpn_list)];
    int i;

    if (t->n_alpn == 0) {
        return 0;
    }
    i = term_choose_alpn(t, hello);
    snprintf(list, sizeof(list), "%s", i >= 0 ? t->alpn[i].p : t->alpn_list);
    return wolfSSL_UseALPN(s->ssl, list, (unsigned)strlen(list), WOLFSSL_ALPN_FAILED_ON_MISMATCH) ==
                   WOLFSSL_SUCCESS
               ? 0
               : -1;
}

int32_t session_start(struct session *s, const struct pst_hello *hello)
{
    pst_stream *inner = NULL;
    const char *why = NULL;
    uint8_t alert;

    s->cert = term_choose(s->term, hello);
    s->ssl = wolfSSL_new(s->cert->ctx);
    if (s->ssl == NULL || use_alpn(s, hello) != 0 ||
        term_host->stream_stack(s->conn, PST_SIDE_CLIENT, &ops, s, &inner) != PST_OK) {
        wolfSSL_free(s->ssl);
        s->ssl = NULL;
        term_host->deny(s->conn, "tls-no-session", 14, "no TLS session could be made", 28);
        return PST_ERROR;
    }
    wolfSSL_SetCertCbCtx(s->ssl, s);
    staple_offer(&s->cert->staple, s->ssl);
    tls_io_begin(&s->io, s->ssl, term_host, inner);
    alert = term_refuses(s->term, hello, &why);
    s->failed = alert == 0 ? PST_OK : session_refused(s, alert, why);
    return PST_CLAIM;
}
