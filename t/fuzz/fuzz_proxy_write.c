/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is written is read back as it was meant: addresses, and each TLV that fitted. The input
 * is a byte of flags, two addresses, then TLVs: type, length, value.
 */
#include <stdlib.h>
#include <string.h>

#include "modules/proxy-protocol/parse.h"
#include "modules/proxy-protocol/write.h"

#define TLVS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was put in, in order; inside an SSL TLV as `depth` says. */
static struct {
    struct proxy_tlv tlv;
    int inner;
} put[TLVS];
static size_t n_put;

struct input {
    const uint8_t *p;
    size_t n;
};

static void require(int ok)
{
    if (!ok) {
        abort();
    }
}

static uint8_t byte(struct input *in)
{
    if (in->n == 0) {
        return 0;
    }
    in->n--;
    return *in->p++;
}

/* An address as the host hands them out: none of them is mapped. */
static struct pst_addr addr(struct input *in)
{
    static const uint8_t families[] = { PST_AF_INET, PST_AF_INET6, PST_AF_UNIX, PST_AF_NONE };
    struct pst_addr a = { .family = families[byte(in) & 3] };
    uint8_t ip[16] = { 0 };

    if (a.family == PST_AF_UNIX || a.family == PST_AF_NONE) {
        return a;
    }
    a.port = (uint16_t)(byte(in) << 8);
    a.port = (uint16_t)(a.port | byte(in));
    for (int i = 0; i < (a.family == PST_AF_INET ? 4 : 16); i++) {
        ip[i] = byte(in);
    }
    if (a.family == PST_AF_INET6) {
        return proxy_addr6(ip, a.port);
    }
    memcpy(a.ip, ip, 4);
    return a;
}

static int is_ip(const struct pst_addr *a)
{
    return a->family == PST_AF_INET || a->family == PST_AF_INET6;
}

static void check_addresses(const struct proxy_header *h, const struct pst_addr *src,
                            const struct pst_addr *dst)
{
    if (!is_ip(src) || !is_ip(dst)) {
        require(h->src.family == PST_AF_NONE && h->dst.family == PST_AF_NONE);
        return;
    }
    require(memcmp(&h->src, src, sizeof(*src)) == 0);
    require(memcmp(&h->dst, dst, sizeof(*dst)) == 0);
}

/* TLVs that the parser would refuse for what they are. */
static int acceptable(uint8_t type, size_t n)
{
    return type != PROXY_TLV_CRC32C && type != PROXY_TLV_SSL &&
           (type != PROXY_TLV_UNIQUE_ID || n <= PROXY_UNIQUE_ID_MAX) &&
           ((type != PROXY_TLV_AUTHORITY && type != PROXY_TLV_ALPN) || n <= PROXY_NAME_MAX);
}

static void write_tlvs(struct proxy_writer *w, struct input *in)
{
    int inner = 0;

    n_put = 0;
    while (in->n > 0 && n_put < TLVS) {
        uint8_t type = byte(in);
        size_t n = (size_t)byte(in) * (type & 1 ? 1 : 16);
        struct pst_str value;

        if (type == PROXY_TLV_SSL) {
            if (inner) {
                proxy_write_ssl_end(w);
                inner = 0;
            } else {
                inner = proxy_write_ssl(w, (uint8_t)n, (uint32_t)n);
            }
            continue;
        }
        n = n < in->n ? n : in->n;
        value = (struct pst_str){ (const char *)in->p, n };
        in->p += n;
        in->n -= n;
        if ((inner || acceptable(type, n)) && proxy_write_tlv(w, type, value)) {
            put[n_put].tlv = (struct proxy_tlv){ type, value };
            put[n_put++].inner = inner;
        }
    }
    if (inner) {
        proxy_write_ssl_end(w);
    }
}

static size_t compare(struct pst_str area, size_t at, int inner)
{
    struct proxy_tlv tlv;

    while (proxy_tlv_next(&area, &tlv) > 0) {
        if (!inner && tlv.type == PROXY_TLV_CRC32C) {
            continue;
        }
        if (!inner && tlv.type == PROXY_TLV_SSL) {
            at = compare(proxy_ssl_area(tlv.value), at, 1);
            continue;
        }
        require(at < n_put && put[at].inner == inner && put[at].tlv.type == tlv.type &&
                put[at].tlv.value.n == tlv.value.n);
        require(tlv.value.n == 0 || memcmp(put[at].tlv.value.p, tlv.value.p, tlv.value.n) == 0);
        at++;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    uint8_t flags = byte(&in), line[PROXY_V1_MAX];
    struct pst_addr src = addr(&in), dst = addr(&in);
    struct proxy_writer w;
    struct proxy_header h;
    struct pst_str crc;
    size_t n = proxy_write_v1(line, &src, &dst);

    require(n <= PROXY_V1_MAX && proxy_parse(line, n, &h) == PROXY_DONE && h.size == n);
    check_addresses(&h, &src, &dst);
    proxy_write_begin(&w, &src, &dst, flags & 1);
    write_tlvs(&w, &in);
    proxy_write_end(&w);
    require(w.n <= PROXY_SEND_MAX);
    require(proxy_parse(w.p, w.n, &h) == PROXY_DONE && h.size == w.n && !h.local);
    check_addresses(&h, &src, &dst);
    require(proxy_tlv_find(h.tlvs, PROXY_TLV_CRC32C, &crc) == (flags & 1));
    require(compare(h.tlvs, 0, 0) == n_put);
    return 0;
}
