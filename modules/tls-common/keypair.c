/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a private key belong to a certificate? The public key is worked out anew from the private
 * one: a file may name another than its own, and some builds of wolfSSL say yes to any pair of EC
 * keys (5.5.4 as Debian builds it).
 */
#include "tls-common/tls_common.h"

#include <string.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#ifdef HAVE_ED25519
#include <wolfssl/wolfcrypt/ed25519.h>
#endif
#include <wolfssl/wolfcrypt/rsa.h>

/* 16384 bits. */
#define MODULUS_MAX 2048
/* 0x04, x, y of the largest curve. */
#define POINT_MAX (1 + 2 * 66)

static int same(const struct tls_der *a, const uint8_t *p, size_t n)
{
    return a->n == n && memcmp(a->p, p, n) == 0 ? 1 : 0;
}

static int rsa_belongs(const DerBuffer *der, const struct tls_der *modulus)
{
    uint8_t e[MODULUS_MAX], n[MODULUS_MAX];
    word32 e_n = sizeof(e), n_n = sizeof(n), at = 0;
    RsaKey key;
    int rc = -1;

    if (wc_InitRsaKey(&key, NULL) != 0) {
        return -1;
    }
    if (wc_RsaPrivateKeyDecode(der->buffer, &at, &key, der->length) == 0 &&
        wc_RsaFlattenPublicKey(&key, e, &e_n, n, &n_n) == 0) {
        rc = same(modulus, n, n_n);
    }
    wc_FreeRsaKey(&key);
    return rc;
}

static int ecc_belongs(const DerBuffer *der, const struct tls_der *point)
{
    ecc_point *made = wc_ecc_new_point();
    uint8_t text[POINT_MAX];
    word32 n = sizeof(text), at = 0;
    ecc_key key;
    int rc = -1;

    if (made != NULL && wc_ecc_init(&key) == 0) {
        if (wc_EccPrivateKeyDecode(der->buffer, &at, &key, der->length) == 0 &&
            wc_ecc_make_pub(&key, made) == 0 &&
            wc_ecc_export_point_der(key.idx, made, text, &n) == 0) {
            rc = same(point, text, n);
        }
        wc_ecc_free(&key);
    }
    wc_ecc_del_point(made);
    return rc;
}

static int ed25519_belongs(const DerBuffer *der, const struct tls_der *public)
{
    int rc = -1;
#ifdef HAVE_ED25519
    uint8_t made[ED25519_PUB_KEY_SIZE];
    word32 at = 0;
    ed25519_key key;

    if (wc_ed25519_init(&key) != 0) {
        return -1;
    }
    if (wc_Ed25519PrivateKeyDecode(der->buffer, &at, &key, der->length) == 0 &&
        wc_ed25519_make_public(&key, made, sizeof(made)) == 0) {
        rc = same(public, made, sizeof(made));
    }
    wc_ed25519_free(&key);
#else
    (void)der;
    (void)public;
#endif
    return rc;
}

int tls_key_belongs(const uint8_t *pem, size_t n, const struct tls_x509 *x)
{
    EncryptedInfo info;
    DerBuffer *der = NULL;
    struct tls_der public;
    int format = 0, rc = -1;

    memset(&info, 0, sizeof(info));
    if (tls_x509_public_key(x, &public) &&
        wc_PemToDer(pem, (long)n, PRIVATEKEY_TYPE, &der, NULL, &info, &format) == 0) {
        rc = x->key == TLS_KEY_RSA     ? rsa_belongs(der, &public)
             : x->key == TLS_KEY_ECDSA ? ecc_belongs(der, &public)
                                       : ed25519_belongs(der, &public);
    }
    wc_FreeDer(&der);
    return rc;
}
