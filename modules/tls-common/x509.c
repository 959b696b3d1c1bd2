/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded reader of certificates (RFC 5280 section 4.1): definite lengths only, nothing copied,
 * nothing believed. What is trusted was verified by the library from the same bytes.
 */
#include "tls-common/tls_common.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Choices of GeneralName (RFC 5280 section 4.2.1.6). */
enum { SAN_DNS_NAME = 0x82, SAN_IP_ADDRESS = 0x87 };

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_CONTEXT_0 = 0xa0,
    DER_CONTEXT_3 = 0xa3
};

bool tls_der_next(struct tls_der *from, uint8_t *tag, struct tls_der *value)
{
    const uint8_t *p = from->p;
    size_t left = from->n, len, head = 2;

    if (left < 2 || (p[0] & 0x1f) == 0x1f) {
        return false;
    }
    len = p[1];
    if (len >= 0x80) {
        size_t bytes = len & 0x7f;

        if (bytes == 0 || bytes > 3 || left < 2 + bytes || p[2] == 0) {
            return false;
        }
        len = 0;
        for (size_t i = 0; i < bytes; i++) {
            len = len << 8 | p[2 + i];
        }
        if (len < 0x80) {
            return false;
        }
        head += bytes;
    }
    if (len > left - head) {
        return false;
    }
    *tag = p[0];
    *value = (struct tls_der){ p + head, len };
    from->p += head + len;
    from->n -= head + len;
    return true;
}

bool tls_der_expect(struct tls_der *from, uint8_t want, struct tls_der *value)
{
    uint8_t tag;

    return from->n > 0 && from->p[0] == want && tls_der_next(from, &tag, value);
}

/* The next element with its header. */
static bool whole(struct tls_der *from, uint8_t want, struct tls_der *element)
{
    const uint8_t *start = from->p;
    struct tls_der value;

    if (!tls_der_expect(from, want, &value)) {
        return false;
    }
    *element = (struct tls_der){ start, (size_t)(from->p - start) };
    return true;
}

static bool is_oid(const struct tls_der *oid, const char *bytes, size_t n)
{
    return oid->n == n && memcmp(oid->p, bytes, n) == 0;
}

static int two_digits(const uint8_t *p)
{
    return p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9' ? -1
                                                                : (p[0] - '0') * 10 + p[1] - '0';
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years from 1950. */
static int64_t days_of(int y, int m, int d)
{
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    int leap_year = m > 2 ? y : y - 1;

    return (int64_t)(y - 1970) * 365 + (leap_year / 4 - leap_year / 100 + leap_year / 400) - 477 +
           before[m - 1] + d - 1;
}

bool tls_der_time(struct tls_der *from, uint64_t *out)
{
    struct tls_der v;
    uint8_t tag;
    int part[6], year;
    int64_t t;

    if (!tls_der_next(from, &tag, &v) ||
        !((tag == DER_UTC_TIME && v.n == 13) || (tag == DER_GENERALIZED_TIME && v.n == 15)) ||
        v.p[v.n - 1] != 'Z') {
        return false;
    }
    year = 0;
    if (tag == DER_GENERALIZED_TIME) {
        year = two_digits(v.p) * 100;
        v.p += 2;
    }
    for (int i = 0; i < 6; i++) {
        part[i] = two_digits(v.p + (size_t)i * 2);
        if (part[i] < 0) {
            return false;
        }
    }
    if (year < 0 || part[1] < 1 || part[1] > 12 || part[2] < 1) {
        return false;
    }
    year += part[0];
    if (tag == DER_UTC_TIME) {
        year += part[0] < 50 ? 2000 : 1900;
    }
    t = days_of(year, part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 + part[5];
    *out = t < 0 ? 0 : (uint64_t)t;
    return true;
}

bool tls_x509_public_key(const struct tls_x509 *x, struct tls_der *out)
{
    struct tls_der spki = x->spki, all, alg, seq, rest;

    if (!tls_der_expect(&spki, DER_SEQUENCE, &all) || !tls_der_expect(&all, DER_SEQUENCE, &alg) ||
        !tls_der_expect(&all, DER_BIT_STRING, out) || out->n == 0 || out->p[0] != 0) {
        return false;
    }
    out->p++;
    out->n--;
    if (x->key != TLS_KEY_RSA) {
        return true;
    }
    /* RSAPublicKey (RFC 8017 appendix A.1.1); the sign has a byte of its own. */
    rest = *out;
    if (!tls_der_expect(&rest, DER_SEQUENCE, &seq) || !tls_der_expect(&seq, DER_INTEGER, out)) {
        return false;
    }
    while (out->n > 0 && out->p[0] == 0) {
        out->p++;
        out->n--;
    }
    return out->n > 0;
}

static uint16_t modulus_bits(const struct tls_x509 *x)
{
    struct tls_der n;
    size_t bits;

    if (!tls_x509_public_key(x, &n) || n.n > UINT16_MAX / 8) {
        return 0;
    }
    bits = n.n * 8;
    for (uint8_t top = n.p[0]; (top & 0x80) == 0; top = (uint8_t)(top << 1)) {
        bits--;
    }
    return (uint16_t)bits;
}

static void read_key(struct tls_x509 *x)
{
    struct tls_der spki = x->spki, seq, alg, oid, curve;

    if (!tls_der_expect(&spki, DER_SEQUENCE, &seq) || !tls_der_expect(&seq, DER_SEQUENCE, &alg) ||
        !tls_der_expect(&alg, DER_OID, &oid)) {
        return;
    }
    if (is_oid(&oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9)) {
        x->key = TLS_KEY_RSA;
        x->bits = modulus_bits(x);
    } else if (is_oid(&oid, "\x2b\x65\x70", 3)) {
        x->key = TLS_KEY_ED25519;
    } else if (is_oid(&oid, "\x2a\x86\x48\xce\x3d\x02\x01", 7) &&
               tls_der_expect(&alg, DER_OID, &curve)) {
        x->key = TLS_KEY_ECDSA;
        if (is_oid(&curve, "\x2a\x86\x48\xce\x3d\x03\x01\x07", 8)) {
            x->curve = 23;
            x->bits = 256;
        } else if (is_oid(&curve, "\x2b\x81\x04\x00\x22", 5)) {
            x->curve = 24;
            x->bits = 384;
        } else if (is_oid(&curve, "\x2b\x81\x04\x00\x23", 5)) {
            x->curve = 25;
            x->bits = 521;
        }
    }
}

/*
 * What the certificate was signed with, by its AlgorithmIdentifier, as OpenSSL's short names have
 * it (PROXY protocol headers carry them); NULL: not known.
 */
static const char *signature_name(struct tls_der alg)
{
    static const struct {
        const char *oid;
        size_t n;
        const char *name;
    } known[] = {
        { "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", 9, "RSA-SHA1" },
        { "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 9, "RSASSA-PSS" },
        { "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 9, "RSA-SHA256" },
        { "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", 9, "RSA-SHA384" },
        { "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", 9, "RSA-SHA512" },
        { "\x2a\x86\x48\xce\x3d\x04\x01", 7, "ecdsa-with-SHA1" },
        { "\x2a\x86\x48\xce\x3d\x04\x03\x01", 8, "ecdsa-with-SHA224" },
        { "\x2a\x86\x48\xce\x3d\x04\x03\x02", 8, "ecdsa-with-SHA256" },
        { "\x2a\x86\x48\xce\x3d\x04\x03\x03", 8, "ecdsa-with-SHA384" },
        { "\x2a\x86\x48\xce\x3d\x04\x03\x04", 8, "ecdsa-with-SHA512" },
        { "\x2b\x65\x70", 3, "ED25519" },
    };
    struct tls_der oid;

    if (!tls_der_expect(&alg, DER_OID, &oid)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (is_oid(&oid, known[i].oid, known[i].n)) {
            return known[i].name;
        }
    }
    return NULL;
}

/* Only subjectAltName (RFC 5280 section 4.2.1.6) is looked for. */
static bool read_extensions(struct tls_der list, struct tls_x509 *x)
{
    struct tls_der ext, oid, skip, value;

    while (list.n > 0) {
        if (!tls_der_expect(&list, DER_SEQUENCE, &ext) || !tls_der_expect(&ext, DER_OID, &oid)) {
            return false;
        }
        (void)tls_der_expect(&ext, DER_BOOLEAN, &skip);
        if (!tls_der_expect(&ext, DER_OCTET_STRING, &value) || ext.n > 0) {
            return false;
        }
        if (is_oid(&oid, "\x55\x1d\x11", 3)) {
            if (x->sans.p != NULL || !tls_der_expect(&value, DER_SEQUENCE, &x->sans) ||
                value.n > 0) {
                return false;
            }
        }
    }
    return true;
}

int tls_x509_read(const uint8_t *p, size_t n, struct tls_x509 *out)
{
    struct tls_der all = { p, n }, cert, tbs, validity, part, extensions;

    memset(out, 0, sizeof(*out));
    out->der = all;
    if (!tls_der_expect(&all, DER_SEQUENCE, &cert) || all.n > 0 ||
        !tls_der_expect(&cert, DER_SEQUENCE, &tbs)) {
        return -1;
    }
    (void)tls_der_expect(&tbs, DER_CONTEXT_0, &part);
    if (!tls_der_expect(&tbs, DER_INTEGER, &out->serial) ||
        !tls_der_expect(&tbs, DER_SEQUENCE, &part) || !whole(&tbs, DER_SEQUENCE, &out->issuer) ||
        !tls_der_expect(&tbs, DER_SEQUENCE, &validity) ||
        !whole(&tbs, DER_SEQUENCE, &out->subject) || !whole(&tbs, DER_SEQUENCE, &out->spki) ||
        !tls_der_time(&validity, &out->not_before) || !tls_der_time(&validity, &out->not_after)) {
        return -1;
    }
    read_key(out);
    if (tls_der_expect(&cert, DER_SEQUENCE, &part)) {
        out->sig = signature_name(part);
    }
    while (tbs.n > 0) {
        uint8_t tag;

        if (!tls_der_next(&tbs, &tag, &part)) {
            return -1;
        }
        if (tag == DER_CONTEXT_3 && (!tls_der_expect(&part, DER_SEQUENCE, &extensions) ||
                                     !read_extensions(extensions, out))) {
            return -1;
        }
    }
    return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

/* RFC 6125 section 6.4: a wildcard is the whole first label and stands for one label. */
static bool name_matches(const struct tls_der *pattern, const char *name, size_t n)
{
    const char *p = (const char *)pattern->p;
    const char *dot;

    if (pattern->n == n && strncasecmp(p, name, n) == 0) {
        return true;
    }
    if (pattern->n < 3 || p[0] != '*' || p[1] != '.') {
        return false;
    }
    dot = memchr(name, '.', n);
    return dot != NULL && dot > name && n - (size_t)(dot - name) == pattern->n - 1 &&
           strncasecmp(dot, p + 1, pattern->n - 1) == 0;
}

bool tls_x509_covers(const struct tls_x509 *x, const char *name, size_t n)
{
    struct tls_der list = x->sans, value;
    uint8_t tag;

    while (n > 0 && list.n > 0 && tls_der_next(&list, &tag, &value)) {
        if (tag == SAN_DNS_NAME && name_matches(&value, name, n)) {
            return true;
        }
    }
    return false;
}

bool tls_x509_has_ip(const struct tls_x509 *x, const uint8_t *ip, size_t n)
{
    struct tls_der list = x->sans, value;
    uint8_t tag;

    while (list.n > 0 && tls_der_next(&list, &tag, &value)) {
        if (tag == SAN_IP_ADDRESS && value.n == n && memcmp(value.p, ip, n) == 0) {
            return true;
        }
    }
    return false;
}

void tls_x509_key_name(const struct tls_x509 *x, char *buf, size_t n)
{
    const char *kind = x->key == TLS_KEY_RSA ? "RSA" : x->key == TLS_KEY_ECDSA ? "EC" : "";

    if (x->key == TLS_KEY_ED25519) {
        snprintf(buf, n, "ED25519");
    } else if (x->bits > 0) {
        snprintf(buf, n, "%s%u", kind, x->bits);
    } else {
        snprintf(buf, n, "%s", kind);
    }
}
