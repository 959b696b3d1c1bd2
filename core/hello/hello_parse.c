/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ClientHello message (RFC 8446 section 4.1.2). Two passes: the first finds and checks
 * everything, the second fills lists whose exact sizes are known by then.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/hello/hello_priv.h"

#define TYPE_CLIENT_HELLO 1
#define RANDOM_LEN        32
#define SESSION_ID_MAX    32

enum {
    EXT_SERVER_NAME = 0,
    EXT_GROUPS = 10,
    EXT_SIGALGS = 13,
    EXT_ALPN = 16,
    EXT_VERSIONS = 43,
    EXT_ECH = 0xfe0d
};

#define NAME_TYPE_HOST 0

/* Bytes that are still to be read. */
struct span {
    const uint8_t *p;
    size_t n;
};

/* Where the first pass found the lists; n is 0 for those that are not there. */
struct found {
    struct span ciphers, groups, sigalgs, versions, alpn, extensions;
    size_t n_alpn, n_extensions;
    uint16_t legacy_version;
    bool ech;
};

/* The three that follow run for every field of every hello: worth being one piece of code. */
#define SPAN_INLINE static inline __attribute__((always_inline)) bool

/* Take n bytes off the front. */
SPAN_INLINE span_take(struct span *s, size_t n, struct span *out)
{
    if (s->n < n) {
        return false;
    }
    *out = (struct span){ s->p, n };
    s->p += n;
    s->n -= n;
    return true;
}

/* Take a big-endian number of `bytes` bytes (1 to 3). */
SPAN_INLINE span_number(struct span *s, size_t bytes, uint32_t *out)
{
    struct span raw;

    if (!span_take(s, bytes, &raw)) {
        return false;
    }
    *out = raw.p[0];
    if (bytes > 1) {
        *out = *out << 8 | raw.p[1];
    }
    if (bytes > 2) {
        *out = *out << 8 | raw.p[2];
    }
    return true;
}

/* Take a vector that begins with its length in `bytes` bytes. */
SPAN_INLINE span_vector(struct span *s, size_t bytes, struct span *out)
{
    uint32_t n;

    return span_number(s, bytes, &n) && span_take(s, n, out);
}

/* The whole of s is one vector of one or more 16-bit numbers. */
static bool span_numbers(struct span s, size_t bytes, struct span *out)
{
    return span_vector(&s, bytes, out) && s.n == 0 && out->n > 0 && out->n % 2 == 0;
}

int hello_check_head(struct hello_reader *r)
{
    const uint8_t *p = r->msg.p;

    if (r->msg.len >= 1 && p[0] != TYPE_CLIENT_HELLO) {
        return hello_fail(r, HELLO_BAD, "the first handshake message is no ClientHello");
    }
    if (r->msg.len >= HELLO_HEAD &&
        HELLO_HEAD + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]) > HELLO_MAX) {
        return hello_fail(r, HELLO_TOO_LARGE, "ClientHello larger than 64 KiB");
    }
    return HELLO_MORE;
}

/* server_name, RFC 6066 section 3. */
static int read_sni(struct hello_reader *r, struct span s)
{
    struct span list, name;
    uint32_t type;
    size_t n;

    if (!span_vector(&s, 2, &list) || s.n > 0 || list.n == 0) {
        return hello_fail(r, HELLO_BAD, "malformed server_name extension");
    }
    if (!span_number(&list, 1, &type)) {
        return hello_fail(r, HELLO_BAD, "malformed server_name extension");
    }
    if (type != NAME_TYPE_HOST) {
        return hello_fail(r, HELLO_BAD_NAME, "server name of an unknown type");
    }
    if (!span_vector(&list, 2, &name) || name.n == 0) {
        return hello_fail(r, HELLO_BAD, "malformed server_name extension");
    }
    if (list.n > 0) {
        return hello_fail(r, HELLO_BAD_NAME, "more than one server name");
    }
    if (name_normalise((const char *)name.p, name.n, r->sni, &n) < 0) {
        return hello_fail(r, HELLO_BAD_NAME, "the server name is no host name");
    }
    r->has_sni = true;
    return HELLO_DONE;
}

/* application_layer_protocol_negotiation, RFC 7301 section 3.1. */
static int read_alpn(struct hello_reader *r, struct span s, struct found *f)
{
    struct span list, one;

    if (!span_vector(&s, 2, &list) || s.n > 0 || list.n == 0) {
        return hello_fail(r, HELLO_BAD, "malformed ALPN extension");
    }
    f->alpn = list;
    while (list.n > 0) {
        if (!span_vector(&list, 1, &one) || one.n == 0) {
            return hello_fail(r, HELLO_BAD, "malformed ALPN extension");
        }
        f->n_alpn++;
    }
    return HELLO_DONE;
}

static int read_extension(struct hello_reader *r, uint32_t type, struct span body, struct found *f)
{
    bool ok = true;

    switch (type) {
    case EXT_SERVER_NAME:
        return read_sni(r, body);
    case EXT_ALPN:
        return read_alpn(r, body, f);
    case EXT_GROUPS:
        ok = span_numbers(body, 2, &f->groups);
        break;
    case EXT_SIGALGS:
        ok = span_numbers(body, 2, &f->sigalgs);
        break;
    case EXT_VERSIONS:
        ok = span_numbers(body, 1, &f->versions);
        break;
    case EXT_ECH:
        f->ech = true;
        break;
    default:
        break;
    }
    return ok ? HELLO_DONE : hello_fail(r, HELLO_BAD, "malformed extension");
}

/* Which extension types have been seen; a page of bits is zeroed when its first type comes. */
struct seen {
    uint64_t used[4];
    uint64_t bits[256][4];
};

/* Note a type. True: it was noted before. */
static bool seen_before(struct seen *s, uint32_t type)
{
    uint64_t *page = s->bits[type >> 8];
    uint64_t *used = &s->used[type >> 14];
    uint64_t *word = &page[type >> 6 & 3];

    if ((*used & UINT64_C(1) << (type >> 8 & 63)) == 0) {
        *used |= UINT64_C(1) << (type >> 8 & 63);
        memset(page, 0, sizeof(s->bits[0]));
    }
    if ((*word & UINT64_C(1) << (type & 63)) != 0) {
        return true;
    }
    *word |= UINT64_C(1) << (type & 63);
    return false;
}

static int read_extensions(struct hello_reader *r, struct found *f)
{
    struct seen seen;
    struct span s = f->extensions;

    memset(seen.used, 0, sizeof(seen.used));

    while (s.n > 0) {
        struct span body;
        uint32_t type;

        if (!span_number(&s, 2, &type) || !span_vector(&s, 2, &body)) {
            return hello_fail(r, HELLO_BAD, "malformed extensions");
        }
        if (seen_before(&seen, type)) {
            return type == EXT_SERVER_NAME
                       ? hello_fail(r, HELLO_BAD_NAME, "more than one server_name extension")
                       : hello_fail(r, HELLO_BAD, "the same extension twice");
        }
        f->n_extensions++;
        int rc = read_extension(r, type, body, f);
        if (rc != HELLO_DONE) {
            return rc;
        }
    }
    return HELLO_DONE;
}

/* The first pass. */
static int find(struct hello_reader *r, struct found *f)
{
    struct span s = { r->msg.p, r->msg.len };
    struct span skip, body;
    uint32_t legacy;

    if (!span_take(&s, 1, &skip) || !span_vector(&s, 3, &body) || s.n > 0) {
        return hello_fail(r, HELLO_BAD, "malformed ClientHello");
    }
    if (!span_number(&body, 2, &legacy) || !span_take(&body, RANDOM_LEN, &skip)) {
        return hello_fail(r, HELLO_BAD, "ClientHello cut short");
    }
    f->legacy_version = (uint16_t)legacy;
    if (!span_vector(&body, 1, &skip) || skip.n > SESSION_ID_MAX) {
        return hello_fail(r, HELLO_BAD, "malformed session id");
    }
    if (!span_vector(&body, 2, &f->ciphers) || f->ciphers.n == 0 || f->ciphers.n % 2 != 0) {
        return hello_fail(r, HELLO_BAD, "malformed cipher suites");
    }
    if (!span_vector(&body, 1, &skip) || skip.n == 0) {
        return hello_fail(r, HELLO_BAD, "malformed compression methods");
    }
    if (body.n == 0) {
        return HELLO_DONE; /* TLS 1.2 allows a hello without extensions */
    }
    if (!span_vector(&body, 2, &f->extensions) || body.n > 0) {
        return hello_fail(r, HELLO_BAD, "malformed extensions");
    }
    return read_extensions(r, f);
}

/* Decode 16-bit numbers to *at, which moves behind them. */
static const uint16_t *fill_numbers(uint16_t **at, struct span s, uint32_t *n)
{
    uint16_t *list = *at;

    *n = (uint32_t)(s.n / 2);
    for (uint32_t i = 0; i < *n; i++) {
        list[i] = (uint16_t)(s.p[2 * i] << 8 | s.p[2 * i + 1]);
    }
    *at += *n;
    return list;
}

static const uint16_t *fill_types(uint16_t **at, struct span s, uint32_t *n)
{
    uint16_t *list = *at;
    struct span body;
    uint32_t type;

    *n = 0;
    while (span_number(&s, 2, &type) && span_vector(&s, 2, &body)) {
        list[(*n)++] = (uint16_t)type;
    }
    *at += *n;
    return list;
}

static const struct pst_str *fill_alpn(struct pst_str *list, struct span s, uint32_t *n)
{
    struct span one;

    *n = 0;
    while (span_vector(&s, 1, &one)) {
        list[(*n)++] = (struct pst_str){ (const char *)one.p, one.n };
    }
    return list;
}

/* The second pass. */
static int fill(struct hello_reader *r, const struct found *f)
{
    struct pst_hello *h = &r->out;
    size_t numbers = (f->ciphers.n + f->groups.n + f->sigalgs.n + f->versions.n) / 2 +
                     f->n_extensions + 1; /* 1: the legacy version */
    struct pst_str *names = malloc(f->n_alpn * sizeof(struct pst_str) + numbers * sizeof(uint16_t));

    if (!names) {
        return hello_fail(r, HELLO_NOMEM, "out of memory");
    }
    free(r->lists);
    r->lists = names;
    uint16_t *at = (uint16_t *)(void *)(names + f->n_alpn);
    memset(h, 0, sizeof(*h));
    h->size = sizeof(*h);
    h->flags = (f->ech ? PST_HELLO_ECH : 0u) | (r->fragmented ? PST_HELLO_FRAGMENTED : 0u);
    h->raw = (struct pst_str){ (const char *)r->msg.p, r->msg.len };
    h->sni = (struct pst_str){ r->sni, r->has_sni ? strlen(r->sni) : 0 };
    h->legacy_version = f->legacy_version;
    h->alpn = fill_alpn(names, f->alpn, &h->n_alpn);
    h->ciphers = fill_numbers(&at, f->ciphers, &h->n_ciphers);
    h->groups = fill_numbers(&at, f->groups, &h->n_groups);
    h->sigalgs = fill_numbers(&at, f->sigalgs, &h->n_sigalgs);
    h->extensions = fill_types(&at, f->extensions, &h->n_extensions);
    h->versions = fill_numbers(&at, f->versions, &h->n_versions);
    if (h->n_versions == 0) {
        *at = f->legacy_version;
        h->n_versions = 1;
    }
    r->status = HELLO_DONE;
    return HELLO_DONE;
}

int hello_parse(struct hello_reader *r)
{
    struct found f = { 0 };

    if (hello_check_head(r) != HELLO_MORE) {
        return r->status;
    }
    int rc = find(r, &f);
    return rc == HELLO_DONE ? fill(r, &f) : rc;
}
