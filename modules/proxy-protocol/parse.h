/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading PROXY protocol headers. Pure functions of bytes. */
#ifndef PROXY_PARSE_H
#define PROXY_PARSE_H

#include "wire.h"

enum proxy_result {
    PROXY_DONE,
    PROXY_MORE,    /* right so far */
    PROXY_MISSING, /* these bytes begin no header */
    PROXY_BAD      /* they do, but a wrong one */
};

struct proxy_header {
    unsigned version;    /* 1 or 2 */
    bool local;          /* the sender speaks for itself: a health check, say */
    struct pst_addr src; /* the client; PST_AF_NONE when the header names none, PST_AF_UNIX when */
    struct pst_addr dst; /* it came through a unix socket. Mapped IPv4 is PST_AF_INET            */
    struct pst_str tlvs; /* borrowed from the input, each of them whole */
    size_t size;         /* how many bytes the header has */
    const char *why;     /* PROXY_MISSING, PROXY_BAD: static text */
};

/*
 * The header at the start of the n bytes at p. What is answered for some bytes holds for more of
 * them, but for PROXY_MORE: an error is found at the first byte that cannot be right. At most
 * PROXY_V2_HEAD + PROXY_V2_BODY_MAX bytes are ever asked for. [any]
 */
enum proxy_result proxy_parse(const uint8_t *p, size_t n, struct proxy_header *out);

/* The two formats, for input whose first byte is theirs; *out is zeroed. [any] */
enum proxy_result proxy_parse_v1(const uint8_t *p, size_t n, struct proxy_header *out);
enum proxy_result proxy_parse_v2(const uint8_t *p, size_t n, struct proxy_header *out);

/* An IPv6 address of the wire; an IPv4-mapped one becomes PST_AF_INET. [any] */
struct pst_addr proxy_addr6(const uint8_t ip[16], uint16_t port);

#endif
