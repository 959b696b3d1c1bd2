/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * certs DIR N: self-signed P-256 certificates n000000.bench.test and so on, each with its own key,
 * as DIR/NAME.crt and DIR/NAME.key. For measuring how cost grows with their number.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static FILE *create(const char *dir, const char *name, const char *suffix)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
    return fopen(path, "w");
}

static int add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    int ok = e != NULL && X509_add_ext(x, e, -1) == 1;

    X509_EXTENSION_free(e);
    return ok;
}

static X509 *issue(EVP_PKEY *key, const char *name, long serial)
{
    X509 *x = X509_new();
    char alt[80];

    (void)snprintf(alt, sizeof(alt), "DNS:%s", name);
    if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set(X509_get_serialNumber(x), serial + 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(x), 30 * 86400) != NULL &&
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                   (const unsigned char *)name, -1, -1, 0) == 1 &&
        X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 && X509_set_pubkey(x, key) == 1 &&
        add_extension(x, NID_subject_alt_name, alt) &&
        add_extension(x, NID_basic_constraints, "CA:FALSE") &&
        X509_sign(x, key, EVP_sha256()) > 0) {
        return x;
    }
    X509_free(x);
    return NULL;
}

static int make(const char *dir, long i)
{
    char name[64];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = NULL;
    FILE *crt = NULL, *pem = NULL;
    int ok;

    (void)snprintf(name, sizeof(name), "n%06ld.bench.test", i);
    x = key == NULL ? NULL : issue(key, name, i);
    crt = create(dir, name, "crt");
    pem = create(dir, name, "key");
    ok = x != NULL && crt != NULL && pem != NULL && PEM_write_X509(crt, x) == 1 &&
         PEM_write_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (crt != NULL) {
        ok = fclose(crt) == 0 && ok;
    }
    if (pem != NULL) {
        ok = fclose(pem) == 0 && ok;
    }
    X509_free(x);
    EVP_PKEY_free(key);
    return ok;
}

int main(int argc, char **argv)
{
    long n = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

    (void)umask(077);
    for (long i = 0; i < n; i++) {
        if (!make(argv[1], i)) {
            fprintf(stderr, "certs: certificate %ld cannot be made\n", i);
            return 1;
        }
    }
    return n > 0 ? 0 : 2;
}
