/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built module through the fake host: its configuration, and sessions with wolfSSL's client. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_host.h"
#include "mem_stream.h"
#include "services/tls_client_auth.h"

static struct fake_host *host;
static struct fake_module *module;
static char certs[256];

static void setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR");

    snprintf(so, sizeof(so), "%s/tls-termination.so", modules != NULL ? modules : ".");
    host = fake_host_new();
    module = fake_module_load(host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(host));
}

static void teardown(void)
{
    fake_host_free(host);
}

/* "%s" in a configuration is the folder of the certificates. */
static struct fake_inst *make(const char *config)
{
    char text[4096];
    size_t n = 0;

    for (const char *p = config; *p != '\0' && n < sizeof(text) - 1; p++) {
        if (p[0] == '%' && p[1] == 's') {
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", certs);
            p++;
        } else {
            text[n++] = *p;
        }
    }
    text[n] = '\0';
    return fake_inst_new(module, PST_SCOPE_EDGE, "api", text);
}

/* --- configuration ---------------------------------------------------------------------------- */

#define EDGE       "terminate_at = \"edge\"; "
#define CERT(c, k) "certificates = ({ certificate = \"%s/" c "\"; key = \"%s/" k "\"; }); "
#define GOOD       EDGE CERT("a.pem", "a.key")

static const struct {
    const char *config, *says;
} wrong[] = {
    { "", "terminate_at" },
    { "terminate_at = \"moon\";", "terminate_at" },
    { "terminate_at = \"agent\";", "reserved" },
    { "terminate_at = \"upstream\"; min_version = \"1.2\";",
      "\"min_version\" has no meaning here" },
    { "terminate_at = \"upstream\"; " CERT("a.pem", "a.key"), "\"certificates\" has no meaning" },
    { EDGE, "needs \"certificates\"" },
    { EDGE "certificates = ();", "needs \"certificates\"" },
    { EDGE CERT("a.pem", "b.key"), "does not belong to the certificate" },
    { EDGE CERT("none.pem", "a.key"), "none.pem: No such file" },
    { EDGE CERT("a.pem", "none.key"), "none.key: No such file" },
    { EDGE CERT("a.pem", "open.key"), "group or others may use" },
    { EDGE CERT("a.pem", "locked.key"), "the key is encrypted" },
    { EDGE CERT("a.pem", "locked8.key"), "the key is encrypted" },
    { EDGE CERT("a.pem", "a.pem.key"), "no private key" },
    { EDGE CERT("a.key", "a.key"), "no certificate in it" },
    { EDGE CERT("reversed.pem", "a.key"), "was not issued by certificate 2" },
    { EDGE CERT("damaged.pem", "a.key"), "damaged.pem" },
    { EDGE CERT("empty.pem", "a.key"), "is empty" },
    { EDGE CERT(".", "a.key"), "not a regular file" },
    { GOOD "min_version = \"1.1\";", "min_version" },
    { GOOD "min_version = \"1.3\"; max_version = \"1.2\";", "newer than max_version" },
    { GOOD "min_version = \"1.3\"; ciphers = [ \"ECDHE-RSA-AES128-GCM-SHA256\" ];", "excludes" },
    { GOOD "max_version = \"1.2\"; ciphersuites = [ \"TLS_AES_128_GCM_SHA256\" ];", "excludes" },
    { GOOD "ciphers = [ \"ECDHE-ECDSA-NULL-SHA\" ];", "not among the cipher suites" },
    { GOOD "ciphers = [ \"RC4-SHA\" ];", "not among the cipher suites" },
    { GOOD "ciphers = [ \"ADH-AES128-SHA\" ];", "not among the cipher suites" },
    { GOOD "ciphers = [ \"DES-CBC3-SHA\" ];", "not among the cipher suites" },
    { GOOD "ciphers = [ \"AES128-SHA\" ];", "not among the cipher suites" },
    { GOOD "ciphers = [ \"TLS_AES_128_GCM_SHA256\" ];", "write it into \"ciphersuites\"" },
    { GOOD "ciphersuites = [ \"ECDHE-RSA-AES128-GCM-SHA256\" ];", "write it into \"ciphers\"" },
    { GOOD "ciphers = [ \"ECDHE-RSA-AES128-GCM-SHA256\" ];", "works with certificates[0]" },
    { GOOD "ciphers = [];", "empty list" },
    { GOOD "groups = [ \"P-192\" ];", "not among the groups" },
    { GOOD "groups = [ \"P-256\", \"secp256r1\" ];", "given twice" },
    { GOOD "alpn = [ \"\" ];", "1 to 255 bytes" },
    { GOOD "alpn = [ \"h2,foo\" ];", "no comma" },
    { GOOD "ticket_lifetime = \"1s\";", "ticket_lifetime" },
    { GOOD "certificate_dir = \"/x\";", "certificate_dir" },
};

START_TEST(wrong_configurations_are_refused)
{
    fake_host_forget(host);
    ck_assert_msg(make(wrong[_i].config) == NULL, "accepted: %s", wrong[_i].config);
    ck_assert_msg(fake_host_saw(host, wrong[_i].says), "%s\nsays\n%s", wrong[_i].config,
                  fake_host_transcript(host));
}
END_TEST

static const char *const right[] = {
    "terminate_at = \"upstream\";",
    GOOD,
    GOOD "tickets = false; alpn = [ \"h2\", \"http/1.1\" ]; min_version = \"1.3\";",
    EDGE CERT("chain.pem", "a.key"),
    GOOD "max_version = \"1.2\"; groups = [ \"P-256\" ]; ciphers = [ "
         "\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\" ];",
    GOOD "ciphers = [ \"ECDHE-ECDSA-AES128-SHA256\" ];",
};

START_TEST(right_configurations_are_taken)
{
    struct fake_inst *i = make(right[_i]);

    ck_assert_msg(i != NULL, "%s\n%s", right[_i], fake_host_transcript(host));
    ck_assert_int_eq(fake_inst_link(i), PST_OK);
    fake_inst_free(i);
}
END_TEST

/* --- sessions --------------------------------------------------------------------------------- */

/* A module of the test that judges client certificates. */
static struct pst_tls_client_auth wish;
static int asked;
static uint32_t answer;
static char seen[512];

static uint32_t judge(void *inst, pst_conn *conn, const struct pst_peer_cert *leaf,
                      const struct pst_str *chain, uint32_t n_chain, uint32_t engine_result,
                      uint32_t *alert)
{
    (void)inst;
    (void)conn;
    (void)alert;
    asked++;
    snprintf(seen, sizeof(seen), "%.*s|%.*s|%u|%u|%d", (int)leaf->subject.n, leaf->subject.p,
             (int)leaf->subject_cn.n, leaf->subject_cn.p, leaf->n_sans, n_chain,
             engine_result != 0);
    ck_assert_uint_eq(chain[0].n, leaf->der.n);
    return answer;
}

static const struct pst_host *auth_host;
static struct pst_str ca_file;

static int32_t auth_load(const struct pst_host *h)
{
    auth_host = h;
    return PST_OK;
}

static int32_t auth_init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    (void)cfg;
    *inst = NULL;
    return auth_host->publish(self, PST_TLS_CLIENT_AUTH, &wish, PST_SERVICE_MUST_BE_CONSUMED);
}

static const struct pst_hooks auth_hooks = { .size = sizeof(auth_hooks), .init = auth_init };
static const struct pst_module auth_module = {
    PST_MODULE_HEAD(0, 0),
    .name = "test-auth",
    .version = "1",
    .scopes = PST_SCOPE_EDGE,
    .option_size = sizeof(struct pst_option),
    .hooks = &auth_hooks,
    .load = auth_load,
};

/* Both ends of a connection. */
struct pair {
    struct fake_inst *term, *auth;
    pst_conn *conn;
    struct mem_stream *wire;
    const struct pst_stream_ops *ops;
    void *ctx;
    WOLFSSL_CTX *client_ctx;
    WOLFSSL *client;
};

static int client_recv(WOLFSSL *ssl, char *buf, int sz, void *ctx)
{
    size_t n = mem_take(ctx, buf, (size_t)sz);

    (void)ssl;
    return n > 0 ? (int)n : WOLFSSL_CBIO_ERR_WANT_READ;
}

static int client_send(WOLFSSL *ssl, char *buf, int sz, void *ctx)
{
    (void)ssl;
    mem_put(ctx, buf, (size_t)sz);
    return sz;
}

static const uint16_t versions[] = { 0x0304, 0x0303 }, sigalgs[] = { 0x0403, 0x0804, 0x0401 };
static const uint16_t groups[] = { 29, 23 }, extensions[] = { 43 };
static const struct pst_hello hello = {
    .size = sizeof(hello),
    .versions = versions,
    .n_versions = 2,
    .sigalgs = sigalgs,
    .n_sigalgs = 3,
    .groups = groups,
    .n_groups = 2,
    .extensions = extensions,
    .n_extensions = 1,
    .legacy_version = 0x0303,
};

static void start_client(struct pair *p, bool tls13, const char *cert)
{
    char file[512];

    p->client_ctx =
        wolfSSL_CTX_new(tls13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
    ck_assert_ptr_nonnull(p->client_ctx);
    snprintf(file, sizeof(file), "%s/ca.pem", certs);
    ck_assert_int_eq(wolfSSL_CTX_load_verify_locations(p->client_ctx, file, NULL), WOLFSSL_SUCCESS);
    wolfSSL_CTX_set_verify(p->client_ctx, WOLFSSL_VERIFY_PEER, NULL);
    if (cert != NULL) {
        snprintf(file, sizeof(file), "%s/%s.pem", certs, cert);
        ck_assert_int_eq(wolfSSL_CTX_use_certificate_chain_file(p->client_ctx, file),
                         WOLFSSL_SUCCESS);
        snprintf(file, sizeof(file), "%s/%s.key", certs, cert);
        ck_assert_int_eq(wolfSSL_CTX_use_PrivateKey_file(p->client_ctx, file, WOLFSSL_FILETYPE_PEM),
                         WOLFSSL_SUCCESS);
    }
    p->client = wolfSSL_new(p->client_ctx);
    ck_assert_ptr_nonnull(p->client);
    wolfSSL_SSLSetIORecv(p->client, client_recv);
    wolfSSL_SSLSetIOSend(p->client, client_send);
    wolfSSL_SetIOReadCtx(p->client, p->wire);
    wolfSSL_SetIOWriteCtx(p->client, p->wire);
}

static struct pair start(bool tls13, uint32_t mode, const char *cert)
{
    struct pair p = { .wire = mem_new(NULL, NULL) };
    char file[512];

    asked = 0;
    if (mode != 0) {
        snprintf(file, sizeof(file), "%s/ca.pem", certs);
        ca_file = pst_str_of(strdup(file));
        wish = (struct pst_tls_client_auth){ .size = sizeof(wish),
                                             .mode = mode,
                                             .ca_files = &ca_file,
                                             .n_ca_files = 1,
                                             .verify = judge };
        struct fake_module *m = fake_module_add(host, &auth_module);
        ck_assert_ptr_nonnull(m);
        p.auth = fake_inst_new(m, PST_SCOPE_EDGE, "api", "");
        ck_assert_ptr_nonnull(p.auth);
    }
    p.term = make(GOOD);
    ck_assert_msg(p.term != NULL, "%s", fake_host_transcript(host));
    ck_assert_int_eq(fake_inst_link(p.term), PST_OK);
    ck_assert_int_eq(fake_host_unconsumed(host), 0);
    ck_assert_int_eq(fake_inst_worker(p.term), PST_OK);
    p.conn = fake_conn_new(host);
    fake_conn_set_hello(p.conn, &hello);
    fake_conn_set_stream(p.conn, PST_SIDE_CLIENT, &mem_ops, p.wire);
    ck_assert_int_eq(fake_conn_run(p.conn, p.term, PST_STAGE_TRANSPORT, NULL), PST_CLAIM);
    p.ops = fake_conn_stream(p.conn, PST_SIDE_CLIENT, &p.ctx);
    ck_assert_ptr_nonnull(p.ops);
    start_client(&p, tls13, cert);
    return p;
}

/* What the server's handshake came to; the client's goes as far as it can. */
static int32_t shake(struct pair *p)
{
    int32_t rc = PST_WANT_READ;

    for (int i = 0; i < 20 && rc == PST_WANT_READ; i++) {
        (void)wolfSSL_connect(p->client);
        rc = p->ops->handshake(p->ctx);
    }
    return rc;
}

static void stop(struct pair *p)
{
    fake_conn_end(p->conn, NULL);
    fake_inst_free(p->term);
    fake_inst_free(p->auth);
    wolfSSL_free(p->client);
    wolfSSL_CTX_free(p->client_ctx);
    mem_free(p->wire);
    free((void *)(uintptr_t)ca_file.p);
    ca_file.p = NULL;
}

/* What the client read last: an alert's number, or -1. */
static int client_alert(struct pair *p)
{
    WOLFSSL_ALERT_HISTORY h = { { -1, -1 }, { -1, -1 } };
    char buf[64];

    (void)wolfSSL_connect(p->client);
    (void)wolfSSL_read(p->client, buf, sizeof(buf));
    wolfSSL_get_alert_history(p->client, &h);
    return h.last_rx.code;
}

START_TEST(variables_tell_what_was_negotiated)
{
    struct pair p = start(_i == 1, 0, NULL);

    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.version"), "");
    ck_assert_int_eq(shake(&p), PST_OK);
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.version"), _i == 1 ? "TLSv1.3" : "TLSv1.2");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.cipher"),
                     _i == 1 ? "TLS_AES_128_GCM_SHA256"
                             : "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    ck_assert_str_ne(fake_conn_var(p.conn, "conn.tls.group"), "");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.resumed"), "0");
    ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.subject"), "");
    stop(&p);
}
END_TEST

/* 64 idle records are allowed, and application data in earnest earns new ones. */
START_TEST(key_update_floods_end)
{
    struct pair p = start(true, 0, NULL);
    uint8_t buf[20000];
    struct pst_iov v = { buf, sizeof(buf) };
    int64_t r = PST_WANT_READ;
    int n = 0;

    memset(buf, 1, sizeof(buf));
    ck_assert_int_eq(shake(&p), PST_OK);
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
    stop(&p);
}
END_TEST

/* A client that is slow to read: nothing is lost, nothing is written twice. */
START_TEST(short_writes_keep_the_bytes)
{
    struct pair p = start(_i == 1, 0, NULL);
    static uint8_t in[300000], out[300000];
    size_t put = 0, got = 0;

    for (size_t i = 0; i < sizeof(in); i++) {
        in[i] = (uint8_t)(i * 31 + i / 251);
    }
    ck_assert_int_eq(shake(&p), PST_OK);
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
    stop(&p);
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
    struct pair p = start(tls13, clients[i].mode, clients[i].cert);
    int32_t rc;

    answer = clients[i].answer;
    rc = shake(&p);
    if (clients[i].good) {
        bool verified = clients[i].cert != NULL && strcmp(clients[i].cert, "client") == 0;

        ck_assert_msg(rc == PST_OK, "%d: %s", rc, fake_conn_deny_text(p.conn));
        ck_assert_int_eq(asked, clients[i].cert != NULL);
        ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.verified"), verified ? "1" : "0");
        if (verified) {
            ck_assert_str_eq(seen, "CN=client-1,O=Postern tests|client-1|2|1|0");
            ck_assert_str_eq(fake_conn_var(p.conn, "conn.tls.peer.san"),
                             "dns:client-1.test,email:client-1@a.test");
        }
    } else {
        int got = client_alert(&p);

        ck_assert_int_eq(rc, PST_ERR_PROTOCOL);
        ck_assert_msg(want == 0 ? got > 0 : got == want, "alert %d instead of %d: %s", got, want,
                      fake_conn_deny_text(p.conn));
    }
    stop(&p);
}
END_TEST

/* Files that gen.sh does not make. */
static int make_files(void)
{
    static const char script[] =
        "set -e; bash \"${top_srcdir:-.}/t/certs/gen.sh\" \"$DIR\"; cd \"$DIR\"; umask 077; "
        "cp a.key open.key; chmod 640 open.key; cp a.pem a.pem.key; cat ca.pem a.pem >reversed.pem;"
        "cat a.pem ca.pem > chain.pem; : > empty.pem; sed '3s/./!/' a.pem > damaged.pem;"
        "openssl ec -in a.key -aes128 -passout pass:x -out locked.key 2> locked.log;"
        "openssl pkcs8 -topk8 -in a.key -passout pass:x -out locked8.key";

    return setenv("DIR", certs, 1) == 0 && system(script) == 0 ? 0 : -1;
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    Suite *s = suite_create("tls-termination");
    TCase *t = tcase_create("tls-termination");
    char command[512];
    int failed;

    snprintf(certs, sizeof(certs), "%s/postern-tls-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(certs) == NULL || make_files() != 0) {
        fprintf(stderr, "no certificates\n");
        return 1;
    }
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, wrong_configurations_are_refused, 0,
                        (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_loop_test(t, right_configurations_are_taken, 0,
                        (int)(sizeof(right) / sizeof(right[0])));
    tcase_add_loop_test(t, variables_tell_what_was_negotiated, 0, 2);
    tcase_add_loop_test(t, short_writes_keep_the_bytes, 0, 2);
    tcase_add_test(t, key_update_floods_end);
    tcase_add_loop_test(t, client_certificates_are_judged, 0, 2 * N_CLIENTS);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    snprintf(command, sizeof(command), "rm -rf '%s'", certs);
    return system(command) != 0 || failed > 0 ? 1 : 0;
}
