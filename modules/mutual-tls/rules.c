/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules against certificates. Names have a kind and a length and are compared whole: no wildcard
 * in a certificate or in a rule stands for anything, and a name with a NUL byte is no name.
 */
#include "mtls.h"

#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool mtls_parse_digest(const char *s, size_t n, uint8_t out[MTLS_DIGEST])
{
    size_t step = n == 2 * MTLS_DIGEST ? 2 : 3;

    if (n != 2 * MTLS_DIGEST && n != 3 * MTLS_DIGEST - 1) {
        return false;
    }
    for (size_t i = 0; i < MTLS_DIGEST; i++) {
        const char *p = s + i * step;
        int hi = hex_value(p[0]), lo = hex_value(p[1]);

        if (hi < 0 || lo < 0 || (step == 3 && i + 1 < MTLS_DIGEST && p[2] != ':')) {
            return false;
        }
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

static bool is_same(const struct pst_str *rule, const struct pst_str *name)
{
    return rule->n == name->n && memchr(name->p, '\0', name->n) == NULL &&
           memcmp(rule->p, name->p, name->n) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Host names are ASCII, and the locale has no say in them. */
static bool is_same_host(const struct pst_str *rule, const struct pst_str *name)
{
    if (rule->n != name->n || memchr(name->p, '\0', name->n) != NULL) {
        return false;
    }
    for (size_t i = 0; i < name->n; i++) {
        if (lower(rule->p[i]) != lower(name->p[i])) {
            return false;
        }
    }
    return true;
}

/* True when the rule names none of this kind, or the certificate has it. */
static bool has_san(const struct pst_str *rule, uint32_t kind, const struct pst_peer_cert *cert)
{
    if (rule->n == 0) {
        return true;
    }
    for (uint32_t i = 0; i < cert->n_sans; i++) {
        const struct pst_san *san = &cert->sans[i];

        if (san->kind == kind &&
            (kind == PST_SAN_DNS ? is_same_host(rule, &san->value) : is_same(rule, &san->value))) {
            return true;
        }
    }
    return false;
}

static bool matches(const struct mtls_rule *r, const struct pst_peer_cert *cert)
{
    return (r->cn.n == 0 || is_same(&r->cn, &cert->subject_cn)) &&
           has_san(&r->san_dns, PST_SAN_DNS, cert) && has_san(&r->san_uri, PST_SAN_URI, cert) &&
           has_san(&r->san_email, PST_SAN_EMAIL, cert) &&
           (!r->has_spki || memcmp(r->spki_sha256, cert->spki_sha256, MTLS_DIGEST) == 0) &&
           (!r->has_cert || memcmp(r->cert_sha256, cert->cert_sha256, MTLS_DIGEST) == 0);
}

int mtls_match(const struct mtls_rule *rules, uint32_t n, const struct pst_peer_cert *cert)
{
    for (uint32_t i = 0; i < n; i++) {
        if (matches(&rules[i], cert)) {
            return (int)i;
        }
    }
    return -1;
}
