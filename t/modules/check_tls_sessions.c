/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions of tls-termination with wolfSSL's client: bytes, floods, client certificates. */
#include "tls_rig.h"

#include <stdio.h>
#include <string.h>

START_TEST(variables_tell_what_was_negotiated)
{
    struct pair p = pair_start(GOOD, _i == 1, 0, NULL);

    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.version"), "");
    ck_assert_int_eq(pair_shake(&p), PST_OK);
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.version"), _i == 1 ? "TLSv1.3" : "TLSv1.2");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.cipher"),
                     _i == 1 ? "TLS_AES_128_GCM_SHA256"
                             : "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    ck_assert_str_ne(fake_conn_var(p.conn, "conn.tls.group"), "");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.resumed"), "0");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.cert.key"), "EC256");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.cert.sig"), "ecdsa-with-SHA256");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.subject"), "");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.issuer"), "");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.not_after"), "");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.der"), "");
    pair_stop(&p);
}
END_TEST

/* What the client refuses, in the handshake and after it, is told to the host. */
START_TEST(alerts_of_the_client_are_told)
{
    struct pair p = pair_start(EDGE CERT("untrusted.pem", "untrusted.key"), _i == 1, 0, NULL);

    ck_assert_int_eq(pair_shake(&p), PST_ERR_PROTOCOL);
    ck_assert_str_eq(fake_conn_deny_code(p.conn), "tls-alert-received");
    ck_assert_msg(fake_host_saw(rig_host, "from the client"), "%s", fake_host_transcript(rig_host));
    pair_stop(&p);
}
END_TEST

START_TEST(alerts_after_the_handshake_are_told)
{
    static const uint8_t rubbish[45] = { 23, 3, 3, 0, 40 };
    struct pair p = pair_start(GOOD, _i == 1, 0, NULL);
    uint8_t buf[100];
    struct pst_iov v = { buf, sizeof(buf) };

    ck_assert_int_eq(pair_shake(&p), PST_OK);
    mem_put(p.wire, rubbish, sizeof(rubbish));
    ck_assert_int_eq(p.ops->read(p.ctx, &v, 1), PST_ERR_PROTOCOL);
    ck_assert_msg(fake_host_saw(rig_host, "alert 20 to the client"), "%s",
                  fake_host_transcript(rig_host));
    pair_stop(&p);
}
END_TEST

/* The end of the bytes is no alert in this sense. */
START_TEST(close_notify_is_not_told)
{
    struct pair p = pair_start(GOOD, _i == 1, 0, NULL);
    uint8_t buf[100];
    struct pst_iov v = { buf, sizeof(buf) };

    ck_assert_int_eq(pair_shake(&p), PST_OK);
    ck_assert_int_eq(wolfSSL_connect(p.client), WOLFSSL_SUCCESS);
    ck_assert_int_ge(wolfSSL_shutdown(p.client), 0);
    ck_assert_int_eq(p.ops->read(p.ctx, &v, 1), 0);
    ck_assert_int_eq(p.ops->shutdown_write(p.ctx), PST_OK);
    ck_assert(!fake_host_saw(rig_host, " the client"));
    pair_stop(&p);
}
END_TEST

/* 64 idle records are allowed, and application data in earnest earns new ones. */
START_TEST(key_update_floods_end)
{
    struct pair p = pair_start(GOOD, true, 0, NULL);
    uint8_t buf[20000];
    struct pst_iov v = { buf, sizeof(buf) };
    int64_t r = PST_WANT_READ;
    int n = 0;

    memset(buf, 1, sizeof(buf));
    ck_assert_int_eq(pair_shake(&p), PST_OK);
    for (int i = 0; i < 40; i++) {
        ck_assert_int_eq(wolfSSL_update_keys(p.client), WOLFSSL_SUCCESS);
        ck_assert_int_eq(wolfSSL_write(p.client, buf, 16000), 16000);
        for (size_t got = 0; got < 16000; got += (size_t)r) {
            r = p.ops->read(p.ctx, &v, 1);
            ck_assert_int_gt(r, 0);
        }
        ck_assert_int_eq(p.ops->read(p.ctx, &v, 1), PST_WANT_READ);
        /* Our own update comes back and must be read. */
        (void)wolfSSL_read(p.client, buf, sizeof(buf));
    }
    for (r = PST_WANT_READ; r == PST_WANT_READ && n < 300; n++) {
        ck_assert_int_eq(wolfSSL_update_keys(p.client), WOLFSSL_SUCCESS);
        r = p.ops->read(p.ctx, &v, 1);
        (void)wolfSSL_read(p.client, buf, sizeof(buf));
    }
    ck_assert_int_lt(r, 0);
    ck_assert_int_ne(r, PST_WANT_WRITE);
    ck_assert_int_lt(n, 300);
    pair_stop(&p);
}
END_TEST

/* A client that is slow to read: nothing is lost, nothing is written twice. */
START_TEST(short_writes_keep_the_bytes)
{
    struct pair p = pair_start(GOOD, _i == 1, 0, NULL);
    static uint8_t in[300000], out[300000];
    size_t put = 0, got = 0;

    for (size_t i = 0; i < sizeof(in); i++) {
        in[i] = (uint8_t)(i * 31 + i / 251);
    }
    ck_assert_int_eq(pair_shake(&p), PST_OK);
    mem_window(p.wire, 5000);
    for (int i = 0; i < 10000 && got < sizeof(out); i++) {
        struct pst_iov v = { in + put, sizeof(in) - put };
        int64_t r = put < sizeof(in) ? p.ops->write(p.ctx, &v, 1) : p.ops->flush(p.ctx);
        int n;

        put += r > 0 ? (size_t)r : 0;
        ck_assert(r >= 0 || r == PST_WANT_WRITE);
        while ((n = wolfSSL_read(p.client, out + got, (int)(sizeof(out) - got))) > 0) {
            got += (size_t)n;
        }
    }
    ck_assert_uint_eq(got, sizeof(in));
    ck_assert_mem_eq(in, out, sizeof(in));
    pair_stop(&p);
}
END_TEST

/* mode, certificate, the contributor's answer; what the handshake comes to, and the alert. */
static const struct {
    uint32_t mode;
    const char *cert;
    uint32_t answer;
    bool good;
    int alert12, alert13; /* 0: any */
} clients[] = {
    { PST_TLS_AUTH_REQUIRED, "client", PST_TLS_AUTH_ACCEPT, true, 0, 0 },
    { PST_TLS_AUTH_REQUIRED, "client", PST_TLS_AUTH_REJECT, false, 42, 42 },
    { PST_TLS_AUTH_REQUIRED, "stranger", PST_TLS_AUTH_ACCEPT, false, 0, 0 },
    { PST_TLS_AUTH_REQUIRED, NULL, PST_TLS_AUTH_ACCEPT, false, 40, 116 },
    { PST_TLS_AUTH_ANY, "stranger", PST_TLS_AUTH_ACCEPT, true, 0, 0 },
    { PST_TLS_AUTH_ANY, "stranger", PST_TLS_AUTH_REJECT, false, 48, 48 },
    { PST_TLS_AUTH_ANY, NULL, PST_TLS_AUTH_ACCEPT, false, 40, 116 },
    { PST_TLS_AUTH_OPTIONAL, "stranger", PST_TLS_AUTH_ACCEPT, false, 0, 0 },
    { PST_TLS_AUTH_OPTIONAL, "client", PST_TLS_AUTH_ACCEPT, true, 0, 0 },
    { PST_TLS_AUTH_OPTIONAL, NULL, PST_TLS_AUTH_ACCEPT, true, 0, 0 },
    { PST_TLS_AUTH_REQUEST, "stranger", PST_TLS_AUTH_ACCEPT, true, 0, 0 },
    { PST_TLS_AUTH_REQUEST, NULL, PST_TLS_AUTH_ACCEPT, true, 0, 0 },
};
#define N_CLIENTS ((int)(sizeof(clients) / sizeof(clients[0])))

START_TEST(client_certificates_are_judged)
{
    bool tls13 = _i >= N_CLIENTS;
    int i = _i % N_CLIENTS, want = tls13 ? clients[i].alert13 : clients[i].alert12;
    struct pair p = pair_start(GOOD, tls13, clients[i].mode, clients[i].cert);
    int32_t rc;

    rig_answer = clients[i].answer;
    rc = pair_shake(&p);
    if (clients[i].good) {
        bool verified = clients[i].cert != NULL && strcmp(clients[i].cert, "client") == 0;

        ck_assert_msg(rc == PST_OK, "%d: %s", rc, fake_conn_deny_text(p.conn));
        ck_assert_int_eq(rig_asked, clients[i].cert != NULL);
        ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.verified"), verified ? "1" : "0");
        if (verified) {
            ck_assert_str_eq(rig_seen, "CN=client-1,O=Postern tests|client-1|2|1|0");
            ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.san"),
                             "dns:client-1.test,email:client-1@a.test");
            ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.issuer"),
                             "CN=Postern test CA,O=Postern tests");
            ck_assert_str_ne(fake_conn_var(p.conn, "conn.tls.peer.not_after"), "");
            ck_assert_str_ne(fake_conn_var(p.conn, "conn.tls.peer.der"), "");
        }
    } else {
        int got = pair_alert(&p);
        char said[64];

        ck_assert_int_eq(rc, PST_ERR_PROTOCOL);
        ck_assert_msg(want == 0 ? got > 0 : got == want, "alert %d instead of %d: %s", got, want,
                      fake_conn_deny_text(p.conn));
        snprintf(said, sizeof(said), "alert %d to the client", got);
        ck_assert_msg(fake_host_saw(rig_host, said), "%s", fake_host_transcript(rig_host));
    }
    pair_stop(&p);
}
END_TEST

static void add(TCase *t)
{
    tcase_add_loop_test(t, variables_tell_what_was_negotiated, 0, 2);
    tcase_add_loop_test(t, short_writes_keep_the_bytes, 0, 2);
    tcase_add_loop_test(t, alerts_of_the_client_are_told, 0, 2);
    tcase_add_loop_test(t, alerts_after_the_handshake_are_told, 0, 2);
    tcase_add_loop_test(t, close_notify_is_not_told, 0, 2);
    tcase_add_test(t, key_update_floods_end);
    tcase_add_loop_test(t, client_certificates_are_judged, 0, 2 * N_CLIENTS);
}

int main(void)
{
    return rig_main("tls-sessions",
                    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                    "-subj /CN=a.test -keyout untrusted.key -out untrusted.pem 2> untrusted.log",
                    add);
}
