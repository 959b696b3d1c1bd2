/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built module through the fake host: its configuration and the policy digest. */
#include "mutual_tls.h"

/* --- configuration ---------------------------------------------------------------------------- */

static const struct {
    const char *config, *says;
} wrong[] = {
    { "", "ca" },
    { "ca = [];", "empty list" },
    { "ca = [ \"%s/none.pem\" ];", "none.pem: No such file" },
    { "ca = [ \"%s\" ];", "not a regular file" },
    { "ca = [ \"%s/empty.pem\" ];", "no block \"CERTIFICATE\"" },
    { "ca = [ \"%s/key.pem\" ];", "no block \"CERTIFICATE\"" },
    { "ca = [ \"%s/cut.pem\" ];", "is damaged" },
    { "ca = [ \"%s/bad.pem\" ];", "is damaged" },
    { "ca = [ \"%s/short.pem\" ];", "is damaged" },
    { "ca = [ \"%s/ca.pem\", \"%s/none.pem\" ];", "none.pem" },
    { CA "crl = [];", "empty list" },
    { CA "crl = [ \"%s/none.pem\" ];", "none.pem" },
    { CA "crl = [ \"%s/ca.pem\" ];", "no block \"X509 CRL\"" },
    { CA "mode = \"none\";", "mode" },
    { CA "mode = \"request\"; allow = ( { cn = \"a\"; } );", "refuses nobody" },
    { CA "mode = \"require-any\"; allow = ( { cn = \"a\"; } );", "verifies no chain" },
    { CA "allow = ();", "allows nobody" },
    { CA "allow = ( { } );", "must name something" },
    { CA "allow = ( { cn = \"a\"; }, { cn = \"\"; } );", "empty name" },
    { CA "allow = ( { san_dns = \"*.a.test\"; } );", "compared whole" },
    { CA "allow = ( { issuer = \"a\"; } );", "unknown key" },
    { CA "allow = ( { spki_sha256 = \"aa\"; } );", "64 hexadecimal" },
    { CA "allow = ( { cert_sha256 = \"" COLON_B ":\"; } );", "64 hexadecimal" },
    { CA "allow = ( { cert_sha256 = \"" COLON_8 ":" COLON_8 ":" COLON_8 ":" COLON_8 ":BB\"; } );",
      "64 hexadecimal" },
    { CA "allow = ( { cert_sha256 = \"g" HEX_A "\"; } );", "64 hexadecimal" },
    { CA "certificate = \"x\";", "unknown key" },
};

START_TEST(wrong_configurations_are_refused)
{
    fake_host_forget(host);
    ck_assert_msg(make(wrong[_i].config) == NULL, "accepted: %s", wrong[_i].config);
    ck_assert_msg(fake_host_saw(host, wrong[_i].says), "%s\nsays\n%s", wrong[_i].config,
                  fake_host_transcript(host));
}
END_TEST

START_TEST(all_errors_are_reported)
{
    ck_assert_ptr_null(
        make("ca = [ \"%s/none.pem\" ]; crl = [ \"%s/empty.pem\" ]; allow = ( { } );"));
    ck_assert(fake_host_saw(host, "none.pem"));
    ck_assert(fake_host_saw(host, "empty.pem"));
    ck_assert(fake_host_saw(host, "must name something"));
}
END_TEST

START_TEST(defaults_are_the_strict_ones)
{
    struct chain c = start(CA);

    ck_assert_uint_eq(published->mode, PST_TLS_AUTH_REQUIRED);
    ck_assert_uint_eq(published->depth, 4);
    ck_assert_uint_eq(published->n_ca_files, 1);
    ck_assert_uint_eq(published->n_crl_files, 0);
    ck_assert_uint_eq(published->size, sizeof(*published));
    ck_assert_ptr_nonnull(strstr(published->ca_files[0].p, "/ca.pem"));
    ck_assert_int_eq(fake_host_unconsumed(host), 0);
    stop(c);
}
END_TEST

START_TEST(must_be_consumed)
{
    struct fake_inst *i = make(CA);

    ck_assert_ptr_nonnull(i);
    ck_assert_int_eq(fake_inst_link(i), PST_OK);
    ck_assert_int_eq(fake_host_unconsumed(host), 1);
    fake_inst_free(i);
}
END_TEST

/* --- policy digest ---------------------------------------------------------------------------- */

static void digest_of(const char *config, uint8_t out[32])
{
    struct chain c = start(config);

    memcpy(out, published->policy_digest, 32);
    stop(c);
}

static const char *const policies[] = {
    CA,
    CA "mode = \"verify-if-given\";",
    CA "mode = \"require-any\";",
    CA "mode = \"request\";",
    CA "depth = 3;",
    CA "crl = [ \"%s/crl.pem\" ];",
    CA "crl = [ \"%s/crl.pem\", \"%s/crl.pem\" ];",
    "ca = [ \"%s/two.pem\" ];",
    "ca = [ \"%s/ca.pem\", \"%s/two.pem\" ];",
    "ca = [ \"%s/two.pem\", \"%s/ca.pem\" ];",
    CA "allow = ( { cn = \"a\"; } );",
    CA "allow = ( { cn = \"b\"; } );",
    CA "allow = ( { cn = \"ab\"; } );",
    CA "allow = ( { cn = \"a\"; san_dns = \"b\"; } );",
    CA "allow = ( { cn = \"a\"; }, { san_dns = \"b\"; } );",
    CA "allow = ( { san_dns = \"a\"; } );",
    CA "allow = ( { san_uri = \"a\"; } );",
    CA "allow = ( { san_email = \"a\"; } );",
    CA "allow = ( { spki_sha256 = \"" HEX_A "\"; } );",
    CA "allow = ( { cert_sha256 = \"" HEX_A "\"; } );",
};
#define N_POLICIES (sizeof(policies) / sizeof(policies[0]))

START_TEST(each_policy_has_its_digest)
{
    uint8_t all[N_POLICIES][32], again[32];

    for (size_t i = 0; i < N_POLICIES; i++) {
        digest_of(policies[i], all[i]);
        digest_of(policies[i], again);
        ck_assert_mem_eq(all[i], again, 32);
        for (size_t k = 0; k < i; k++) {
            ck_assert_msg(memcmp(all[i], all[k], 32) != 0, "%s\n%s", policies[i], policies[k]);
        }
    }
}
END_TEST

START_TEST(contents_of_files_are_in_the_digest)
{
    static const char config[] = CA "crl = [ \"%s/crl.pem\" ];";
    uint8_t first[32], ca[32], crl[32];

    digest_of(config, first);
    put_file("ca.pem", CERT_2);
    digest_of(config, ca);
    ck_assert_mem_ne(first, ca, 32);
    put_file("crl.pem", CRL_2);
    digest_of(config, crl);
    ck_assert_mem_ne(ca, crl, 32);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mutual-tls");
    TCase *t = tcase_create("mutual-tls");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, wrong_configurations_are_refused, 0,
                        (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_test(t, all_errors_are_reported);
    tcase_add_test(t, defaults_are_the_strict_ones);
    tcase_add_test(t, must_be_consumed);
    tcase_add_test(t, each_policy_has_its_digest);
    tcase_add_test(t, contents_of_files_are_in_the_digest);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
