/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake_host *rig_host;
const char *rig_module = "tls-termination";
static struct fake_module *module;
char rig_certs[256];

void rig_setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR");

    snprintf(so, sizeof(so), "%s/%s.so", modules != NULL ? modules : ".", rig_module);
    rig_host = fake_host_new();
    module = fake_module_load(rig_host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(rig_host));
}

void rig_teardown(void)
{
    fake_host_free(rig_host);
}

struct fake_inst *rig_make(const char *config)
{
    char text[4096];
    size_t n = 0;

    for (const char *p = config; *p != '\0' && n < sizeof(text) - 1; p++) {
        if (p[0] == '%' && p[1] == 's') {
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", rig_certs);
            p++;
        } else {
            text[n++] = *p;
        }
    }
    text[n] = '\0';
    return fake_inst_new(module, PST_SCOPE_EDGE, "api", text);
}

/* --- sessions --------------------------------------------------------------------------------- */

struct pst_tls_client_auth rig_wish;
int rig_asked;
uint32_t rig_answer;
char rig_seen[512];

static uint32_t judge(void *inst, pst_conn *conn, const struct pst_peer_cert *leaf,
                      const struct pst_str *chain, uint32_t n_chain, uint32_t engine_result,
                      uint32_t *alert)
{
    (void)inst;
    (void)conn;
    (void)alert;
    rig_asked++;
    snprintf(rig_seen, sizeof(rig_seen), "%.*s|%.*s|%u|%u|%d", (int)leaf->subject.n,
             leaf->subject.p, (int)leaf->subject_cn.n, leaf->subject_cn.p, leaf->n_sans, n_chain,
             engine_result != 0);
    ck_assert_uint_eq(chain[0].n, leaf->der.n);
    return rig_answer;
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
    return auth_host->publish(self, PST_TLS_CLIENT_AUTH, &rig_wish, PST_SERVICE_MUST_BE_CONSUMED);
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
static const uint16_t groups[] = { 29, 23 }, extensions[] = { 10, 13, 43, 51 };
const struct pst_hello rig_hello = {
    .size = sizeof(rig_hello),
    .versions = versions,
    .n_versions = 2,
    .sigalgs = sigalgs,
    .n_sigalgs = 3,
    .groups = groups,
    .n_groups = 2,
    .extensions = extensions,
    .n_extensions = 4,
    .legacy_version = 0x0303,
};

static void start_client(struct pair *p, bool tls13, const char *cert)
{
    char file[512];

    p->client_ctx =
        wolfSSL_CTX_new(tls13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
    ck_assert_ptr_nonnull(p->client_ctx);
    snprintf(file, sizeof(file), "%s/ca.pem", rig_certs);
    ck_assert_int_eq(wolfSSL_CTX_load_verify_locations(p->client_ctx, file, NULL), WOLFSSL_SUCCESS);
    wolfSSL_CTX_set_verify(p->client_ctx, WOLFSSL_VERIFY_PEER, NULL);
    if (cert != NULL) {
        snprintf(file, sizeof(file), "%s/%s.pem", rig_certs, cert);
        ck_assert_int_eq(wolfSSL_CTX_use_certificate_chain_file(p->client_ctx, file),
                         WOLFSSL_SUCCESS);
        snprintf(file, sizeof(file), "%s/%s.key", rig_certs, cert);
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

struct pair pair_start(const char *config, bool tls13, uint32_t mode, const char *cert)
{
    struct pair p = { .wire = mem_new(NULL, NULL) };
    char file[512];

    rig_asked = 0;
    if (mode != 0) {
        snprintf(file, sizeof(file), "%s/ca.pem", rig_certs);
        ca_file = pst_str_of(strdup(file));
        rig_wish = (struct pst_tls_client_auth){ .size = sizeof(rig_wish),
                                                 .mode = mode,
                                                 .ca_files = &ca_file,
                                                 .n_ca_files = 1,
                                                 .verify = judge };
        struct fake_module *m = fake_module_add(rig_host, &auth_module);
        ck_assert_ptr_nonnull(m);
        p.auth = fake_inst_new(m, PST_SCOPE_EDGE, "api", "");
        ck_assert_ptr_nonnull(p.auth);
    }
    p.term = rig_make(config);
    ck_assert_msg(p.term != NULL, "%s", fake_host_transcript(rig_host));
    ck_assert_int_eq(fake_inst_link(p.term), PST_OK);
    ck_assert_int_eq(fake_host_unconsumed(rig_host), 0);
    ck_assert_int_eq(fake_inst_worker(p.term), PST_OK);
    p.conn = fake_conn_new(rig_host);
    fake_conn_set_hello(p.conn, &rig_hello);
    fake_conn_set_stream(p.conn, PST_SIDE_CLIENT, &mem_ops, p.wire);
    ck_assert_int_eq(fake_conn_run(p.conn, p.term, PST_STAGE_TRANSPORT, NULL), PST_CLAIM);
    p.ops = fake_conn_stream(p.conn, PST_SIDE_CLIENT, &p.ctx);
    ck_assert_ptr_nonnull(p.ops);
    start_client(&p, tls13, cert);
    return p;
}

int32_t pair_shake(struct pair *p)
{
    int32_t rc = PST_WANT_READ;

    for (int i = 0; i < 20 && rc == PST_WANT_READ; i++) {
        (void)wolfSSL_connect(p->client);
        rc = p->ops->handshake(p->ctx);
    }
    return rc;
}

void pair_stop(struct pair *p)
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

int pair_alert(struct pair *p)
{
    WOLFSSL_ALERT_HISTORY h = { { -1, -1 }, { -1, -1 } };
    char buf[64];

    (void)wolfSSL_connect(p->client);
    (void)wolfSSL_read(p->client, buf, sizeof(buf));
    wolfSSL_get_alert_history(p->client, &h);
    return h.last_rx.code;
}

int rig_main(const char *name, const char *script, void (*add)(TCase *t))
{
    static const char gen[] = "set -e; bash \"${top_srcdir:-.}/t/certs/gen.sh\" \"$DIR\"; "
                              "cd \"$DIR\"; umask 077; eval \"$SCRIPT\"";
    const char *tmp = getenv("TMPDIR");
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    char command[512];
    SRunner *r;
    int failed;

    snprintf(rig_certs, sizeof(rig_certs), "%s/postern-tls-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(rig_certs) == NULL || setenv("DIR", rig_certs, 1) != 0 ||
        setenv("SCRIPT", script, 1) != 0 || system(gen) != 0) {
        fprintf(stderr, "no certificates\n");
        return 1;
    }
    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_set_timeout(t, 60);
    add(t);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    snprintf(command, sizeof(command), "rm -rf '%s'", rig_certs);
    return system(command) != 0 || failed > 0 ? 1 : 0;
}
