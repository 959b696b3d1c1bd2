/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/hello/ja4.h"

#include <sha256.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

#define EXT_SNI   0x0000
#define EXT_ALPN  0x0010
#define HASH_LEN  12
#define COUNT_MAX 99

/* Values that are hashed at once. */
#define BLOCK 64
/* Values of a hello that are put in order without asking for memory. */
#define FEW 256
/* Up to here sorting by insertion is the fastest. */
#define SHORT_LIST 64
/* Hashes that a thread keeps, and the values of the longest list among them. */
#define KEPT        64 /* a power of two */
#define KEPT_VALUES 96

static const char hex[] = "0123456789abcdef";

/* RFC 8701: 0x0a0a, 0x1a1a, ... 0xfafa. */
static bool is_grease(uint16_t v)
{
    return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static int compare(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* Copy what is not GREASE; answers how many. */
static size_t pick(uint16_t *out, const uint16_t *list, size_t n)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        out[m] = list[i];
        m += is_grease(list[i]) ? 0 : 1;
    }
    return m;
}

/* Take SNI and ALPN out; answers how many are left. */
static size_t drop_names(uint16_t *list, size_t n)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        list[m] = list[i];
        m += list[i] == EXT_SNI || list[i] == EXT_ALPN ? 0 : 1;
    }
    return m;
}

/* Add "xxxx,xxxx,..." to a hash. */
static void hash_list(SHA2_CTX *ctx, const uint16_t *list, size_t n)
{
    uint8_t text[BLOCK * 5];
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            text[len++] = ',';
        }
        for (int shift = 12; shift >= 0; shift -= 4) {
            text[len++] = (uint8_t)hex[list[i] >> shift & 15];
        }
        if (len > sizeof(text) - 5 || i + 1 == n) {
            SHA256Update(ctx, text, len);
            len = 0;
        }
    }
}

/* The first 12 hexadecimal digits of the hash. */
static void hash_end(SHA2_CTX *ctx, char *out)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    SHA256Final(digest, ctx);
    for (size_t i = 0; i < HASH_LEN / 2; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
}

static const char *version_text(const struct pst_hello *h)
{
    static const struct {
        uint16_t version;
        const char *text;
    } known[] = {
        { 0x0304, "13" }, { 0x0303, "12" }, { 0x0302, "11" }, { 0x0301, "10" }, { 0x0300, "s3" },
        { 0x0002, "s2" }, { 0xfeff, "d1" }, { 0xfefd, "d2" }, { 0xfefc, "d3" },
    };
    uint16_t highest = 0;

    for (uint32_t i = 0; i < h->n_versions; i++) {
        if (!is_grease(h->versions[i]) && h->versions[i] > highest) {
            highest = h->versions[i];
        }
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].version == highest) {
            return known[i].text;
        }
    }
    return "00";
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* First and last character of the first protocol, or of its hexadecimal form. */
static void alpn_text(const struct pst_hello *h, char out[2])
{
    if (h->n_alpn == 0 || h->alpn[0].n == 0) {
        memset(out, '0', 2);
        return;
    }
    uint8_t first = (uint8_t)h->alpn[0].p[0];
    uint8_t last = (uint8_t)h->alpn[0].p[h->alpn[0].n - 1];
    if (is_alnum(first) && is_alnum(last)) {
        out[0] = (char)first;
        out[1] = (char)last;
    } else {
        out[0] = hex[first >> 4];
        out[1] = hex[last & 15];
    }
}

static bool offers(const struct pst_hello *h, uint16_t type)
{
    for (uint32_t i = 0; i < h->n_extensions; i++) {
        if (h->extensions[i] == type) {
            return true;
        }
    }
    return false;
}

/* Two decimal digits. */
static char *put_count(char *out, size_t n)
{
    unsigned capped = n < COUNT_MAX ? (unsigned)n : COUNT_MAX;

    *out++ = (char)('0' + capped / 10);
    *out++ = (char)('0' + capped % 10);
    return out;
}

static char *put(char *out, const char *p, size_t n)
{
    memcpy(out, p, n);
    return out + n;
}

/* Lists are short, or else somebody wants to waste our time. */
static void sort(uint16_t *list, size_t n)
{
    if (n > SHORT_LIST) {
        qsort(list, n, sizeof(*list), compare);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        uint16_t v = list[i];
        size_t k = i;

        for (; k > 0 && list[k - 1] > v; k--) {
            list[k] = list[k - 1];
        }
        list[k] = v;
    }
}

static void hash(const uint16_t *list, size_t n, size_t m, char *out)
{
    SHA2_CTX ctx;

    SHA256Init(&ctx);
    hash_list(&ctx, list, n);
    if (m > 0) {
        SHA256Update(&ctx, (const uint8_t *)"_", 1);
        hash_list(&ctx, list + n, m);
    }
    hash_end(&ctx, out);
}

/* Four values at a time, and the last one by one. */
static size_t slot_of(const uint16_t *list, size_t n)
{
    uint64_t h = n, w = 0;
    size_t i = 0;

    for (; n - i >= 4; i += 4) {
        memcpy(&w, list + i, sizeof(w));
        h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
    }
    for (; i < n; i++) {
        h = (h ^ list[i]) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return h >> 32 & (KEPT - 1);
}

/*
 * Clients are of few kinds, and all of a kind have the same lists: each thread keeps the hashes it
 * made last. Lists are compared as a whole, so nobody can plant a wrong one.
 */
static void hash_kept(const uint16_t *list, size_t n, size_t m, char *out)
{
    static _Thread_local struct {
        size_t n, m; /* both 0: empty */
        uint16_t list[KEPT_VALUES];
        char hash[HASH_LEN];
    } kept[KEPT];
    size_t slot;

    if (n + m > KEPT_VALUES) {
        hash(list, n, m, out);
        return;
    }
    slot = slot_of(list, n + m);
    if (kept[slot].n != n || kept[slot].m != m ||
        memcmp(kept[slot].list, list, (n + m) * sizeof(*list)) != 0) {
        hash(list, n, m, kept[slot].hash);
        memcpy(kept[slot].list, list, (n + m) * sizeof(*list));
        kept[slot].n = n;
        kept[slot].m = m;
    }
    memcpy(out, kept[slot].hash, HASH_LEN);
}

/* Of n values, which are sorted, and m more behind them as they came. */
static void hash_sorted(uint16_t *list, size_t n, size_t m, char *out)
{
    if (n == 0) {
        memset(out, '0', HASH_LEN);
        return;
    }
    sort(list, n);
    hash_kept(list, n, m, out);
}

int ja4_compute(const struct pst_hello *h, char out[JA4_LEN + 1])
{
    size_t room = h->n_ciphers + (size_t)h->n_extensions + h->n_sigalgs + 1;
    uint16_t few[FEW], *list = room <= FEW ? few : malloc(room * sizeof(*list));
    char b[HASH_LEN], c[HASH_LEN], alpn[2];

    if (!list) {
        return ERR_NOMEM;
    }
    size_t n_ciphers = pick(list, h->ciphers, h->n_ciphers);
    hash_sorted(list, n_ciphers, 0, b); /* JA4_b */
    size_t n_extensions = pick(list, h->extensions, h->n_extensions);
    size_t n_hashed = drop_names(list, n_extensions);
    size_t n_sigalgs = pick(list + n_hashed, h->sigalgs, h->n_sigalgs);
    hash_sorted(list, n_hashed, n_sigalgs, c); /* JA4_c */
    if (list != few) {
        free(list);
    }
    alpn_text(h, alpn);
    out = put(out, "t", 1);
    out = put(out, version_text(h), 2);
    out = put(out, offers(h, EXT_SNI) ? "d" : "i", 1);
    out = put_count(out, n_ciphers);
    out = put_count(out, n_extensions);
    out = put(out, alpn, 2);
    out = put(out, "_", 1);
    out = put(out, b, HASH_LEN);
    out = put(out, "_", 1);
    out = put(out, c, HASH_LEN);
    *out = '\0';
    return ERR_OK;
}
