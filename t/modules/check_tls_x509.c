/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of certificates: kind and size of keys, kind of signature. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls-common/tls_common.h"

/* Arguments of openssl req, beside those that every certificate has. */
static const struct {
    const char *made, *key, *sig;
} kinds[] = {
    { "-newkey rsa:2048 -sha256", "RSA2048", "RSA-SHA256" },
    { "-newkey rsa:1025 -sha384", "RSA1025", "RSA-SHA384" },
    { "-newkey rsa:2048 -sha512", "RSA2048", "RSA-SHA512" },
    { "-newkey rsa:2048 -sha384 -sigopt rsa_padding_mode:pss", "RSA2048", "RSASSA-PSS" },
    { "-newkey rsa:2048 -sha1", "RSA2048", "RSA-SHA1" },
    { "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha256", "EC256", "ecdsa-with-SHA256" },
    { "-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384", "EC384", "ecdsa-with-SHA384" },
    { "-newkey ec -pkeyopt ec_paramgen_curve:P-521 -sha512", "EC521", "ecdsa-with-SHA512" },
    { "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -sha256", "EC", "ecdsa-with-SHA256" },
    { "-newkey ed25519", "ED25519", "ED25519" },
    { "-newkey ed448", "", NULL },
};

static char dir[256];

START_TEST(keys_and_signatures_are_named)
{
    char command[1024], name[16];
    uint8_t der[4096];
    struct tls_x509 x;
    size_t n;
    FILE *f;

    snprintf(command, sizeof(command),
             "cd %s && openssl req -x509 %s -nodes -days 2 -subj /CN=a.test -keyout k -outform DER "
             "-out c 2> log",
             dir, kinds[_i].made);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof(command), "%s/c", dir);
    f = fopen(command, "rb");
    ck_assert_ptr_nonnull(f);
    n = fread(der, 1, sizeof(der), f);
    fclose(f);
    ck_assert_int_eq(tls_x509_read(der, n, &x), 0);
    tls_x509_key_name(&x, name, sizeof(name));
    ck_assert_str_eq(name, kinds[_i].key);
    ck_assert_pstr_eq(x.sig, kinds[_i].sig);
}
END_TEST

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    Suite *s = suite_create("tls-x509");
    TCase *t = tcase_create("tls-x509");
    char command[512];
    SRunner *r;
    int failed;

    snprintf(dir, sizeof(dir), "%s/postern-x509-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, keys_and_signatures_are_named, 0,
                        (int)(sizeof(kinds) / sizeof(kinds[0])));
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command) != 0 || failed > 0 ? 1 : 0;
}
