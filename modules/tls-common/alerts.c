/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alerts: the one that a peer gets when the library stays silent, and what the host is told. */
#include "tls-common/tls_common.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static uint8_t alert_for(WOLFSSL *ssl, int err)
{
    switch (err) {
    case VERSION_ERROR:
        return ALERT_PROTOCOL_VERSION;
    case NO_PEER_CERT:
        return (wolfSSL_version(ssl) & 0xff) == 4 ? ALERT_CERTIFICATE_REQUIRED
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

/* Until we write under keys an alert in the clear is what the peer can read. */
static bool in_the_clear(const struct tls_stream *t)
{
    bool tls13 = (wolfSSL_version(t->ssl) & 0xff) == 4;

    return tls13 ? !t->io.sent_data : !t->io.sent_ccs;
}

/* An end of the bytes is no news: what the record is told are the alerts that say why. */
static void note(const struct tls_stream *t, uint32_t received, int alert)
{
    if (alert > ALERT_CLOSE_NOTIFY && PST_HAS(t->io.host, conn_alert)) {
        t->io.host->conn_alert(t->conn, t->side, received, (uint32_t)alert);
    }
}

void tls_alerts_note(const struct tls_stream *t)
{
    WOLFSSL_ALERT_HISTORY h = { { -1, -1 }, { -1, -1 } };

    (void)wolfSSL_get_alert_history(t->ssl, &h);
    note(t, 0, h.last_tx.code);
    note(t, 1, h.last_rx.code);
}

int tls_alert_received(const struct tls_stream *t)
{
    WOLFSSL_ALERT_HISTORY h = { { -1, -1 }, { -1, -1 } };

    (void)wolfSSL_get_alert_history(t->ssl, &h);
    return h.last_rx.code > 0 && h.last_rx.level == alert_fatal ? h.last_rx.code : -1;
}

int tls_alert_settle(struct tls_stream *t, int err, uint8_t wish)
{
    WOLFSSL_ALERT_HISTORY h = { { -1, -1 }, { -1, -1 } };

    (void)wolfSSL_get_alert_history(t->ssl, &h);
    if (h.last_tx.code >= 0 && h.last_tx.level == alert_fatal) {
        return h.last_tx.code;
    }
    if (!in_the_clear(t)) {
        return -1;
    }
    wish = wish != 0 ? wish : alert_for(t->ssl, err);
    if ((wolfSSL_version(t->ssl) & 0xff) == 4) {
        /* Behind a ServerHello the peer would expect the alert under keys, which it never got. */
        tls_io_take_back();
    }
    tls_alert_send(t, wish);
    return wish;
}

void tls_alert_send(struct tls_stream *t, uint8_t alert)
{
    tls_io_alert(&t->io, alert);
    note(t, 0, alert);
}
