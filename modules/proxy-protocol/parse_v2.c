/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Version 2, binary: section 2.2. */
#include "parse.h"

#include <string.h>

/* Halves of the 14th byte. */
enum { FAMILY_UNSPEC, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX, FAMILY_COUNT };
enum { TRANSPORT_UNSPEC, TRANSPORT_STREAM, TRANSPORT_DGRAM, TRANSPORT_COUNT };

static const size_t address_size[FAMILY_COUNT] = { 0, 2 * 4 + 2 * 2, 2 * 16 + 2 * 2, 2 * 108 };

static enum proxy_result bad(struct proxy_header *out, const char *why)
{
    out->why = why;
    return PROXY_BAD;
}

/* The fixed part, judged byte by byte as it comes. */
static enum proxy_result head(const uint8_t *p, size_t n, struct proxy_header *out)
{
    if (memcmp(p, proxy_signature, n < PROXY_SIGNATURE ? n : PROXY_SIGNATURE) != 0) {
        out->why = "the first bytes are no PROXY protocol header";
        return PROXY_MISSING;
    }
    if (n > 12 && p[12] != PROXY_LOCAL && p[12] != PROXY_PROXY) {
        return bad(out, p[12] >> 4 != 2 ? "a version that is not 2" : "an unknown command");
    }
    /* A LOCAL command's family is ignored, whatever it is. */
    if (n > 13 && p[12] == PROXY_PROXY && p[13] >> 4 >= FAMILY_COUNT) {
        return bad(out, "an unknown address family");
    }
    if (n > 13 && p[12] == PROXY_PROXY && (p[13] & 15) >= TRANSPORT_COUNT) {
        return bad(out, "an unknown transport");
    }
    if (n < PROXY_V2_HEAD) {
        return PROXY_MORE;
    }
    if (proxy_get16(p + 14) > PROXY_V2_BODY_MAX) {
        return bad(out, "longer than 4096 bytes");
    }
    out->size = PROXY_V2_HEAD + (size_t)proxy_get16(p + 14);
    return n < out->size ? PROXY_MORE : PROXY_DONE;
}

/* Only streams have a meaning here; every other transport counts as unspecified. */
static void addresses(const uint8_t *p, unsigned family, struct proxy_header *out)
{
    switch (family) {
    case FAMILY_INET:
        out->src = (struct pst_addr){ .family = PST_AF_INET, .port = proxy_get16(p + 8) };
        out->dst = (struct pst_addr){ .family = PST_AF_INET, .port = proxy_get16(p + 10) };
        memcpy(out->src.ip, p, 4);
        memcpy(out->dst.ip, p + 4, 4);
        break;
    case FAMILY_INET6:
        out->src = proxy_addr6(p, proxy_get16(p + 32));
        out->dst = proxy_addr6(p + 16, proxy_get16(p + 34));
        break;
    case FAMILY_UNIX:
        out->src.family = out->dst.family = PST_AF_UNIX;
        break;
    default:
        break;
    }
}

static const char *wrong_ssl(struct pst_str value)
{
    struct pst_str area = proxy_ssl_area(value);
    struct proxy_tlv tlv;
    int more;

    if (value.n < PROXY_SSL_HEAD) {
        return "an SSL TLV that is too short";
    }
    while ((more = proxy_tlv_next(&area, &tlv)) > 0) {
    }
    return more == 0 ? NULL : "inside the SSL TLV, one passes its end";
}

/* The checksum is that of the header with zeros in its place (section 2.2.3). */
static bool crc_matches(const uint8_t *p, size_t n, const uint8_t *field)
{
    static const uint8_t zeros[4];
    size_t before = (size_t)(field - p);
    uint32_t crc = proxy_crc32c(0, p, before);

    crc = proxy_crc32c(crc, zeros, sizeof(zeros));
    crc = proxy_crc32c(crc, field + sizeof(zeros), n - before - sizeof(zeros));
    return crc == proxy_get32(field);
}

/* What is wrong with one TLV, NULL: nothing. *crc is the checksum's value, once it was seen. */
static const char *wrong_tlv(const struct proxy_tlv *tlv, const uint8_t **crc)
{
    switch (tlv->type) {
    case PROXY_TLV_CRC32C:
        if (tlv->value.n != 4 || *crc != NULL) {
            return "a checksum that is not 4 bytes, or a second one";
        }
        *crc = (const uint8_t *)tlv->value.p;
        return NULL;
    case PROXY_TLV_UNIQUE_ID:
        return tlv->value.n > PROXY_UNIQUE_ID_MAX ? "a unique id of more than 128 bytes" : NULL;
    case PROXY_TLV_AUTHORITY:
    case PROXY_TLV_ALPN:
        return tlv->value.n > PROXY_NAME_MAX ? "an authority or ALPN of more than 255 bytes" : NULL;
    case PROXY_TLV_SSL:
        return wrong_ssl(tlv->value);
    default:
        return NULL;
    }
}

static enum proxy_result tlvs(const uint8_t *p, struct proxy_header *out)
{
    struct pst_str area = out->tlvs;
    const uint8_t *crc = NULL;
    struct proxy_tlv tlv;
    int more;

    while ((more = proxy_tlv_next(&area, &tlv)) > 0) {
        const char *why = wrong_tlv(&tlv, &crc);

        if (why != NULL) {
            return bad(out, why);
        }
    }
    if (more < 0) {
        return bad(out, "a TLV passes the end of the header");
    }
    if (crc != NULL && !crc_matches(p, out->size, crc)) {
        return bad(out, "the checksum is wrong");
    }
    return PROXY_DONE;
}

enum proxy_result proxy_parse_v2(const uint8_t *p, size_t n, struct proxy_header *out)
{
    enum proxy_result rc;
    unsigned family;
    size_t skip;

    out->version = 2;
    rc = head(p, n, out);
    if (rc != PROXY_DONE) {
        return rc;
    }
    if (p[12] == PROXY_LOCAL) {
        out->local = true;
        return PROXY_DONE;
    }
    family = p[13] >> 4;
    skip = PROXY_V2_HEAD + address_size[family];
    if (out->size < skip) {
        return bad(out, "too short for its addresses");
    }
    if ((p[13] & 15) == TRANSPORT_STREAM) {
        addresses(p + PROXY_V2_HEAD, family, out);
    }
    out->tlvs = (struct pst_str){ (const char *)p + skip, out->size - skip };
    return tlvs(p, out);
}
