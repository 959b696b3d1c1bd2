/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of certificates as RFC 4514 writes them. */
#include "tls-common/tls_common.h"

#include <stdio.h>
#include <string.h>

enum { DER_OID = 0x06, DER_BMP_STRING = 0x1e, DER_SEQUENCE = 0x30, DER_SET = 0x31 };

void tls_text_add(struct tls_text *t, const char *p, size_t n)
{
    if (t->full || n > t->room - t->n) {
        t->full = true;
        return;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

void tls_text_hex(struct tls_text *t, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        const char two[] = { digits[p[i] >> 4], digits[p[i] & 15] };

        tls_text_add(t, two, 2);
    }
}

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

static void put_oid(struct tls_text *t, const struct tls_der *oid)
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
        tls_text_add(t, part, (size_t)n);
        first = false;
        v = 0;
    }
}

/* RFC 4514 section 2.4. */
static void put_value(struct tls_text *t, const struct tls_der *v)
{
    for (size_t i = 0; i < v->n; i++) {
        char c = (char)v->p[i];
        bool edge_space = c == ' ' && (i == 0 || i + 1 == v->n);
        char hex[8];

        if ((unsigned char)c < 0x20 || c == 0x7f) {
            int n = snprintf(hex, sizeof(hex), "\\%02x", (unsigned char)c);
            tls_text_add(t, hex, (size_t)n);
        } else {
            if (edge_space || (c == '#' && i == 0) || strchr("\"+,;<>\\", c) != NULL) {
                tls_text_add(t, "\\", 1);
            }
            tls_text_add(t, &c, 1);
        }
    }
}

/* One AttributeTypeAndValue; the last common name is kept in *cn. */
static bool put_attribute(struct tls_text *t, struct tls_der from, struct tls_der *cn)
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
        tls_text_add(t, name, strlen(name));
    } else {
        put_oid(t, &oid);
    }
    tls_text_add(t, "=", 1);
    if (kind == DER_BMP_STRING || name == NULL) {
        tls_text_add(t, "#", 1);
        tls_text_hex(t, value.p, value.n);
        return true;
    }
    put_value(t, &value);
    if (strcmp(name, "CN") == 0) {
        *cn = value;
    }
    return true;
}

/* The relative names come last first, as RFC 4514 section 2.1 wants them. */
bool tls_text_name(struct tls_text *t, const struct tls_der *name, struct tls_der *cn)
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

        tls_text_add(t, ",", t->n > 0 ? 1 : 0);
        while (rdns[n].n > 0) {
            struct tls_der found = { NULL, 0 };

            tls_text_add(t, "+", first ? 0 : 1);
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
