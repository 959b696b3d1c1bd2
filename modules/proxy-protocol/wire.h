/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PROXY protocol header is made of. References "section N" in this folder are to "The PROXY
 * protocol, Versions 1 & 2" by Willy Tarreau, doc/proxy-protocol.txt of HAProxy.
 */
#ifndef PROXY_WIRE_H
#define PROXY_WIRE_H

#include <stdbool.h>

#include <postern_module.h>

enum {
    PROXY_V1_MAX = 107,       /* the longest line of version 1 with its CRLF (section 2.1)      */
    PROXY_SIGNATURE = 12,     /* the first bytes of version 2                                   */
    PROXY_V2_HEAD = 16,       /* signature, version and command, family, length                 */
    PROXY_V2_BODY_MAX = 4096, /* of version 2, addresses and TLVs: what we take                 */
    PROXY_SEND_MAX = 4096,    /* a whole header: what we send, for receivers take no more       */
    PROXY_TLV_HEAD = 3,
    PROXY_SSL_HEAD = 5,       /* client and verify, before what is inside PROXY_TLV_SSL         */
    PROXY_NAME_MAX = 255,     /* of an authority or an ALPN protocol                            */
    PROXY_UNIQUE_ID_MAX = 128 /* section 2.2.5                                                  */
};

/* The 13th byte: version and command. */
enum { PROXY_LOCAL = 0x20, PROXY_PROXY = 0x21 };

/* The 14th byte: address family in the high half, transport in the low one. */
enum { PROXY_UNSPEC = 0x00, PROXY_TCP4 = 0x11, PROXY_TCP6 = 0x21, PROXY_UNIX = 0x31 };

/* Types of TLVs (section 2.2), and of those inside PROXY_TLV_SSL. */
enum {
    PROXY_TLV_ALPN = 0x01,
    PROXY_TLV_AUTHORITY = 0x02,
    PROXY_TLV_CRC32C = 0x03,
    PROXY_TLV_NOOP = 0x04,
    PROXY_TLV_UNIQUE_ID = 0x05,
    PROXY_TLV_SSL = 0x20,
    PROXY_SSL_VERSION = 0x21,
    PROXY_SSL_CN = 0x22,
    PROXY_SSL_CIPHER = 0x23,
    PROXY_SSL_SIG_ALG = 0x24,
    PROXY_SSL_KEY_ALG = 0x25,
    PROXY_SSL_GROUP = 0x26,
    PROXY_SSL_SIG_SCHEME = 0x27,
    PROXY_SSL_CLIENT_CERT = 0x28,
    PROXY_TLV_NETNS = 0x30,
    PROXY_TLV_CUSTOM = 0xe0, /* to 0xef: of applications */
    PROXY_TLV_CUSTOM_LAST = 0xef
};

/* The client field of PROXY_TLV_SSL (section 2.2.6). */
enum { PROXY_CLIENT_SSL = 1, PROXY_CLIENT_CERT_CONN = 2, PROXY_CLIENT_CERT_SESS = 4 };

extern const uint8_t proxy_signature[PROXY_SIGNATURE];

/* --- TLVs (tlv.c). All pure, [any] ---------------------------------------------------------- */

struct proxy_tlv {
    uint8_t type;
    struct pst_str value; /* borrowed */
};

/* Take the first TLV off *area: 1; 0 at its end; -1 when what is left is none. */
int proxy_tlv_next(struct pst_str *area, struct proxy_tlv *out);

/* The first TLV of this type, false: there is none before the end or the first broken one. */
bool proxy_tlv_find(struct pst_str area, uint8_t type, struct pst_str *value);

/* The TLVs inside the value of a PROXY_TLV_SSL; empty when it is too short. */
struct pst_str proxy_ssl_area(struct pst_str value);

/* CRC32C (RFC 4960 appendix B) in pieces: begin with 0; the result is that of the whole. */
uint32_t proxy_crc32c(uint32_t crc, const void *p, size_t n);

/* Numbers of the wire: most significant byte first. */
uint16_t proxy_get16(const void *p);
uint32_t proxy_get32(const void *p);
void proxy_put16(void *p, uint16_t v);
void proxy_put32(void *p, uint32_t v);

#endif
