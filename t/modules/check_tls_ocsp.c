/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of OCSP responses, with those of openssl ocsp. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tls-common/tls_common.h"

static char dir[256];

struct file {
    uint8_t p[8192];
    size_t n;
};

static void read_file(struct file *f, const char *name)
{
    char path[512];
    FILE *in;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    in = fopen(path, "rb");
    ck_assert_ptr_nonnull(in);
    f->n = fread(f->p, 1, sizeof(f->p), in);
    fclose(in);
}

static const struct {
    const char *file;
    int answer;
    uint8_t status;
} cases[] = {
    { "good", 0, TLS_OCSP_GOOD },
    { "revoked", 0, TLS_OCSP_REVOKED },
    { "unknown", 0, TLS_OCSP_UNKNOWN },
    { "endless", 0, TLS_OCSP_GOOD },
    { "sha256", 0, TLS_OCSP_GOOD },
    { "two", 0, TLS_OCSP_GOOD },
    { "other", -1, 0 },
    { "refusal", -1, 0 },
    { "a.der", -1, 0 },
    { "empty", -1, 0 },
};

START_TEST(responses_are_read)
{
    uint64_t now = (uint64_t)time(NULL);
    struct file cert, f;
    struct tls_x509 x;
    struct tls_ocsp o;
    const char *why = NULL;

    read_file(&cert, "a.der");
    ck_assert_int_eq(tls_x509_read(cert.p, cert.n, &x), 0);
    read_file(&f, cases[_i].file);
    ck_assert_int_eq(tls_ocsp_read(f.p, f.n, &x, &o, &why), cases[_i].answer);
    ck_assert_msg((why != NULL) == (cases[_i].answer != 0), "%s: %s", cases[_i].file, why);
    if (cases[_i].answer == 0) {
        ck_assert_int_eq(o.status, cases[_i].status);
        ck_assert(o.this_update <= now && o.this_update + 600 > now);
        if (strcmp(cases[_i].file, "endless") == 0) {
            ck_assert_uint_eq(o.next_update, 0);
        } else {
            ck_assert_uint_eq(o.next_update, o.this_update + 5 * 86400);
        }
    }
}
END_TEST

/* The signature and what is behind it nobody reads, but the lengths around it must be right. */
START_TEST(every_cut_is_noticed)
{
    struct file cert, f;
    struct tls_x509 x;
    struct tls_ocsp o;
    const char *why;

    read_file(&cert, "a.der");
    ck_assert_int_eq(tls_x509_read(cert.p, cert.n, &x), 0);
    read_file(&f, "good");
    for (size_t n = 0; n < f.n; n++) {
        ck_assert_int_eq(tls_ocsp_read(f.p, n, &x, &o, &why), -1);
    }
    f.p[f.n] = 0;
    ck_assert_int_eq(tls_ocsp_read(f.p, f.n + 1, &x, &o, &why), -1);
}
END_TEST

static int make_files(void)
{
    static const char script[] =
        "set -e; certs=$(cd \"${top_srcdir:-.}/t/certs\" && pwd); bash $certs/gen.sh \"$DIR\";"
        "cd \"$DIR\"; openssl x509 -in a.pem -outform DER -out a.der; : > empty;"
        "make() { bash $certs/ocsp.sh \"$@\"; };"
        "make good V a -ndays 5; make revoked R a -ndays 5; make unknown U a -ndays 5;"
        "make endless V a; make sha256 V a -ndays 5 -sha256; make other V b -ndays 5;"
        "make two V a -ndays 5 -cert b.pem; printf '\\060\\003\\012\\001\\006' > refusal";

    return setenv("DIR", dir, 1) == 0 && system(script) == 0 ? 0 : -1;
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    Suite *s = suite_create("tls-ocsp");
    TCase *t = tcase_create("tls-ocsp");
    char command[512];
    SRunner *r;
    int failed;

    snprintf(dir, sizeof(dir), "%s/postern-ocsp-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL || make_files() != 0) {
        fprintf(stderr, "no responses\n");
        return 1;
    }
    tcase_add_loop_test(t, responses_are_read, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(t, every_cut_is_noticed);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command) != 0 || failed > 0 ? 1 : 0;
}
