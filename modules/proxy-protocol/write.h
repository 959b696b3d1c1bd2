/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing PROXY protocol headers. Pure functions of addresses and bytes. */
#ifndef PROXY_WRITE_H
#define PROXY_WRITE_H

#include "wire.h"

/*
 * The line of version 1; answers its length. Of mixed families the IPv4 address is written as
 * IPv4-mapped IPv6; without two IP addresses the line says UNKNOWN. [any]
 */
size_t proxy_write_v1(uint8_t out[PROXY_V1_MAX], const struct pst_addr *src,
                      const struct pst_addr *dst);

/* A header of version 2 while it is written: begin, any TLVs, end. On the stack. */
struct proxy_writer {
    uint8_t p[PROXY_SEND_MAX];
    size_t n;
    size_t ssl; /* where the open PROXY_TLV_SSL begins, 0: none is open */
    size_t crc; /* where the checksum goes, 0: nowhere                  */
    uint32_t left_out;
};

/* Addresses as above; without two IP addresses the family is UNSPEC. `crc`: with checksum. [any] */
void proxy_write_begin(struct proxy_writer *w, const struct pst_addr *src,
                       const struct pst_addr *dst, bool crc);

/*
 * Append a TLV, inside the PROXY_TLV_SSL when one is open. One that does not fit is left out as
 * a whole and counted: what is written first matters more. False: left out. [any]
 */
bool proxy_write_tlv(struct proxy_writer *w, uint8_t type, struct pst_str value);

/* Open and close a PROXY_TLV_SSL. False: it does not fit, nothing is open. [any] */
bool proxy_write_ssl(struct proxy_writer *w, uint8_t client, uint32_t verify);
void proxy_write_ssl_end(struct proxy_writer *w);

/* Fill in the length and the checksum. The header is w->p[0..w->n). [any] */
void proxy_write_end(struct proxy_writer *w);

/*
 * The name by which the specification and other proxies call a cipher suite, OpenSSL's:
 * "ECDHE-RSA-AES128-GCM-SHA256" for "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256". Suites of TLS 1.3, and
 * what is no such name, are answered as they are, the others in `out`. [any]
 */
#define PROXY_CIPHER_MAX 64
struct pst_str proxy_cipher_name(struct pst_str iana, char out[PROXY_CIPHER_MAX]);

#endif
