/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bounded reader of OCSP responses (RFC 6960 section 4.2.1), as far as a server needs it. */
#include "tls-common/tls_common.h"

#include <string.h>

#include <wolfssl/wolfcrypt/sha.h>
#include <wolfssl/wolfcrypt/sha256.h>

enum {
    DER_INTEGER = 0x02,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_SEQUENCE = 0x30,
    DER_CONTEXT = 0x80, /* [0] */
    DER_CONSTRUCTED_0 = 0xa0
};

static bool is(const struct tls_der *d, const void *p, size_t n)
{
    return d->n == n && memcmp(d->p, p, n) == 0;
}

/* CertID: the name's hash by SHA-1 or SHA-256 and the serial number say whose it is. */
static bool is_about(struct tls_der id, const struct tls_x509 *x)
{
    struct tls_der alg, oid, name, key, serial;
    uint8_t digest[WC_SHA256_DIGEST_SIZE];
    size_t n = 0;

    if (!tls_der_expect(&id, DER_SEQUENCE, &alg) || !tls_der_expect(&alg, DER_OID, &oid) ||
        !tls_der_expect(&id, DER_OCTET_STRING, &name) ||
        !tls_der_expect(&id, DER_OCTET_STRING, &key) ||
        !tls_der_expect(&id, DER_INTEGER, &serial)) {
        return false;
    }
    if (is(&oid, "\x2b\x0e\x03\x02\x1a", 5) &&
        wc_ShaHash(x->issuer.p, (word32)x->issuer.n, digest) == 0) {
        n = WC_SHA_DIGEST_SIZE;
    } else if (is(&oid, "\x60\x86\x48\x01\x65\x03\x04\x02\x01", 9) &&
               wc_Sha256Hash(x->issuer.p, (word32)x->issuer.n, digest) == 0) {
        n = WC_SHA256_DIGEST_SIZE;
    }
    return n > 0 && is(&name, digest, n) && is(&serial, x->serial.p, x->serial.n);
}

/* A SingleResponse; false: malformed. *found: it is about this certificate. */
static bool read_single(struct tls_der from, const struct tls_x509 *x, struct tls_ocsp *out,
                        bool *found)
{
    struct tls_der id, status, next;
    uint8_t tag;

    if (!tls_der_expect(&from, DER_SEQUENCE, &id) || !tls_der_next(&from, &tag, &status) ||
        !tls_der_time(&from, &out->this_update)) {
        return false;
    }
    out->status = (uint8_t)(tag & 0x1f);
    out->next_update = 0;
    if (tls_der_expect(&from, DER_CONSTRUCTED_0, &next) &&
        (!tls_der_time(&next, &out->next_update) || next.n > 0)) {
        return false;
    }
    *found = is_about(id, x);
    return (tag & 0xc0) == DER_CONTEXT && out->status <= TLS_OCSP_UNKNOWN;
}

/* The content of BasicOCSPResponse down to its list of SingleResponses. */
static bool read_basic(struct tls_der from, struct tls_der *responses)
{
    struct tls_der basic, data, skip;
    uint64_t produced;
    uint8_t tag;

    if (!tls_der_expect(&from, DER_SEQUENCE, &basic) || from.n > 0 ||
        !tls_der_expect(&basic, DER_SEQUENCE, &data)) {
        return false;
    }
    (void)tls_der_expect(&data, DER_CONSTRUCTED_0, &skip); /* version */
    return tls_der_next(&data, &tag, &skip) && tls_der_time(&data, &produced) &&
           tls_der_expect(&data, DER_SEQUENCE, responses);
}

/* NULL, or what is wrong. */
static const char *read_outer(struct tls_der all, struct tls_der *responses)
{
    struct tls_der outer, status, wrapped, bytes, oid, basic;

    if (!tls_der_expect(&all, DER_SEQUENCE, &outer) || all.n > 0 ||
        !tls_der_expect(&outer, DER_ENUMERATED, &status) || status.n != 1) {
        return "is not an OCSP response in DER";
    }
    if (status.p[0] != 0) {
        return "is a responder's refusal";
    }
    if (!tls_der_expect(&outer, DER_CONSTRUCTED_0, &wrapped) ||
        !tls_der_expect(&wrapped, DER_SEQUENCE, &bytes) || !tls_der_expect(&bytes, DER_OID, &oid) ||
        !is(&oid, "\x2b\x06\x01\x05\x05\x07\x30\x01\x01", 9) ||
        !tls_der_expect(&bytes, DER_OCTET_STRING, &basic) || !read_basic(basic, responses)) {
        return "is not a basic OCSP response";
    }
    return NULL;
}

int tls_ocsp_read(const uint8_t *p, size_t n, const struct tls_x509 *x, struct tls_ocsp *out,
                  const char **why)
{
    struct tls_der list, single;

    *why = read_outer((struct tls_der){ p, n }, &list);
    while (*why == NULL && list.n > 0) {
        bool found = false;

        if (!tls_der_expect(&list, DER_SEQUENCE, &single) || !read_single(single, x, out, &found)) {
            *why = "is damaged";
        } else if (found) {
            return 0;
        }
    }
    if (*why == NULL) {
        *why = "says nothing about this certificate";
    }
    return -1;
}
