/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client certificate as other modules see it: names with their kind and their length, strings as
 * RFC 4514 writes them. Values with a NUL byte are left out, for whoever compares them may stop
 * there; a certificate whose fields cannot be read is none.
 */
#include "term.h"

#include <stdio.h>
#include <string.h>

#include <wolfssl/wolfcrypt/sha256.h>

#define NAME_MAX_TEXT 4096
#define SANS_MAX      256

enum { DER_OID = 0x06, DER_BMP_STRING = 0x1e, DER_SEQUENCE = 0x30, DER_SET = 0x31 };
enum { SAN_RFC822 = 0x81, SAN_DNS = 0x82, SAN_URI = 0x86, SAN_IP = 0x87 };

/* Text being written into a fixed buffer; `full` says that something is missing. */
struct text {
    char *p;
    size_t n, room;
    bool full;
};

static void put(struct text *t, const char *p, size_t n)
{
    if (t->full || n > t->room - t->n) {
        t->full = true;
        return;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

static void put_hex(struct text *t, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        const char two[] = { digits[p[i] >> 4], digits[p[i] & 15] };

        put(t, two, 2);
    }
}

static struct pst_str keep(pst_conn *conn, const char *p, size_t n)
{
    char *copy = term_host->conn_alloc(conn, n + 1);
    struct pst_str s = { "", 0 };

    if (copy != NULL) {
        memcpy(copy, p, n);
        s.p = copy;
        s.n = n;
    }
    return s;
}

/* --- names ------------------------------------------------------------------------------------ */

/* The attribute types that RFC 4514 section 3 names, and email's. */
static const char *attribute_name(const struct tls_der *oid)
{
    static const struct {
        const char *oid, *name;
        size_t n;
    } known[] = {
        { "\x55\x04\x03", "CN", 3 },
        { "\x55\x04\x07", "L", 3 },
        { "\x55\x04\x08", "ST", 3 },
        { "\x55\x04\x0a", "O", 3 },
        { "\x55\x04\x0b", "OU", 3 },
        { "\x55\x04\x06", "C", 3 },
        { "\x55\x04\x09", "STREET", 3 },
        { "\x55\x04\x05", "serialNumber", 3 },
        { "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "DC", 10 },
        { "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "UID", 10 },
        { "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "emailAddress", 9 },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (oid->n == known[i].n && memcmp(oid->p, known[i].oid, oid->n) == 0) {
            return known[i].name;
        }
    }
    return NULL;
}

static void put_oid(struct text *t, const struct tls_der *oid)
{
    char part[24];
    uint64_t v = 0;
    bool first = true;

    for (size_t i = 0; i < oid->n; i++) {
        int n;

        v = v << 7 | (oid->p[i] & 0x7f);
        if (oid->p[i] & 0x80) {
            continue;
        }
        if (first) {
            uint64_t top = v < 80 ? v / 40 : 2;
            n = snprintf(part, sizeof(part), "%u.%llu", (unsigned)top,
                         (unsigned long long)(v - top * 40));
        } else {
            n = snprintf(part, sizeof(part), ".%llu", (unsigned long long)v);
        }
        put(t, part, (size_t)n);
        first = false;
        v = 0;
    }
}

/* RFC 4514 section 2.4. */
static void put_value(struct text *t, const struct tls_der *v)
{
    for (size_t i = 0; i < v->n; i++) {
        char c = (char)v->p[i];
        bool edge_space = c == ' ' && (i == 0 || i + 1 == v->n);
        char hex[8];

        if ((unsigned char)c < 0x20 || c == 0x7f) {
            int n = snprintf(hex, sizeof(hex), "\\%02x", (unsigned char)c);
            put(t, hex, (size_t)n);
        } else {
            if (edge_space || (c == '#' && i == 0) || strchr("\"+,;<>\\", c) != NULL) {
                put(t, "\\", 1);
            }
            put(t, &c, 1);
        }
    }
}

/* One AttributeTypeAndValue; the last common name is kept in *cn. */
static bool put_attribute(struct text *t, struct tls_der from, struct tls_der *cn)
{
    struct tls_der oid, value;
    uint8_t tag, kind;
    const char *name;

    if (!tls_der_next(&from, &tag, &oid) || tag != DER_OID || !tls_der_next(&from, &kind, &value) ||
        from.n > 0) {
        return false;
    }
    name = attribute_name(&oid);
    if (name != NULL) {
        put(t, name, strlen(name));
    } else {
        put_oid(t, &oid);
    }
    put(t, "=", 1);
    if (kind == DER_BMP_STRING || name == NULL) {
        put(t, "#", 1);
        put_hex(t, value.p, value.n);
        return true;
    }
    put_value(t, &value);
    if (strcmp(name, "CN") == 0) {
        *cn = value;
    }
    return true;
}

/* The relative names come last first, as RFC 4514 section 2.1 wants them. */
static bool put_name(struct text *t, const struct tls_der *name, struct tls_der *cn)
{
    struct tls_der rdns[32], all = *name, seq, last = { NULL, 0 };
    uint8_t tag;
    size_t n = 0;

    if (!tls_der_next(&all, &tag, &seq) || tag != DER_SEQUENCE) {
        return false;
    }
    while (seq.n > 0) {
        if (n == sizeof(rdns) / sizeof(rdns[0]) || !tls_der_next(&seq, &tag, &rdns[n]) ||
            tag != DER_SET) {
            return false;
        }
        n++;
    }
    while (n-- > 0) {
        struct tls_der attribute;
        bool first = true;

        put(t, ",", t->n > 0 ? 1 : 0);
        while (rdns[n].n > 0) {
            struct tls_der found = { NULL, 0 };

            put(t, "+", first ? 0 : 1);
            if (!tls_der_next(&rdns[n], &tag, &attribute) || tag != DER_SEQUENCE ||
                !put_attribute(t, attribute, &found)) {
                return false;
            }
            /* Going backwards the first one met is the last one written. */
            last = last.p == NULL ? found : last;
            first = false;
        }
    }
    *cn = last;
    return !t->full;
}

static bool read_names(struct term_peer *peer, pst_conn *conn, const struct tls_x509 *x)
{
    char buf[NAME_MAX_TEXT];
    struct text subject = { buf, 0, sizeof(buf), false }, issuer;
    struct tls_der cn, unused;

    if (!put_name(&subject, &x->subject, &cn)) {
        return false;
    }
    peer->cert.subject = keep(conn, subject.p, subject.n);
    if (cn.n > 0 && memchr(cn.p, '\0', cn.n) == NULL) {
        peer->cert.subject_cn = keep(conn, (const char *)cn.p, cn.n);
    }
    issuer = (struct text){ buf, 0, sizeof(buf), false };
    if (!put_name(&issuer, &x->issuer, &unused)) {
        return false;
    }
    peer->cert.issuer = keep(conn, issuer.p, issuer.n);
    return true;
}

/* --- alternative names ------------------------------------------------------------------------ */

static uint32_t san_kind(uint8_t tag, const struct tls_der *v)
{
    bool text = v->n > 0 && memchr(v->p, '\0', v->n) == NULL;

    switch (tag) {
    case SAN_RFC822:
        return text ? PST_SAN_EMAIL : 0;
    case SAN_DNS:
        return text ? PST_SAN_DNS : 0;
    case SAN_URI:
        return text ? PST_SAN_URI : 0;
    case SAN_IP:
        return v->n == 4 || v->n == 16 ? PST_SAN_IP : 0;
    default:
        return 0;
    }
}

/* "dns:a,uri:b": for people and logs; commas in values are escaped. */
static void put_san(struct text *t, const struct pst_san *san)
{
    static const char *const kinds[] = { "", "dns:", "email:", "uri:", "ip:" };

    put(t, ",", t->n > 0 ? 1 : 0);
    put(t, kinds[san->kind], strlen(kinds[san->kind]));
    if (san->kind == PST_SAN_IP) {
        put_hex(t, (const uint8_t *)san->value.p, san->value.n);
        return;
    }
    for (size_t i = 0; i < san->value.n; i++) {
        put(t, "\\", san->value.p[i] == ',' || san->value.p[i] == '\\' ? 1 : 0);
        put(t, san->value.p + i, 1);
    }
}

static bool read_sans(struct term_peer *peer, pst_conn *conn, struct tls_der list)
{
    char buf[NAME_MAX_TEXT];
    struct text t = { buf, 0, sizeof(buf), false };
    struct tls_der count = list, v;
    struct pst_san *sans;
    uint32_t n = 0;
    uint8_t tag;

    while (tls_der_next(&count, &tag, &v)) {
        n++;
    }
    if (count.n > 0 || n > SANS_MAX) {
        return false;
    }
    sans = term_host->conn_alloc(conn, (n + 1) * sizeof(*sans));
    if (sans == NULL) {
        return false;
    }
    peer->cert.sans = sans;
    while (tls_der_next(&list, &tag, &v)) {
        uint32_t kind = san_kind(tag, &v);

        if (kind != 0) {
            struct pst_san *san = &sans[peer->cert.n_sans++];

            *san = (struct pst_san){ .value = { (const char *)v.p, v.n }, .kind = kind };
            put_san(&t, san);
        }
    }
    peer->sans = keep(conn, t.p, t.n);
    return true;
}

struct term_peer *peer_parse(pst_conn *conn, const uint8_t *der, size_t n)
{
    struct term_peer *peer = term_host->conn_alloc(conn, sizeof(*peer));
    struct pst_str copy = keep(conn, (const char *)der, n);
    char serial[128];
    struct text t = { serial, 0, sizeof(serial), false };
    struct tls_x509 x;

    if (peer == NULL || copy.n != n || tls_x509_read((const uint8_t *)copy.p, copy.n, &x) != 0) {
        return NULL;
    }
    peer->cert.size = sizeof(peer->cert);
    peer->cert.der = copy;
    peer->cert.not_before = x.not_before;
    peer->cert.not_after = x.not_after;
    put_hex(&t, x.serial.p, x.serial.n);
    peer->cert.serial = keep(conn, t.p, t.n);
    if (t.full || !read_names(peer, conn, &x) || !read_sans(peer, conn, x.sans) ||
        wc_Sha256Hash(x.spki.p, (word32)x.spki.n, peer->cert.spki_sha256) != 0 ||
        wc_Sha256Hash(der, (word32)n, peer->cert.cert_sha256) != 0) {
        return NULL;
    }
    return peer;
}
