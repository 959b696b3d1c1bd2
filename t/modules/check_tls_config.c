/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of tls-termination: what is refused, with which words, and what is not. */
#include "tls_rig.h"

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
    fake_host_forget(rig_host);
    ck_assert_msg(rig_make(wrong[_i].config) == NULL, "accepted: %s", wrong[_i].config);
    ck_assert_msg(fake_host_saw(rig_host, wrong[_i].says), "%s\nsays\n%s", wrong[_i].config,
                  fake_host_transcript(rig_host));
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
    struct fake_inst *i = rig_make(right[_i]);

    ck_assert_msg(i != NULL, "%s\n%s", right[_i], fake_host_transcript(rig_host));
    ck_assert_int_eq(fake_inst_link(i), PST_OK);
    fake_inst_free(i);
}
END_TEST

static void add(TCase *t)
{
    tcase_add_loop_test(t, wrong_configurations_are_refused, 0,
                        (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_loop_test(t, right_configurations_are_taken, 0,
                        (int)(sizeof(right) / sizeof(right[0])));
}

int main(void)
{
    return rig_main(
        "tls-config",
        "cp a.key open.key; chmod 640 open.key; cp a.pem a.pem.key; cat ca.pem a.pem >reversed.pem;"
        "cat a.pem ca.pem > chain.pem; : > empty.pem; sed '3s/./!/' a.pem > damaged.pem;"
        "openssl ec -in a.key -aes128 -passout pass:x -out locked.key 2> locked.log;"
        "openssl pkcs8 -topk8 -in a.key -passout pass:x -out locked8.key",
        add);
}
