/* SPDX-License-Identifier: GPL-2.0-or-later */
/* upstream-tls through the fake host: sessions with wolfSSL's server. */
#include "tls_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CA "ca = [ \"%s/ca.pem\" ]; "
#define A  CA "server_name = \"a.test\"; "

/* --- sessions --------------------------------------------------------------------------------- */

/* The upstream: one context for several connections, as a server has. */
static WOLFSSL_CTX *server_ctx;

static int server_recv(WOLFSSL *ssl, char *buf, int sz, void *ctx)
{
    size_t n = mem_take(ctx, buf, (size_t)sz);

    (void)ssl;
    return n > 0 ? (int)n : WOLFSSL_CBIO_ERR_WANT_READ;
}

static int server_send(WOLFSSL *ssl, char *buf, int sz, void *ctx)
{
    (void)ssl;
    mem_put(ctx, buf, (size_t)sz);
    return sz;
}

static void server_open(bool tls13, const char *cert)
{
    char file[512];

    server_ctx = wolfSSL_CTX_new(tls13 ? wolfTLSv1_3_server_method() : wolfTLSv1_2_server_method());
    ck_assert_ptr_nonnull(server_ctx);
    snprintf(file, sizeof(file), "%s/%s.pem", rig_certs, cert);
    ck_assert_int_eq(wolfSSL_CTX_use_certificate_chain_file(server_ctx, file), WOLFSSL_SUCCESS);
    snprintf(file, sizeof(file), "%s/%s.key", rig_certs, cert);
    ck_assert_int_eq(wolfSSL_CTX_use_PrivateKey_file(server_ctx, file, WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
}

static void server_close(void)
{
    wolfSSL_CTX_free(server_ctx);
    server_ctx = NULL;
}

/* One connection of an instance to that server. */
struct link {
    pst_conn *conn;
    struct mem_stream *wire;
    const struct pst_stream_ops *ops;
    void *ctx;
    WOLFSSL *server;
};

static struct fake_inst *serve(const char *config)
{
    struct fake_inst *i = rig_make(config);

    ck_assert_msg(i != NULL, "%s", fake_host_transcript(rig_host));
    ck_assert_int_eq(fake_inst_link(i), PST_OK);
    ck_assert_int_eq(fake_inst_worker(i), PST_OK);
    return i;
}

static const struct pst_upstream_target by_name = {
    .size = sizeof(by_name),
    .flags = PST_TARGET_TLS,
    .name = { "tls://a.test:443", 16 },
    .host = { "a.test", 6 },
    .addr = { .family = PST_AF_INET, .port = 443, .ip = { 192, 0, 2, 1 } },
};
static const struct pst_upstream_target by_ip = {
    .size = sizeof(by_ip),
    .name = { "127.0.0.1:443", 13 },
    .addr = { .family = PST_AF_INET, .port = 443, .ip = { 127, 0, 0, 1 } },
};
static const struct pst_upstream_target by_path = {
    .size = sizeof(by_path),
    .flags = PST_TARGET_TLS,
    .name = { "tls://unix:/s", 13 },
    .addr = { .family = PST_AF_UNIX },
};

/* The connection as far as on_upstream_ready; ctx is that of the stream on top. */
static struct link connect_to(const struct pst_upstream_target *t)
{
    struct link l = { .conn = fake_conn_new(rig_host), .wire = mem_new(NULL, NULL) };

    ck_assert_ptr_nonnull(l.wire);
    fake_conn_set_target(l.conn, t);
    fake_conn_set_stream(l.conn, PST_SIDE_UPSTREAM, &mem_ops, l.wire);
    return l;
}

static void begin(struct link *l, struct fake_inst *i)
{
    ck_assert_int_eq(fake_conn_run(l->conn, i, PST_STAGE_UPSTREAM_READY, NULL), PST_NEXT);
    l->ops = fake_conn_stream(l->conn, PST_SIDE_UPSTREAM, &l->ctx);
    ck_assert_ptr_ne(l->ctx, l->wire);
    if (server_ctx != NULL) {
        l->server = wolfSSL_new(server_ctx);
        ck_assert_ptr_nonnull(l->server);
        wolfSSL_SSLSetIORecv(l->server, server_recv);
        wolfSSL_SSLSetIOSend(l->server, server_send);
        wolfSSL_SetIOReadCtx(l->server, l->wire);
        wolfSSL_SetIOWriteCtx(l->server, l->wire);
    }
}

static int32_t shake(struct link *l)
{
    int32_t rc = PST_WANT_READ;

    for (int i = 0; i < 20 && rc == PST_WANT_READ; i++) {
        rc = l->ops->handshake(l->ctx);
        if (l->server != NULL) {
            (void)wolfSSL_accept(l->server);
        }
    }
    return rc;
}

static void finish(struct link *l)
{
    fake_conn_end(l->conn, NULL);
    wolfSSL_free(l->server);
    mem_free(l->wire);
}

/* The upstream says something, behind which its ticket comes too. */
static void hear(struct link *l)
{
    uint8_t buf[64];
    struct pst_iov v = { buf, sizeof(buf) };

    ck_assert_int_eq(wolfSSL_write(l->server, "hello", 5), 5);
    ck_assert_int_eq(l->ops->read(l->ctx, &v, 1), 5);
    ck_assert_mem_eq(buf, "hello", 5);
}

/* A whole connection; what is said of it is in the variables until the next. */
static bool resumes(struct fake_inst *i, const struct pst_upstream_target *t)
{
    struct link l = connect_to(t);
    bool resumed;

    begin(&l, i);
    ck_assert_int_eq(shake(&l), PST_OK);
    resumed = strcmp(fake_conn_var(l.conn, "upstream.tls.resumed"), "1") == 0;
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.verified"), "1");
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.peer.subject"),
                     "CN=a.test,O=Postern tests");
    hear(&l);
    finish(&l);
    return resumed;
}

START_TEST(a_right_upstream_is_taken)
{
    struct fake_inst *i = serve(CA);
    struct link l = connect_to(&by_name);

    server_open(_i == 1, "a");
    begin(&l, i);
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.version"), "");
    ck_assert_int_eq(shake(&l), PST_OK);
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.version"),
                     _i == 1 ? "TLSv1.3" : "TLSv1.2");
    ck_assert_str_ne(fake_conn_var(l.conn, "upstream.tls.cipher"), "");
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.resumed"), "0");
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.verified"), "1");
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.alpn"), "");
    hear(&l);
    finish(&l);
    fake_inst_free(i);
    server_close();
}
END_TEST

static const struct {
    const char *config, *cert;
    const struct pst_upstream_target *target;
    const char *code; /* "" for good, NULL: the library may be first to object */
} judged[] = {
    { CA, "b", &by_name, "upstream-tls-name" },
    { CA, "strange", &by_name, "upstream-tls-certificate" },
    { CA, "expired", &by_name, "upstream-tls-certificate" },
    { CA, "noname", &by_name, "upstream-tls-name" },
    { CA, "nul", &by_name, NULL },
    { CA, "ipname", &by_ip, "upstream-tls-name" },
    { CA, "wrong-use", &by_name, "upstream-tls-certificate" },
    { CA, "localhost", &by_ip, "" },
    { CA, "a", &by_ip, "upstream-tls-name" },
    { CA "server_name = \"x.w.test\";", "w", &by_ip, "" },
    { CA "server_name = \"y.x.w.test\";", "w", &by_ip, "upstream-tls-name" },
    { CA "server_name = \"w.test\";", "w", &by_ip, "upstream-tls-name" },
    { CA "server_name = \"::1\";", "localhost", &by_name, "" },
    { CA "server_name = \"::2\";", "localhost", &by_name, "upstream-tls-name" },
    { A, "a", &by_path, "" },
    { CA, "a", &by_path, "upstream-tls-name" },
    { A, "a", NULL, "" },
    { CA, "a", NULL, "upstream-tls-name" },
    { "verify = false;", "expired", NULL, "" },
};

START_TEST(upstreams_are_judged)
{
    struct fake_inst *i = serve(judged[_i / 2].config);
    struct link l = connect_to(judged[_i / 2].target);
    const char *code = judged[_i / 2].code;
    bool good = code != NULL && code[0] == '\0';
    int32_t rc;

    server_open(_i % 2 == 1, judged[_i / 2].cert);
    begin(&l, i);
    rc = shake(&l);
    ck_assert_msg((rc == PST_OK) == good, "%d: %s", (int)rc, fake_host_transcript(rig_host));
    if (code != NULL) {
        ck_assert_str_eq(fake_conn_deny_code(l.conn), code);
    }
    /* Once more: what has failed stays failed. */
    ck_assert_int_eq(l.ops->handshake(l.ctx), rc);
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.verified"),
                     !good                                             ? ""
                     : strstr(judged[_i / 2].config, "verify") != NULL ? "0"
                                                                       : "1");
    finish(&l);
    fake_inst_free(i);
    server_close();
}
END_TEST

START_TEST(the_upstream_is_told)
{
    struct fake_inst *i = serve(CA);
    struct link l = connect_to(&by_name);

    server_open(_i == 1, "b");
    begin(&l, i);
    ck_assert_int_eq(shake(&l), PST_ERR_PROTOCOL);
    ck_assert(fake_host_saw(rig_host, "alert 42 to the upstream"));
    ck_assert_ptr_nonnull(strstr(fake_conn_deny_text(l.conn), "not for a.test"));
    finish(&l);
    fake_inst_free(i);
    server_close();
}
END_TEST

static const struct {
    const char *says, *code;
    int32_t rc;
} answers[] = {
    { "220 welcome\r\n", "upstream-tls-handshake", PST_ERR_PROTOCOL },
    { "HTTP/1.1 400 Bad Request\r\n\r\n", "upstream-tls-handshake", PST_ERR_PROTOCOL },
    { "\x15\x03\x03\x01\x02\x02\x28", "", 0 },
    { "\x15\x03\x03", "upstream-tls-lost", PST_ERR_RESET },
    { "", "upstream-tls-lost", PST_ERR_RESET },
};

START_TEST(other_answers_fail)
{
    struct fake_inst *i = serve(CA);
    struct link l = connect_to(&by_name);
    int32_t rc;

    begin(&l, i);
    ck_assert_int_eq(l.ops->handshake(l.ctx), PST_WANT_READ);
    if (_i == 2) {
        mem_put(l.wire, "\x15\x03\x03\x00\x02\x02\x28", 7);
        ck_assert_int_eq(l.ops->handshake(l.ctx), PST_ERR_PROTOCOL);
        ck_assert_str_eq(fake_conn_deny_code(l.conn), "upstream-tls-alert");
        ck_assert_ptr_nonnull(strstr(fake_conn_deny_text(l.conn), "alert 40"));
        ck_assert(fake_host_saw(rig_host, "alert 40 from the upstream"));
    } else {
        mem_put(l.wire, answers[_i].says, strlen(answers[_i].says));
        mem_end(l.wire);
        rc = l.ops->handshake(l.ctx);
        ck_assert_int_eq(rc, answers[_i].rc);
        ck_assert_str_eq(fake_conn_deny_code(l.conn), answers[_i].code);
    }
    finish(&l);
    fake_inst_free(i);
}
END_TEST

START_TEST(only_marked_targets)
{
    struct fake_inst *i = serve(CA "targets = \"tls\";");
    const struct pst_upstream_target *const plain[] = { &by_ip, NULL };

    for (int k = 0; k < 2; k++) {
        struct link l = connect_to(plain[k]);

        ck_assert_int_eq(fake_conn_run(l.conn, i, PST_STAGE_UPSTREAM_READY, NULL), PST_NEXT);
        (void)fake_conn_stream(l.conn, PST_SIDE_UPSTREAM, &l.ctx);
        ck_assert_ptr_eq(l.ctx, l.wire);
        finish(&l);
    }
    server_open(true, "a");
    struct link l = connect_to(&by_name);
    begin(&l, i);
    ck_assert_int_eq(shake(&l), PST_OK);
    finish(&l);
    fake_inst_free(i);
    server_close();
}
END_TEST

START_TEST(sessions_are_resumed_where_they_belong)
{
    struct fake_inst *i = serve(CA), *other = serve(CA);
    struct pst_upstream_target elsewhere = by_name;

    elsewhere.addr.port = 8443;
    server_open(_i == 1, "a");
    ck_assert(!resumes(i, &by_name));
    ck_assert(resumes(i, &by_name));
    ck_assert(resumes(i, &by_name));
    ck_assert(!resumes(i, &elsewhere));
    ck_assert(!resumes(other, &by_name));
    /* An hour after the handshake in which the certificate was seen. */
    fake_host_advance(rig_host, 3601000);
    ck_assert(!resumes(i, &by_name));
    ck_assert(resumes(i, &by_name));
    fake_inst_free(i);
    fake_inst_free(other);
    server_close();
}
END_TEST

/* More resumptions in a row than wolfSSL 5.9 as a server bears. */
START_TEST(chains_of_sessions)
{
    struct fake_inst *i = serve(CA);

    server_open(true, "a");
    ck_assert(!resumes(i, &by_name));
    for (int k = 0; k < 400; k++) {
        (void)resumes(i, &by_name);
    }
    fake_inst_free(i);
    server_close();
}
END_TEST

START_TEST(harm_done_by_a_session_is_tried_again)
{
    struct fake_inst *i = serve(CA);
    struct link l;

    server_open(_i == 1, "a");
    ck_assert(!resumes(i, &by_name));
    l = connect_to(&by_name);
    begin(&l, i);
    ck_assert_int_eq(l.ops->handshake(l.ctx), PST_WANT_READ);
    mem_put(l.wire, "\x15\x03\x03\x00\x02\x02\x28", 7);
    ck_assert_int_eq(l.ops->handshake(l.ctx), PST_AGAIN);
    finish(&l);
    ck_assert(!resumes(i, &by_name));
    ck_assert(!resumes(i, &by_name));
    /* Only after a while. */
    fake_host_advance(rig_host, 301000);
    ck_assert(!resumes(i, &by_name));
    ck_assert(resumes(i, &by_name));
    fake_inst_free(i);
    server_close();
}
END_TEST

static const struct {
    const char *config, *agreed, *server,
        *want; /* agreed: with the client, NULL: it ends not here */
} protocols[] = {
    { A, "h2", "h2", "" },
    { A "alpn = [ \"h2\", \"http/1.1\" ];", NULL, "http/1.1", "http/1.1" },
    { A "alpn = [ \"client\" ];", "http/1.1", "h2,http/1.1", "http/1.1" },
    { A "alpn = [ \"client\" ];", "", "h2,http/1.1", "" },
    { A "alpn = [ \"client\" ];", NULL, "h2,http/1.1", "h2" },
};

START_TEST(protocols_are_offered)
{
    static const struct pst_str offered[] = { { "foo", 3 }, { "h2", 2 } };
    struct pst_hello hello = rig_hello;
    struct link l = connect_to(&by_ip);
    struct fake_inst *i;
    char list[64];

    hello.alpn = offered;
    hello.n_alpn = 2;
    fake_conn_set_hello(l.conn, &hello);
    if (protocols[_i].agreed != NULL) {
        fake_conn_set_str(l.conn, "conn.tls.version", "TLSv1.3");
        fake_conn_set_str(l.conn, "conn.tls.alpn", protocols[_i].agreed);
    }
    i = serve(protocols[_i].config);
    server_open(true, "a");
    begin(&l, i);
    snprintf(list, sizeof(list), "%s", protocols[_i].server);
    ck_assert_int_eq(
        wolfSSL_UseALPN(l.server, list, (unsigned)strlen(list), WOLFSSL_ALPN_CONTINUE_ON_MISMATCH),
        WOLFSSL_SUCCESS);
    ck_assert_int_eq(shake(&l), PST_OK);
    ck_assert_str_eq(fake_conn_var(l.conn, "upstream.tls.alpn"), protocols[_i].want);
    finish(&l);
    fake_inst_free(i);
    server_close();
}
END_TEST

static const char script[] =
    "cert() { openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj \"$4\" "
    "  -keyout $1.key -out $1.csr; echo \"$5\" >ext; openssl x509 -req -in $1.csr -CA $2.pem "
    "-CAkey $2.key "
    "  -CAcreateserial -days $3 -out $1.pem -extfile ext; }\n"
    "{ cert strange other-ca 30 /CN=a.test subjectAltName=DNS:a.test\n"
    "cert expired ca -1 /CN=a.test subjectAltName=DNS:a.test\n"
    "cert noname ca 30 /CN=a.test extendedKeyUsage=serverAuth\n"
    /* "a.test", NUL, ".evil" as one name. */
    "cert nul ca 30 /CN=a.test "
    "  subjectAltName=DER:30:0e:82:0c:61:2e:74:65:73:74:00:2e:65:76:69:6c\n"
    "cert ipname ca 30 /CN=127.0.0.1 subjectAltName=DNS:127.0.0.1\n"
    "cert wrong-use ca 30 /CN=a.test \"$(printf 'subjectAltName=DNS:a.test\\n"
    "extendedKeyUsage=clientAuth')\"\n"
    "} >make.log 2>&1";

static void add(TCase *t)
{
    tcase_add_loop_test(t, a_right_upstream_is_taken, 0, 2);
    tcase_add_loop_test(t, upstreams_are_judged, 0, 2 * sizeof(judged) / sizeof(judged[0]));
    tcase_add_loop_test(t, the_upstream_is_told, 0, 2);
    tcase_add_loop_test(t, other_answers_fail, 0, sizeof(answers) / sizeof(answers[0]));
    tcase_add_test(t, only_marked_targets);
    tcase_add_loop_test(t, sessions_are_resumed_where_they_belong, 0, 2);
    tcase_add_test(t, chains_of_sessions);
    tcase_add_loop_test(t, harm_done_by_a_session_is_tried_again, 0, 2);
    tcase_add_loop_test(t, protocols_are_offered, 0, sizeof(protocols) / sizeof(protocols[0]));
}

int main(void)
{
    rig_module = "upstream-tls";
    return rig_main("upstream_tls", script, add);
}
