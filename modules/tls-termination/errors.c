/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failed handshakes: the alert that the client gets, and what the log says. */
#include "term.h"

#include <stdio.h>
#include <string.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

/* What fits when the library itself stays silent. */
static uint8_t alert_for(const struct session *s, int err)
{
    switch (err) {
    case VERSION_ERROR:
        return ALERT_PROTOCOL_VERSION;
    case NO_PEER_CERT:
        return (wolfSSL_version(s->ssl) & 0xff) == 4 ? ALERT_CERTIFICATE_REQUIRED
                                                     : ALERT_HANDSHAKE_FAILURE;
    case VERIFY_CERT_ERROR:
    case ASN_NO_SIGNER_E:
    case ASN_SIG_CONFIRM_E:
        return ALERT_BAD_CERTIFICATE;
    case ECC_PEERKEY_ERROR:
        return ALERT_ILLEGAL_PARAMETER;
    case UNKNOWN_ALPN_PROTOCOL_NAME_E:
        return ALERT_NO_APPLICATION_PROTOCOL;
    case OUT_OF_ORDER_E:
    case SANITY_MSG_E:
    case UNKNOWN_RECORD_TYPE:
    case UNKNOWN_HANDSHAKE_TYPE:
    case DUPLICATE_MSG_E:
        return ALERT_UNEXPECTED_MESSAGE;
    case BUFFER_ERROR:
    case LENGTH_ERROR:
    case PARSE_ERROR:
    case INCOMPLETE_DATA:
        return ALERT_DECODE_ERROR;
    case VERIFY_FINISHED_ERROR:
    case VERIFY_MAC_ERROR:
    case DECRYPT_ERROR:
        return ALERT_DECRYPT_ERROR;
    case MEMORY_E:
    case RNG_FAILURE_E:
        return ALERT_INTERNAL_ERROR;
    default:
        return ALERT_HANDSHAKE_FAILURE;
    }
}

/* Until we write under keys an alert in the clear is what the client can read. */
static bool in_the_clear(const struct session *s)
{
    bool tls13 = (wolfSSL_version(s->ssl) & 0xff) == 4;

    return tls13 ? !s->io.sent_data : !s->io.sent_ccs;
}

/* The alert the client got; -1: none. */
static int alert_sent(struct session *s, int err, const WOLFSSL_ALERT_HISTORY *h)
{
    uint8_t alert;

    if (h->last_tx.code >= 0 && h->last_tx.level == alert_fatal) {
        return h->last_tx.code;
    }
    if (!in_the_clear(s)) {
        return -1;
    }
    alert = s->alert != 0 ? s->alert : alert_for(s, err);
    if ((wolfSSL_version(s->ssl) & 0xff) == 4) {
        /* Behind a ServerHello the client would expect the alert under keys, which it never got. */
        tls_io_take_back();
    }
    tls_io_alert(&s->io, alert);
    return alert;
}

static void deny(struct session *s, const char *code, const char *text)
{
    term_host->deny(s->conn, code, strlen(code), text, strlen(text));
}

int32_t session_refused(struct session *s, uint8_t alert, const char *why)
{
    char text[256];

    snprintf(text, sizeof(text), "%s (alert %u sent)", why, alert);
    deny(s, "tls-handshake", text);
    tls_io_alert(&s->io, alert);
    (void)tls_io_push(&s->io);
    return PST_ERR_PROTOCOL;
}

int32_t session_failed(struct session *s, int err)
{
    WOLFSSL_ALERT_HISTORY h = { { -1, -1 }, { -1, -1 } };
    char text[256], engine[128];
    int sent;

    (void)wolfSSL_get_alert_history(s->ssl, &h);
    (void)tls_error_text(err, engine, sizeof(engine));
    if (s->io.failed != 0) {
        deny(s, "tls-connection-lost", "the connection broke in the handshake");
        return s->io.failed;
    }
    if (h.last_rx.code > 0 && h.last_rx.level == alert_fatal) {
        snprintf(text, sizeof(text), "the client refused with alert %d", h.last_rx.code);
        deny(s, "tls-alert-received", text);
        return PST_ERR_PROTOCOL;
    }
    if (s->io.eof) {
        deny(s, "tls-connection-lost", "the client ended in the handshake");
        return PST_ERR_RESET;
    }
    if (s->io.records > s->io.credit) {
        deny(s, "tls-flood", "too many records for a handshake");
        return PST_ERR_PROTOCOL;
    }
    sent = alert_sent(s, err, &h);
    if (sent >= 0) {
        snprintf(text, sizeof(text), "%s (alert %d sent)", engine, sent);
    } else {
        snprintf(text, sizeof(text), "%s", engine);
    }
    deny(s, "tls-handshake", text);
    return PST_ERR_PROTOCOL;
}
