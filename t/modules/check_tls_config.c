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
    { EDGE "certificates = ();", "an empty list" },
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
    { GOOD "ciphers = [ \"ECDHE-RSA-AES128-GCM-SHA256\" ];", "works with the certificate" },
    { GOOD "ciphers = [];", "empty list" },
    { GOOD "groups = [ \"P-192\" ];", "not among the groups" },
    { GOOD "groups = [ \"P-256\", \"secp256r1\" ];", "given twice" },
    { GOOD "alpn = [ \"\" ];", "1 to 255 bytes" },
    { GOOD "alpn = [ \"h2,foo\" ];", "no comma" },
    { GOOD "ticket_lifetime = \"1s\";", "ticket_lifetime" },
    { GOOD "ticket_keys = \"%s/none\";", "none: No such file" },
    { GOOD "ticket_keys = \"%s/open.key\";", "group or others may use" },
    { GOOD "ticket_keys = \"%s/a.key\";", "a.key has a line that is not" },
    { GOOD "tickets = false; ticket_keys = \"%s/t48\";", "\"tickets\" are off" },
    { EDGE "certificate_dir = \"%s/none\";", "none: No such file" },
    { EDGE "certificate_dir = \"%s/d-empty\";", "d-empty: no certificate in it" },
    { EDGE "certificate_dir = \"%s/d-no-key\";", "d-no-key/b.crt: its key, b.key, is missing" },
    { EDGE "certificate_dir = \"%s/d-no-cert\";", "d-no-cert/b.key: its certificate, b.crt or" },
    { EDGE "certificate_dir = \"%s/d-both\";", "only one of them can be meant" },
    { EDGE "certificate_dir = \"%s/d-wrong\";", "d-wrong/b.key does not belong to" },
    { EDGE "certificate_dir = \"%s/d-open\";", "d-open/b.pem: a secret that group" },
    { EDGE "certificate_dir = \"%s/d-no-key-in\";", "d-no-key-in/b.pem: no private key" },
    { GOOD "certificate_dir = \"%s/d-wrong\";", "d-wrong/b.key does not belong to" },
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
    EDGE CERT("rsa.pem", "rsa.key"),
    EDGE CERT("ed.pem", "ed.key"),
    EDGE CERT("p521.pem", "p521.key"),
    EDGE CERT("a.pem", "a8.key"),
    GOOD "ticket_keys = \"%s/t48\";",
    GOOD "ticket_keys = \"%s/t80\"; ticket_lifetime = \"1h\";",
    EDGE "certificate_dir = \"%s/d\";",
    GOOD "certificate_dir = \"%s/d\";",
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

/* make NAME NEWKEY: self-signed. */
static const char script[] =
    "make() { n=$1; shift; openssl req -x509 -newkey $* -nodes -days 9 -subj /CN=$n.test "
    "  -addext subjectAltName=DNS:$n.test -keyout $n.key -out $n.pem 2> $n.log; };"
    "cp a.key open.key; chmod 640 open.key; cp a.pem a.pem.key; cat ca.pem a.pem >reversed.pem;"
    "cat a.pem ca.pem > chain.pem; : > empty.pem; sed '3s/./!/' a.pem > damaged.pem;"
    "openssl ec -in a.key -aes128 -passout pass:x -out locked.key 2> locked.log;"
    "openssl pkcs8 -topk8 -in a.key -passout pass:x -out locked8.key;"
    "openssl pkcs8 -topk8 -in a.key -nocrypt -out a8.key;"
    "make rsa rsa:2048; make ed ed25519; make p521 ec -pkeyopt ec_paramgen_curve:P-521;"
    "openssl rand 48 > t48; openssl rand -base64 80 | tr -d '\\n' > t80;"
    /* Folders: `d` is a good one, with all layouts and with files that are none of ours. */
    "for f in d d-empty d-no-key d-no-cert d-both d-wrong d-open d-no-key-in; do"
    "  mkdir $f; [ $f = d-empty ] || cp rsa.pem rsa.key $f; done;"
    "cat a.pem a.key > d/a.pem; cp b.pem d/b.crt; cp b.key d; cp w.pem w.key d; cp a.pem d/.x.crt;"
    "echo readme > d/README; cat a.key a.pem > d/a.b.pem; mkdir d/more; cp ca.pem d-empty/ca.cer;"
    "cp b.pem d-no-key/b.crt; cp b.key d-no-cert; cp b.pem d-both/b.crt; cp b.pem b.key d-both;"
    "cp b.pem d-wrong/b.crt; cp a.key d-wrong/b.key; cat b.pem b.key > d-open/b.pem;"
    "chmod 644 d-open/b.pem; cp b.pem d-no-key-in";

int main(void)
{
    return rig_main("tls-config", script, add);
}
