/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates and private keys from files, checked as strictly as a start deserves. */
#include "tls-common/tls_common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHAIN_MAX 16

__attribute__((format(printf, 3, 4))) static int because(char *why, size_t n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, n, fmt, ap);
    va_end(ap);
    return -1;
}

/* --- files ------------------------------------------------------------------------------------ */

static int check_file(int fd, const char *path, bool secret, size_t most, size_t *size, char *why,
                      size_t n)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return because(why, n, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return because(why, n, "%s is not a regular file", path);
    }
    if (secret && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return because(why, n, "%s: a secret that group or others may use (mode %04o); chmod 600",
                       path, (unsigned)(st.st_mode & 07777));
    }
    if (st.st_size <= 0) {
        return because(why, n, "%s is empty", path);
    }
    if ((size_t)st.st_size > most) {
        return because(why, n, "%s is larger than %zu MiB", path, most / TLS_FILE_MAX);
    }
    *size = (size_t)st.st_size;
    return 0;
}

uint8_t *tls_file_read(const char *path, bool secret, size_t *n, char *why, size_t why_n)
{
    return tls_file_read_most(path, secret, TLS_FILE_MAX, n, why, why_n);
}

uint8_t *tls_file_read_most(const char *path, bool secret, size_t most, size_t *n, char *why,
                            size_t why_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    uint8_t *p = NULL;
    size_t size = 0, got = 0;

    if (fd < 0) {
        because(why, why_n, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (check_file(fd, path, secret, most, &size, why, why_n) == 0) {
        p = malloc(size + 1);
        if (p == NULL) {
            because(why, why_n, "out of memory");
        }
    }
    while (p != NULL && got < size) {
        ssize_t r = read(fd, p + got, size - got);

        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r <= 0) {
            because(why, why_n, "%s: %s", path, r < 0 ? strerror(errno) : "it became shorter");
            explicit_bzero(p, size);
            free(p);
            p = NULL;
            break;
        }
        got += (size_t)r;
    }
    close(fd);
    if (p != NULL) {
        p[size] = '\0';
        *n = size;
    }
    return p;
}

/* --- chain ------------------------------------------------------------------------------------ */

static bool same(const struct tls_der *a, const struct tls_der *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static int pem_next(const uint8_t *pem, size_t n, size_t *off, int type, const char *begin,
                    DerBuffer **der)
{
    EncryptedInfo info;

    if (*off >= n || strstr((const char *)pem + *off, begin) == NULL) {
        return 0;
    }
    memset(&info, 0, sizeof(info));
    *der = NULL;
    if (wc_PemToDer(pem + *off, (long)(n - *off), type, der, NULL, &info, NULL) != 0 ||
        info.consumed <= 0) {
        wc_FreeDer(der);
        return -1;
    }
    *off += (size_t)info.consumed;
    return 1;
}

int tls_pem_next(const uint8_t *pem, size_t n, size_t *off, DerBuffer **der)
{
    return pem_next(pem, n, off, CERT_TYPE, "-----BEGIN CERTIFICATE-----", der);
}

int tls_pem_next_crl(const uint8_t *pem, size_t n, size_t *off, DerBuffer **der)
{
    return pem_next(pem, n, off, CRL_TYPE, "-----BEGIN X509 CRL-----", der);
}

static int keep_leaf(struct tls_cred *c, const DerBuffer *der)
{
    c->leaf = malloc(der->length);
    if (c->leaf == NULL) {
        return -1;
    }
    memcpy(c->leaf, der->buffer, der->length);
    c->leaf_n = der->length;
    return tls_x509_read(c->leaf, c->leaf_n, &c->x509);
}

/* Each certificate must have been issued by the next one; a root at the end is allowed. */
static int check_chain(struct tls_cred *c, const char *path, char *why, size_t why_n)
{
    DerBuffer *der[CHAIN_MAX] = { NULL };
    struct tls_x509 x[CHAIN_MAX];
    size_t off = 0, n = 0;
    int rc = 0, more = 0;

    while (rc == 0 && n < CHAIN_MAX &&
           (more = tls_pem_next(c->chain, c->chain_n, &off, &der[n])) > 0) {
        if (tls_x509_read(der[n]->buffer, der[n]->length, &x[n]) != 0) {
            rc = because(why, why_n, "%s: certificate %zu cannot be read", path, n + 1);
        } else if (n > 0 && !same(&x[n - 1].issuer, &x[n].subject)) {
            rc = because(why, why_n,
                         "%s: certificate %zu was not issued by certificate %zu; the order is "
                         "server, then each issuer",
                         path, n, n + 1);
        }
        n++;
    }
    if (rc == 0 && (more < 0 || n == 0)) {
        rc = because(why, why_n, n == 0 ? "%s: no certificate in it" : "%s: damaged PEM", path);
    } else if (rc == 0 && more > 0) {
        rc = because(why, why_n, "%s: more than %d certificates", path, CHAIN_MAX);
    } else if (rc == 0 && keep_leaf(c, der[0]) != 0) {
        rc = because(why, why_n, "out of memory");
    } else if (rc == 0 && c->x509.key == 0) {
        rc = because(why, why_n, "%s: the key is neither RSA nor ECDSA nor Ed25519", path);
    }
    for (size_t i = 0; i < CHAIN_MAX; i++) {
        wc_FreeDer(&der[i]);
    }
    return rc;
}

/* --- both ------------------------------------------------------------------------------------- */

int tls_cred_apply(const struct tls_cred *c, WOLFSSL_CTX *ctx)
{
    return wolfSSL_CTX_use_certificate_chain_buffer(ctx, c->chain, (long)c->chain_n) ==
                       WOLFSSL_SUCCESS &&
                   wolfSSL_CTX_use_PrivateKey_buffer(ctx, c->key, (long)c->key_n,
                                                     WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS
               ? 0
               : -1;
}

static int check_pair(const struct tls_cred *c, const char *cert_path, const char *key_path,
                      char *why, size_t why_n)
{
    int belongs = tls_key_belongs(c->key, c->key_n, &c->x509);

    if (belongs < 0) {
        return because(why, why_n, "%s: no private key, or of another kind than the certificate's",
                       key_path);
    }
    return belongs > 0 ? 0
                       : because(why, why_n, "%s does not belong to the certificate in %s",
                                 key_path, cert_path);
}

/* RFC 7468 section 11, and the older header of RFC 1421. */
static bool is_encrypted(const uint8_t *key)
{
    return strstr((const char *)key, "BEGIN ENCRYPTED PRIVATE KEY") != NULL ||
           strstr((const char *)key, "Proc-Type: 4,ENCRYPTED") != NULL;
}

int tls_cred_load(struct tls_cred *c, const char *cert_path, const char *key_path, char *why,
                  size_t why_n)
{
    memset(c, 0, sizeof(*c));
    c->chain = tls_file_read(cert_path, false, &c->chain_n, why, why_n);
    if (c->chain == NULL || check_chain(c, cert_path, why, why_n) != 0) {
        return -1;
    }
    c->key = tls_file_read(key_path, true, &c->key_n, why, why_n);
    if (c->key == NULL) {
        return -1;
    }
    if (is_encrypted(c->key)) {
        return because(why, why_n,
                       "%s: the key is encrypted, and nobody is here to type a "
                       "passphrase",
                       key_path);
    }
    return check_pair(c, cert_path, key_path, why, why_n);
}

/* The file of the certificate may have the key in it, too. */
static void forget(uint8_t **p, size_t *n)
{
    if (*p != NULL) {
        explicit_bzero(*p, *n);
    }
    free(*p);
    *p = NULL;
    *n = 0;
}

void tls_cred_applied(struct tls_cred *c)
{
    forget(&c->chain, &c->chain_n);
    forget(&c->key, &c->key_n);
}

void tls_cred_free(struct tls_cred *c)
{
    tls_cred_applied(c);
    free(c->leaf);
    memset(c, 0, sizeof(*c));
}
