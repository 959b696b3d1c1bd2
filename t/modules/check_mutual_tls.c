/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built module through the fake host: rules, modes, and the end state. */
#include "mutual_tls.h"

#include "services/tls_info.h"

/* --- rules ------------------------------------------------------------------------------------ */

#define STR(s)                                                                                     \
    {                                                                                              \
        (s), sizeof(s) - 1                                                                         \
    }
#define SAN(kind_, s)                                                                              \
    {                                                                                              \
        .value = STR(s), .kind = (kind_)                                                           \
    }

static const struct pst_san sans[] = {
    SAN(PST_SAN_DNS, "Agent.A.test"),
    SAN(PST_SAN_DNS, "*.wild.test"),
    SAN(PST_SAN_DNS, "nul.test\0.evil.test"),
    SAN(PST_SAN_URI, "spiffe://a.test/Agent"),
    SAN(PST_SAN_URI, "uri\0x"),
    SAN(PST_SAN_EMAIL, "joe@a.test"),
    SAN(PST_SAN_IP, "\x7f\0\0\1"),
};

/* All of the public key's digest is 0xaa, of the certificate's 0xbb. */
static struct pst_peer_cert leaf_of(void)
{
    struct pst_peer_cert c = {
        .size = sizeof(c),
        .n_sans = sizeof(sans) / sizeof(sans[0]),
        .sans = sans,
        .der = STR("der"),
        .subject = STR("CN=agent-1"),
        .subject_cn = STR("agent-1"),
        .issuer = STR("CN=ca"),
        .serial = STR("01"),
    };

    memset(c.spki_sha256, 0xaa, 32);
    memset(c.cert_sha256, 0xbb, 32);
    return c;
}

static const struct {
    const char *rules;
    const char *match; /* NULL: refused */
} rules[] = {
    { "{ cn = \"agent-1\"; }", "allow[0]" },
    { "{ cn = \"Agent-1\"; }", NULL },
    { "{ cn = \"agent-10\"; }", NULL },
    { "{ cn = \"agent-\"; }", NULL },
    { "{ cn = \"*\"; }", NULL },
    { "{ cn = \"joe@a.test\"; }", NULL },
    { "{ cn = \"x\"; }, { cn = \"agent-1\"; }", "allow[1]" },
    { "{ san_dns = \"agent.a.test\"; }", "allow[0]" },
    { "{ san_dns = \"AGENT.a.TEST\"; }", "allow[0]" },
    { "{ san_dns = \"agent.a.test.\"; }", NULL },
    { "{ san_dns = \"gent.a.test\"; }", NULL },
    { "{ san_dns = \"x.wild.test\"; }", NULL },
    { "{ san_dns = \"nul.test\"; }", NULL },
    { "{ san_dns = \"agent-1\"; }", NULL },
    { "{ san_dns = \"joe@a.test\"; }", NULL },
    { "{ san_uri = \"spiffe://a.test/Agent\"; }", "allow[0]" },
    { "{ san_uri = \"spiffe://a.test/agent\"; }", NULL },
    { "{ san_uri = \"spiffe://a.test/\"; }", NULL },
    { "{ san_uri = \"uri\"; }", NULL },
    { "{ san_uri = \"agent.a.test\"; }", NULL },
    { "{ san_email = \"joe@a.test\"; }", "allow[0]" },
    { "{ san_email = \"Joe@a.test\"; }", NULL },
    { "{ spki_sha256 = \"" HEX_A "\"; }", "allow[0]" },
    { "{ spki_sha256 = \"" COLON_B "\"; }", NULL },
    { "{ cert_sha256 = \"" COLON_B "\"; }", "allow[0]" },
    { "{ cert_sha256 = \"" HEX_A "\"; }", NULL },
    { "{ cn = \"agent-1\"; san_dns = \"agent.a.test\"; san_uri = \"spiffe://a.test/Agent\"; "
      "san_email = \"joe@a.test\"; spki_sha256 = \"" HEX_A "\"; cert_sha256 = \"" COLON_B "\"; }",
      "allow[0]" },
    { "{ cn = \"agent-1\"; san_dns = \"other.test\"; }", NULL },
    { "{ cn = \"agent-1\"; spki_sha256 = \"" COLON_B "\"; }", NULL },
    { "{ cn = \"agent-1\"; san_dns = \"x\"; }, { cn = \"y\"; san_dns = \"agent.a.test\"; }", NULL },
};

static uint32_t ask(pst_conn *c, const struct pst_peer_cert *leaf, uint32_t engine, uint32_t *alert)
{
    return published->verify(published->inst, c, leaf, &leaf->der, 1, engine, alert);
}

START_TEST(rules_decide)
{
    char config[2048];
    struct pst_peer_cert leaf = leaf_of();
    uint32_t alert = 0, answer;
    struct chain ch;
    pst_conn *c = fake_conn_new(host);

    snprintf(config, sizeof(config), CA "allow = ( %s );", dir, rules[_i].rules);
    ch = start(config);
    answer = ask(c, &leaf, 0, &alert);
    ck_assert_msg(answer == (rules[_i].match ? PST_TLS_AUTH_ACCEPT : PST_TLS_AUTH_REJECT), "%s",
                  rules[_i].rules);
    ck_assert_uint_eq(alert, rules[_i].match ? 0 : 49);
    ck_assert_str_eq(fake_conn_var(c, "mutual-tls.rule"), rules[_i].match ? rules[_i].match : "");
    fake_conn_end(c, NULL);
    stop(ch);
}
END_TEST

START_TEST(a_common_name_with_nul_is_none)
{
    struct chain ch = start(CA "allow = ( { cn = \"agent-1\"; } );");
    struct pst_peer_cert leaf = leaf_of();
    pst_conn *c = fake_conn_new(host);
    uint32_t alert = 0;

    leaf.subject_cn = (struct pst_str)STR("agent-1\0x");
    ck_assert_uint_eq(ask(c, &leaf, 0, &alert), PST_TLS_AUTH_REJECT);
    leaf.subject_cn = (struct pst_str){ "", 0 };
    ck_assert_uint_eq(ask(c, &leaf, 0, &alert), PST_TLS_AUTH_REJECT);
    fake_conn_end(c, NULL);
    stop(ch);
}
END_TEST

/* --- modes and the end state ------------------------------------------------------------------ */

enum { NO_CERT, UNVERIFIED, GOOD, NOT_ASKED, OTHER_CERT, N_ENDS };

static const struct {
    const char *config;
    const char *denied[N_ENDS]; /* code, NULL: passes */
} ends[] = {
    { CA,
      { "mtls-no-certificate", "mtls-unverified", NULL, "mtls-not-judged", "mtls-not-judged" } },
    { CA "mode = \"verify-if-given\";",
      { NULL, "mtls-unverified", NULL, "mtls-not-judged", "mtls-not-judged" } },
    { CA "mode = \"require-any\";",
      { "mtls-no-certificate", NULL, NULL, "mtls-not-judged", "mtls-not-judged" } },
    { CA "mode = \"request\";", { NULL, NULL, NULL, NULL, NULL } },
};
#define N_MODES ((int)(sizeof(ends) / sizeof(ends[0])))

static void set_flag(pst_conn *c, const char *name, int on)
{
    struct pst_value v = { .type = PST_VALUE_BOOL };

    v.u.u64 = (uint64_t)on;
    fake_conn_set(c, name, &v);
}

static void set_cert(pst_conn *c, int byte)
{
    struct pst_value v = { .type = PST_VALUE_BYTES };
    char digest[32];

    memset(digest, byte, sizeof(digest));
    v.u.str = (struct pst_str){ digest, sizeof(digest) };
    fake_conn_set(c, PST_VAR_TLS_PEER_CERT_SHA256, &v);
}

START_TEST(the_end_state_is_looked_at)
{
    int mode = _i / N_ENDS, end = _i % N_ENDS;
    const char *code = ends[mode].denied[end];
    struct pst_peer_cert leaf = leaf_of();
    pst_conn *c = fake_conn_new(host);
    uint32_t alert = 0;
    struct chain ch;
    int32_t verdict;

    set_flag(c, PST_VAR_TLS_PEER_VERIFIED, end != NO_CERT && end != UNVERIFIED);
    set_flag(c, PST_VAR_TLS_RESUMED, end == NOT_ASKED);
    if (end != NO_CERT) {
        set_cert(c, end == OTHER_CERT ? 0xcc : 0xbb);
    }
    ch = start(ends[mode].config);
    if (end != NO_CERT && end != NOT_ASKED) {
        ck_assert_uint_eq(ask(c, &leaf, 0, &alert), PST_TLS_AUTH_ACCEPT);
    }
    verdict = fake_conn_run(c, ch.mtls, PST_STAGE_HANDSHAKE_DONE, NULL);
    ck_assert_int_eq(verdict, code != NULL ? PST_DENY : PST_NEXT);
    ck_assert_str_eq(fake_conn_deny_code(c), code != NULL ? code : "");
    fake_conn_end(c, NULL);
    stop(ch);
}
END_TEST

/* The engine's complaint counts in the modes that verify, whatever the terminator does of it. */
START_TEST(a_bad_chain_is_rejected)
{
    static const uint32_t answers[] = { PST_TLS_AUTH_REJECT, PST_TLS_AUTH_REJECT,
                                        PST_TLS_AUTH_ACCEPT, PST_TLS_AUTH_ACCEPT };
    struct chain ch = start(ends[_i].config);
    struct pst_peer_cert leaf = leaf_of();
    pst_conn *c = fake_conn_new(host);
    uint32_t alert = 0;

    ck_assert_uint_eq(ask(c, &leaf, 188, &alert), answers[_i]);
    ck_assert_int_eq(fake_host_metric(host, "mutual-tls", "rejected"),
                     answers[_i] == PST_TLS_AUTH_REJECT);
    ck_assert_int_eq(fake_host_metric(host, "mutual-tls", "accepted"),
                     answers[_i] == PST_TLS_AUTH_ACCEPT);
    fake_conn_end(c, NULL);
    stop(ch);
}
END_TEST

/* What one instance accepted says nothing about another with other rules. */
START_TEST(each_instance_judges_for_itself)
{
    struct pst_peer_cert leaf = leaf_of();
    pst_conn *c = fake_conn_new(host);
    const struct pst_tls_client_auth *first;
    uint32_t alert = 0;
    struct fake_inst *b;
    struct chain a;

    set_flag(c, PST_VAR_TLS_PEER_VERIFIED, 1);
    set_cert(c, 0xbb);
    a = start(CA);
    first = published;
    b = make(CA "allow = ( { cn = \"x\"; } );");
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(fake_inst_link(b), PST_OK);
    ck_assert_uint_eq(first->verify(first->inst, c, &leaf, &leaf.der, 1, 0, &alert),
                      PST_TLS_AUTH_ACCEPT);
    ck_assert_int_eq(fake_conn_run(c, a.mtls, PST_STAGE_HANDSHAKE_DONE, NULL), PST_NEXT);
    ck_assert_int_eq(fake_conn_run(c, b, PST_STAGE_HANDSHAKE_DONE, NULL), PST_DENY);
    fake_conn_end(c, NULL);
    fake_inst_free(b);
    stop(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mutual-tls");
    TCase *t = tcase_create("mutual-tls");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, rules_decide, 0, (int)(sizeof(rules) / sizeof(rules[0])));
    tcase_add_test(t, a_common_name_with_nul_is_none);
    tcase_add_loop_test(t, the_end_state_is_looked_at, 0, N_MODES * N_ENDS);
    tcase_add_loop_test(t, a_bad_chain_is_rejected, 0, N_MODES);
    tcase_add_test(t, each_instance_judges_for_itself);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
