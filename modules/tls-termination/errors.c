/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failed handshakes: the alert that the client gets, and what the log says. */
#include "term.h"

#include <stdio.h>
#include <string.h>

static void deny(struct session *s, const char *code, const char *text)
{
    term_host->deny(s->tls.conn, code, strlen(code), text, strlen(text));
}

int32_t session_refused(struct session *s, uint8_t alert, const char *why)
{
    char text[256];

    snprintf(text, sizeof(text), "%s (alert %u sent)", why, alert);
    deny(s, "tls-handshake", text);
    tls_alert_send(&s->tls, alert);
    (void)tls_io_push(&s->tls.io);
    return PST_ERR_PROTOCOL;
}

int32_t session_failed(struct tls_stream *t, int err)
{
    struct session *s = (struct session *)t;
    char text[256], engine[128];
    int alert = tls_alert_received(t);

    (void)tls_error_text(err, engine, sizeof(engine));
    tls_alerts_note(t);
    if (t->io.failed != 0) {
        deny(s, "tls-connection-lost", "the connection broke in the handshake");
        return t->io.failed;
    }
    if (alert >= 0) {
        snprintf(text, sizeof(text), "the client refused with alert %d", alert);
        deny(s, "tls-alert-received", text);
        return PST_ERR_PROTOCOL;
    }
    if (t->io.eof) {
        deny(s, "tls-connection-lost", "the client ended in the handshake");
        return PST_ERR_RESET;
    }
    if (t->io.records > t->io.credit) {
        deny(s, "tls-flood", "too many records for a handshake");
        return PST_ERR_PROTOCOL;
    }
    alert = tls_alert_settle(t, err, s->alert);
    if (alert >= 0) {
        snprintf(text, sizeof(text), "%s (alert %d sent)", engine, alert);
    } else {
        snprintf(text, sizeof(text), "%s", engine);
    }
    deny(s, "tls-handshake", text);
    return PST_ERR_PROTOCOL;
}
