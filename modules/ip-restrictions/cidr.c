/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cidr.h"

#include <arpa/inet.h>
#include <string.h>

#define MAPPED_BITS 96
#define MAPPED_LO   0x0000ffff00000000ull

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

/* A decimal number without leading zeros, at most `max`, over all of s[0..n). */
static bool parse_decimal(const char *s, size_t n, uint32_t max, uint32_t *out)
{
    uint32_t v = 0;

    if (n == 0 || n > 3 || (n > 1 && s[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
        v = v * 10 + (uint32_t)(s[i] - '0');
    }
    *out = v;
    return v <= max;
}

static bool parse_v4(const char *s, size_t n, uint32_t *out)
{
    uint32_t addr = 0, octet;
    size_t from = 0, parts = 0;

    for (size_t i = 0; i <= n; i++) {
        if (i < n && s[i] != '.') {
            continue;
        }
        if (parts == 4 || !parse_decimal(s + from, i - from, 255, &octet)) {
            return false;
        }
        addr = addr << 8 | octet;
        parts++;
        from = i + 1;
    }
    *out = addr;
    return parts == 4;
}

/* One group of up to four hex digits at s[*i]. */
static bool parse_group(const char *s, size_t n, size_t *i, uint16_t *out)
{
    uint32_t v = 0;
    size_t start = *i;

    while (*i < n && hex_value(s[*i]) >= 0) {
        if (*i - start == 4) {
            return false;
        }
        v = v << 4 | (uint32_t)hex_value(s[*i]);
        (*i)++;
    }
    *out = (uint16_t)v;
    return *i > start;
}

/* The groups of an IPv6 address in order of writing; *gap is where "::" stood, or -1. */
static bool parse_groups(const char *s, size_t n, uint16_t g[8], int *count, int *gap)
{
    size_t i = 0;
    uint32_t v4;

    *count = 0;
    *gap = -1;
    if (n >= 2 && s[0] == ':' && s[1] == ':') {
        *gap = 0;
        i = 2;
    }
    while (i < n) {
        size_t start = i;

        if (*count == 8 || !parse_group(s, n, &i, &g[*count])) {
            return false;
        }
        if (i < n && s[i] == '.') {
            if (*count > 6 || !parse_v4(s + start, n - start, &v4)) {
                return false;
            }
            g[(*count)++] = (uint16_t)(v4 >> 16);
            g[(*count)++] = (uint16_t)v4;
            return true;
        }
        (*count)++;
        if (i == n) {
            return true;
        }
        if (s[i++] != ':' || i == n) {
            return false;
        }
        if (s[i] == ':') {
            if (*gap >= 0) {
                return false;
            }
            *gap = *count;
            i++;
        }
    }
    return *gap >= 0;
}

static bool parse_v6(const char *s, size_t n, uint64_t *hi, uint64_t *lo)
{
    uint16_t g[8] = { 0 }, all[8] = { 0 };
    int count, gap, tail;

    if (!parse_groups(s, n, g, &count, &gap) || (gap < 0) != (count == 8)) {
        return false;
    }
    if (gap < 0) {
        gap = 8;
    }
    tail = count - gap;
    for (int i = 0; i < gap && i < 8; i++) {
        all[i] = g[i];
    }
    for (int i = 0; i < tail; i++) {
        all[8 - tail + i] = g[gap + i];
    }
    *hi = (uint64_t)all[0] << 48 | (uint64_t)all[1] << 32 | (uint64_t)all[2] << 16 | all[3];
    *lo = (uint64_t)all[4] << 48 | (uint64_t)all[5] << 32 | (uint64_t)all[6] << 16 | all[7];
    return true;
}

/* What lies inside ::ffff:0:0/96 counts as IPv4. */
static uint8_t family_of(uint64_t hi, uint64_t lo, uint32_t prefix)
{
    if (prefix >= MAPPED_BITS && hi == 0 && (lo & 0xffffffff00000000ull) == MAPPED_LO) {
        return PST_AF_INET;
    }
    return PST_AF_INET6;
}

struct cidr cidr_mask(uint64_t hi, uint64_t lo, uint8_t prefix, uint8_t family)
{
    struct cidr c = { 0, 0, prefix, family };

    if (prefix >= 64) {
        c.hi = hi;
        c.lo = prefix == 64 ? 0 : lo & (~0ull << (128 - prefix));
    } else if (prefix > 0) {
        c.hi = hi & (~0ull << (64 - prefix));
    }
    return c;
}

enum cidr_result cidr_parse(const char *s, size_t n, struct cidr *out)
{
    const char *slash = memchr(s, '/', n);
    size_t addr_n = slash != NULL ? (size_t)(slash - s) : n;
    uint32_t v4, base = 0, bits = 128, prefix;
    uint64_t hi = 0, lo = 0;

    if (parse_v4(s, addr_n, &v4)) {
        base = MAPPED_BITS;
        bits = 32;
        lo = MAPPED_LO | v4;
    } else if (!parse_v6(s, addr_n, &hi, &lo)) {
        return CIDR_BAD_ADDRESS;
    }
    prefix = bits;
    if (slash != NULL && !parse_decimal(slash + 1, n - addr_n - 1, bits, &prefix)) {
        return CIDR_BAD_PREFIX;
    }
    prefix += base;
    *out = cidr_mask(hi, lo, (uint8_t)prefix, family_of(hi, lo, prefix));
    return out->hi == hi && out->lo == lo ? CIDR_OK : CIDR_HOST_BITS;
}

static void halves_of(const struct pst_addr *a, uint64_t *hi, uint64_t *lo)
{
    *hi = *lo = 0;
    if (a->family == PST_AF_INET) {
        *lo = MAPPED_LO | (uint64_t)a->ip[0] << 24 | (uint64_t)a->ip[1] << 16 |
              (uint64_t)a->ip[2] << 8 | a->ip[3];
        return;
    }
    for (int i = 0; i < 8; i++) {
        *hi = *hi << 8 | a->ip[i];
        *lo = *lo << 8 | a->ip[8 + i];
    }
}

struct cidr cidr_of_net(const struct pst_net *net)
{
    uint32_t prefix = net->prefix + (net->addr.family == PST_AF_INET ? MAPPED_BITS : 0);
    uint64_t hi, lo;

    halves_of(&net->addr, &hi, &lo);
    return cidr_mask(hi, lo, (uint8_t)prefix, family_of(hi, lo, prefix));
}

bool cidr_of_addr(const struct pst_addr *addr, struct cidr *out)
{
    if (addr->family != PST_AF_INET && addr->family != PST_AF_INET6) {
        return false;
    }
    halves_of(addr, &out->hi, &out->lo);
    out->prefix = 128;
    out->family = family_of(out->hi, out->lo, 128);
    return true;
}

bool cidr_contains(const struct cidr *net, uint64_t hi, uint64_t lo)
{
    struct cidr c = cidr_mask(hi, lo, net->prefix, net->family);
    return c.hi == net->hi && c.lo == net->lo;
}

/* A number up to 255. */
static size_t put_u8(char *out, unsigned v)
{
    size_t n = 0;

    if (v >= 100) {
        out[n++] = (char)('0' + v / 100);
    }
    if (v >= 10) {
        out[n++] = (char)('0' + v / 10 % 10);
    }
    out[n++] = (char)('0' + v % 10);
    return n;
}

static size_t put_v4(char buf[CIDR_TEXT], uint32_t ip)
{
    size_t n = 0;

    for (int shift = 24; shift >= 0; shift -= 8) {
        n += put_u8(buf + n, ip >> shift & 0xff);
        buf[n++] = '.';
    }
    return n - 1;
}

static size_t put_v6(char buf[CIDR_TEXT], uint64_t hi, uint64_t lo)
{
    uint8_t ip[16];

    for (int i = 0; i < 8; i++) {
        ip[i] = (uint8_t)(hi >> (56 - 8 * i));
        ip[8 + i] = (uint8_t)(lo >> (56 - 8 * i));
    }
    inet_ntop(AF_INET6, ip, buf, CIDR_TEXT);
    return strlen(buf);
}

size_t cidr_format(const struct cidr *c, bool address_only, char buf[CIDR_TEXT])
{
    bool v4 = c->family == PST_AF_INET;
    size_t n = v4 ? put_v4(buf, (uint32_t)c->lo) : put_v6(buf, c->hi, c->lo);

    if (!address_only) {
        buf[n++] = '/';
        n += put_u8(buf + n, c->prefix - (v4 ? MAPPED_BITS : 0u));
    }
    buf[n] = '\0';
    return n;
}
