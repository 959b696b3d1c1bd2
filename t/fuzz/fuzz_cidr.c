/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks of ip-restrictions: the parser must agree with inet_pton(), and the search over the
 * lines of the input with a search one by one. Every "+" at the beginning of a line adds many
 * networks that differ from those before in some of their last bits.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "modules/ip-restrictions/lookup.h"

#define LINES  64
#define GROWTH 512
#define NETS   4096

/* Addresses searched: a search one by one takes its time. */
#define PROBES 64

static struct cidr nets[NETS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok) {
        abort();
    }
}

/* The address part alone, judged by the C library. */
static void check_address(const char *s, size_t n)
{
    struct in6_addr a6;
    struct in_addr a4;
    struct cidr c;
    char text[CIDR_TEXT], z[64];
    int known;

    if (n >= sizeof(z) || memchr(s, '\0', n) != NULL || memchr(s, '/', n) != NULL) {
        return;
    }
    memcpy(z, s, n);
    z[n] = '\0';
    known = inet_pton(AF_INET, z, &a4) == 1 || inet_pton(AF_INET6, z, &a6) == 1;
    require((cidr_parse(s, n, &c) == CIDR_OK) == known);
    if (known) {
        struct cidr again;
        size_t len = cidr_format(&c, true, text);

        require(cidr_parse(text, len, &again) == CIDR_OK && again.hi == c.hi && again.lo == c.lo &&
                again.family == c.family);
        len = cidr_format(&c, false, text);
        require(cidr_parse(text, len, &again) == CIDR_OK && again.prefix == 128);
        if (inet_pton(AF_INET6, z, &a6) == 1) {
            for (int i = 0; i < 8; i++) {
                require(a6.s6_addr[i] == (uint8_t)(c.hi >> (56 - 8 * i)));
                require(a6.s6_addr[8 + i] == (uint8_t)(c.lo >> (56 - 8 * i)));
            }
        } else {
            inet_pton(AF_INET, z, &a4);
            require(ntohl(a4.s_addr) == (uint32_t)c.lo && c.family == PST_AF_INET);
        }
    }
}

static void check_search(const struct rule_set *set, size_t n, const struct cidr *addr)
{
    const struct rule *r = rule_set_find(set, addr);
    const struct cidr *best = NULL;

    for (size_t i = 0; i < n; i++) {
        if (nets[i].family == addr->family && cidr_contains(&nets[i], addr->hi, addr->lo) &&
            (best == NULL || nets[i].prefix > best->prefix)) {
            best = &nets[i];
        }
    }
    require((r != NULL) == (best != NULL));
    require(r == NULL || (r->prefix == best->prefix && r->hi == best->hi && r->lo == best->lo));
    /* Of equal networks the first is named. */
    require(r == NULL || r->line == (uint32_t)(best - nets));
}

static size_t add(struct rule_set *set, size_t n)
{
    require(rule_set_add(set, &nets[n], 0, (uint32_t)n) == 0);
    return n + 1;
}

/* GROWTH networks beside the n that are there; how many there are then. */
static size_t grow(struct rule_set *set, size_t n)
{
    size_t end = n + GROWTH < NETS ? n + GROWTH : NETS;
    uint64_t r = n;

    while (n > 0 && n < end) {
        const struct cidr *from;
        uint8_t prefix, widest;

        r = r * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        from = &nets[(r >> 33) % n];
        widest = from->family == PST_AF_INET ? 96 : 0;
        prefix = (uint8_t)(widest + (r >> 40) % (129u - widest));
        nets[n] = cidr_mask(from->hi ^ (from->family == PST_AF_INET ? 0 : r >> (r >> 58)),
                            from->lo ^ (r >> 32 >> (r >> 59)), prefix, from->family);
        n = add(set, n);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data, *end = s + size;
    struct rule_set set = { 0 };
    size_t n = 0;

    for (int line = 0; s < end && line < LINES && n < NETS; line++) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        size_t len = (size_t)((nl != NULL ? nl : end) - s);

        check_address(s, len);
        if (cidr_parse(s, len, &nets[n]) == CIDR_OK) {
            n = add(&set, n);
        } else if (*s == '+') {
            n = grow(&set, n);
        }
        s += len + 1;
    }
    require(rule_set_finish(&set) == 0);
    for (size_t i = 0; i < n; i += 1 + n / PROBES) {
        struct cidr first = cidr_mask(nets[i].hi, nets[i].lo, 128, nets[i].family);
        struct cidr after = first;

        check_search(&set, n, &first);
        after.lo++;
        check_search(&set, n, &after);
        after.lo = first.lo - 1;
        check_search(&set, n, &after);
    }
    rule_set_free(&set);
    return 0;
}
