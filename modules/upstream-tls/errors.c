/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failed handshakes: what the upstream is told, and what the record says. */
#include "utls.h"

#include <stdio.h>
#include <string.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static void say(const struct session *s, const char *code, const char *text)
{
    utls_host->deny(s->tls.conn, code, strlen(code), text, strlen(text));
}

/* What is wrong with a chain, in words; some builds answer OpenSSL's numbers. */
static const char *chain_text(int err, char *buf, size_t n)
{
    switch (err) {
    case ASN_NO_SIGNER_E:
    case CHAIN_NO_ISSUER:
    case CHAIN_NO_ISSUER_OF_LEAF:
        return "its authority is not trusted";
    case ASN_SELF_SIGNED_E:
    case CHAIN_SELF_SIGNED_LEAF:
    case CHAIN_SELF_SIGNED:
        return "it is self-signed, and not trusted";
    case ASN_AFTER_DATE_E:
    case CHAIN_EXPIRED:
    case CHAIN_BAD_NOT_AFTER:
        return "it has expired";
    case ASN_BEFORE_DATE_E:
    case CHAIN_NOT_YET_VALID:
    case CHAIN_BAD_NOT_BEFORE:
        return "it is not valid yet";
    case EXTKEYUSAGE_E:
    case EXTKEYUSE_AUTH_E:
    case KEYUSAGE_E:
    case CHAIN_WRONG_PURPOSE:
        return "it is not for servers";
    case ASN_SIG_CONFIRM_E:
    case CHAIN_BAD_SIGNATURE:
        return "its signature is wrong";
    default:
        snprintf(buf, n, "verification failed (%d)", err);
        return buf;
    }
}

/* The upstream's certificate is to blame; false: it is not. */
static bool blame_certificate(const struct session *s)
{
    char text[512], buf[128];

    if (s->chain_error != 0) {
        snprintf(text, sizeof(text), "the upstream's certificate: %s",
                 chain_text(s->chain_error, buf, sizeof(buf)));
        say(s, "upstream-tls-certificate", text);
        return true;
    }
    if (s->name_wrong) {
        const struct pst_str *name = &s->who.name;

        snprintf(text, sizeof(text), "certificate name mismatch: it is not for %.*s",
                 name->n > 0 ? (int)name->n : 12, name->n > 0 ? name->p : "this address");
        say(s, "upstream-tls-name", text);
        return true;
    }
    return false;
}

int32_t session_refused(struct session *s, const char *code, const char *text)
{
    say(s, code, text);
    return PST_ERR;
}

/* Why it failed, and with what the host is answered. */
static int32_t explain(struct session *s, int err)
{
    const struct tls_io *io = &s->tls.io;
    int alert = tls_alert_received(&s->tls);
    char text[256], engine[128];

    if (blame_certificate(s)) {
        return PST_ERR_PROTOCOL;
    }
    if (io->failed != 0) {
        say(s, "upstream-tls-lost", "the connection broke in the handshake");
        return io->failed;
    }
    if (alert >= 0) {
        snprintf(text, sizeof(text), "the upstream refused with alert %d", alert);
        say(s, "upstream-tls-alert", text);
        return PST_ERR_PROTOCOL;
    }
    if (io->eof) {
        say(s, "upstream-tls-lost", "the upstream ended in the handshake");
        return PST_ERR_RESET;
    }
    if (io->records > io->credit) {
        say(s, "upstream-tls-flood", "too many records for a handshake");
        return PST_ERR_PROTOCOL;
    }
    say(s, "upstream-tls-handshake",
        !tls_io_is_tls(io)     ? "the upstream does not speak TLS"
        : err == VERSION_ERROR ? "the upstream speaks no version of TLS that is allowed here"
                               : tls_error_text(err, engine, sizeof(engine)));
    return PST_ERR_PROTOCOL;
}

int32_t session_failed(struct tls_stream *t, int err)
{
    struct session *s = (struct session *)t;
    int32_t rc;

    tls_alerts_note(t);
    rc = explain(s, err);
    if (t->io.failed == 0 && !t->io.eof && tls_alert_received(t) < 0) {
        (void)tls_alert_settle(t, err, s->judged ? ALERT_BAD_CERTIFICATE : 0);
    }
    /*
     * A session that the upstream no longer knows should cost a whole handshake, not the
     * connection; wolfSSL stumbles over some refusals of TLS 1.2 (RFC 5077 section 3.4).
     */
    if (s->offered && !s->judged) {
        cache_refuse(s->cache, s->key);
        return PST_AGAIN;
    }
    return rc;
}
