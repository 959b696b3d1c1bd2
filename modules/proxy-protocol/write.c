/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "write.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_ip(const struct pst_addr *a)
{
    return a->family == PST_AF_INET || a->family == PST_AF_INET6;
}

/* The family that both addresses can be written in, PST_AF_NONE: there is none. */
static unsigned common_family(const struct pst_addr *src, const struct pst_addr *dst)
{
    if (!is_ip(src) || !is_ip(dst)) {
        return PST_AF_NONE;
    }
    return src->family == dst->family ? src->family : PST_AF_INET6;
}

static void as_ip6(const struct pst_addr *a, uint8_t out[16])
{
    memcpy(out, a->ip, 16);
    if (a->family == PST_AF_INET) {
        memset(out, 0, 10);
        memset(out + 10, 0xff, 2);
        memcpy(out + 12, a->ip, 4);
    }
}

/* --- version 1 ------------------------------------------------------------------------------- */

/*
 * Section 2.1 wants groups of four hexadecimal digits: the dotted end that inet_ntop() gives a
 * mapped address is none.
 */
static void text6(const struct pst_addr *a, char out[INET6_ADDRSTRLEN])
{
    uint8_t ip[16];

    as_ip6(a, ip);
    if (a->family == PST_AF_INET) {
        snprintf(out, INET6_ADDRSTRLEN, "::ffff:%x:%x", proxy_get16(ip + 12), proxy_get16(ip + 14));
    } else {
        inet_ntop(AF_INET6, ip, out, INET6_ADDRSTRLEN);
    }
}

size_t proxy_write_v1(uint8_t out[PROXY_V1_MAX], const struct pst_addr *src,
                      const struct pst_addr *dst)
{
    char line[PROXY_V1_MAX + 1], s[INET6_ADDRSTRLEN], d[INET6_ADDRSTRLEN];
    int n;

    switch (common_family(src, dst)) {
    case PST_AF_INET:
        inet_ntop(AF_INET, src->ip, s, sizeof(s));
        inet_ntop(AF_INET, dst->ip, d, sizeof(d));
        n = snprintf(line, sizeof(line), "PROXY TCP4 %s %s %u %u\r\n", s, d, src->port, dst->port);
        break;
    case PST_AF_INET6:
        text6(src, s);
        text6(dst, d);
        n = snprintf(line, sizeof(line), "PROXY TCP6 %s %s %u %u\r\n", s, d, src->port, dst->port);
        break;
    default:
        n = snprintf(line, sizeof(line), "PROXY UNKNOWN\r\n");
        break;
    }
    memcpy(out, line, (size_t)n);
    return (size_t)n;
}

/* --- version 2 ------------------------------------------------------------------------------- */

static void put(struct proxy_writer *w, const void *p, size_t n)
{
    if (n > 0) {
        memcpy(w->p + w->n, p, n);
        w->n += n;
    }
}

static void put16(struct proxy_writer *w, uint16_t v)
{
    proxy_put16(w->p + w->n, v);
    w->n += 2;
}

void proxy_write_begin(struct proxy_writer *w, const struct pst_addr *src,
                       const struct pst_addr *dst, bool crc)
{
    unsigned family = common_family(src, dst);
    uint8_t ip[16];

    w->ssl = w->crc = 0;
    w->left_out = 0;
    memcpy(w->p, proxy_signature, PROXY_SIGNATURE);
    w->p[12] = PROXY_PROXY;
    w->p[13] = family == PST_AF_INET    ? PROXY_TCP4
               : family == PST_AF_INET6 ? PROXY_TCP6
                                        : PROXY_UNSPEC;
    w->n = PROXY_V2_HEAD;
    if (family == PST_AF_INET) {
        put(w, src->ip, 4);
        put(w, dst->ip, 4);
    } else if (family == PST_AF_INET6) {
        as_ip6(src, ip);
        put(w, ip, sizeof(ip));
        as_ip6(dst, ip);
        put(w, ip, sizeof(ip));
    }
    if (family != PST_AF_NONE) {
        put16(w, src->port);
        put16(w, dst->port);
    }
    if (crc) {
        static const char zeros[4];

        w->crc = w->n + PROXY_TLV_HEAD;
        (void)proxy_write_tlv(w, PROXY_TLV_CRC32C, (struct pst_str){ zeros, sizeof(zeros) });
    }
}

bool proxy_write_tlv(struct proxy_writer *w, uint8_t type, struct pst_str value)
{
    if (value.n > sizeof(w->p) || w->n + PROXY_TLV_HEAD + value.n > sizeof(w->p)) {
        w->left_out++;
        return false;
    }
    w->p[w->n++] = type;
    put16(w, (uint16_t)value.n);
    put(w, value.p, value.n);
    return true;
}

bool proxy_write_ssl(struct proxy_writer *w, uint8_t client, uint32_t verify)
{
    uint8_t head[PROXY_SSL_HEAD] = { client };
    size_t at = w->n;

    proxy_put32(head + 1, verify);
    if (!proxy_write_tlv(w, PROXY_TLV_SSL, (struct pst_str){ (char *)head, sizeof(head) })) {
        return false;
    }
    w->ssl = at;
    return true;
}

void proxy_write_ssl_end(struct proxy_writer *w)
{
    proxy_put16(w->p + w->ssl + 1, (uint16_t)(w->n - w->ssl - PROXY_TLV_HEAD));
    w->ssl = 0;
}

void proxy_write_end(struct proxy_writer *w)
{
    proxy_put16(w->p + 14, (uint16_t)(w->n - PROXY_V2_HEAD));
    if (w->crc != 0) {
        proxy_put32(w->p + w->crc, proxy_crc32c(0, w->p, w->n));
    }
}
