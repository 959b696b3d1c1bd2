/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire.h"

const uint8_t proxy_signature[PROXY_SIGNATURE] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                   0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

int proxy_tlv_next(struct pst_str *area, struct proxy_tlv *out)
{
    size_t n;

    if (area->n == 0) {
        return 0;
    }
    if (area->n < PROXY_TLV_HEAD) {
        return -1;
    }
    n = proxy_get16(area->p + 1);
    if (n > area->n - PROXY_TLV_HEAD) {
        return -1;
    }
    out->type = (uint8_t)area->p[0];
    out->value = (struct pst_str){ area->p + PROXY_TLV_HEAD, n };
    area->p += PROXY_TLV_HEAD + n;
    area->n -= PROXY_TLV_HEAD + n;
    return 1;
}

bool proxy_tlv_find(struct pst_str area, uint8_t type, struct pst_str *value)
{
    struct proxy_tlv tlv;

    while (proxy_tlv_next(&area, &tlv) > 0) {
        if (tlv.type == type) {
            *value = tlv.value;
            return true;
        }
    }
    return false;
}

struct pst_str proxy_ssl_area(struct pst_str value)
{
    if (value.n < PROXY_SSL_HEAD) {
        return (struct pst_str){ "", 0 };
    }
    return (struct pst_str){ value.p + PROXY_SSL_HEAD, value.n - PROXY_SSL_HEAD };
}

/* Four bits at a time: headers are short, and the table fits one cache line. */
uint32_t proxy_crc32c(uint32_t crc, const void *p, size_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *b = p;

    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= b[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

uint16_t proxy_get16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] << 8 | b[1]);
}

uint32_t proxy_get32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

void proxy_put16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)(v >> 8);
    b[1] = (uint8_t)v;
}

void proxy_put32(void *p, uint32_t v)
{
    proxy_put16(p, (uint16_t)(v >> 16));
    proxy_put16((uint8_t *)p + 2, (uint16_t)v);
}
