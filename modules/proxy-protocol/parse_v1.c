/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Version 1, one line of text: section 2.1. */
#include "parse.h"

#include <arpa/inet.h>
#include <string.h>

#define START   "PROXY "
#define START_N (sizeof(START) - 1)

static enum proxy_result bad(struct proxy_header *out, const char *why)
{
    out->why = why;
    return PROXY_BAD;
}

/* Find the end of the line. PROXY_DONE: out->size has it, the CRLF included. */
static enum proxy_result line_end(const uint8_t *p, size_t n, struct proxy_header *out)
{
    for (size_t i = START_N; i < n && i < PROXY_V1_MAX; i++) {
        if (p[i] == '\n') {
            return bad(out, "a line feed without a carriage return");
        }
        if (p[i] != '\r') {
            continue;
        }
        if (i + 1 == PROXY_V1_MAX) {
            break;
        }
        if (i + 1 == n) {
            return PROXY_MORE;
        }
        if (p[i + 1] != '\n') {
            return bad(out, "a carriage return without a line feed");
        }
        out->size = i + 2;
        return PROXY_DONE;
    }
    return n < PROXY_V1_MAX ? PROXY_MORE : bad(out, "the line is longer than 107 bytes");
}

/* Take the next word and the space behind it off *line; false: there is none, or no space. */
static bool word(struct pst_str *line, bool last, struct pst_str *out)
{
    const char *end = line->n == 0 ? NULL : memchr(line->p, ' ', line->n);
    size_t n = end == NULL ? line->n : (size_t)(end - line->p);

    *out = (struct pst_str){ line->p, n };
    if (n == 0 || (end == NULL) != last) {
        return false;
    }
    line->p += n + (end != NULL);
    line->n -= n + (end != NULL);
    return true;
}

static bool is(struct pst_str s, const char *z)
{
    return s.n == strlen(z) && memcmp(s.p, z, s.n) == 0;
}

/* The C library's parser is as strict as the protocol; it needs a NUL of its own. */
static bool address(struct pst_str s, bool six, struct pst_addr *out)
{
    char z[INET6_ADDRSTRLEN];
    uint8_t ip[16];

    if (s.n >= sizeof(z) || memchr(s.p, '\0', s.n) != NULL) {
        return false;
    }
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    if (inet_pton(six ? AF_INET6 : AF_INET, z, ip) != 1) {
        return false;
    }
    if (six) {
        *out = proxy_addr6(ip, 0);
        return true;
    }
    *out = (struct pst_addr){ .family = PST_AF_INET };
    memcpy(out->ip, ip, 4);
    return true;
}

static bool port(struct pst_str s, uint16_t *out)
{
    uint32_t v = 0;

    if (s.n == 0 || s.n > 5 || (s.n > 1 && s.p[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (uint32_t)(s.p[i] - '0');
    }
    *out = (uint16_t)v;
    return v <= UINT16_MAX;
}

static enum proxy_result addresses(struct pst_str line, bool six, struct proxy_header *out)
{
    struct pst_str src, dst, src_port, dst_port;

    if (!word(&line, false, &src) || !word(&line, false, &dst) || !word(&line, false, &src_port) ||
        !word(&line, true, &dst_port)) {
        return bad(out, "not two addresses and two ports, with one space between");
    }
    if (!address(src, six, &out->src) || !address(dst, six, &out->dst)) {
        return bad(out, "a wrong address");
    }
    if (!port(src_port, &out->src.port) || !port(dst_port, &out->dst.port)) {
        return bad(out, "a wrong port");
    }
    return PROXY_DONE;
}

enum proxy_result proxy_parse_v1(const uint8_t *p, size_t n, struct proxy_header *out)
{
    enum proxy_result rc;
    struct pst_str line, family;

    out->version = 1;
    if (memcmp(p, START, n < START_N ? n : START_N) != 0) {
        out->why = "the first bytes are no PROXY protocol header";
        return PROXY_MISSING;
    }
    rc = line_end(p, n, out);
    if (rc != PROXY_DONE) {
        return rc;
    }
    line = (struct pst_str){ (const char *)p + START_N, out->size - START_N - 2 };
    if (is(line, "UNKNOWN")) {
        return PROXY_DONE;
    }
    if (!word(&line, false, &family)) {
        return bad(out, "no family of addresses");
    }
    if (is(family, "UNKNOWN")) {
        return PROXY_DONE;
    }
    if (!is(family, "TCP4") && !is(family, "TCP6")) {
        return bad(out, "a family that is not TCP4, TCP6 or UNKNOWN");
    }
    return addresses(line, family.p[3] == '6', out);
}
