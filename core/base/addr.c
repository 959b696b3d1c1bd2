/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/str.h"

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_mapped(const struct pst_addr *a)
{
    return a->family == PST_AF_INET6 && memcmp(a->ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static void unmap(struct pst_addr *a)
{
    uint8_t v4[4];

    memcpy(v4, a->ip + 12, sizeof(v4));
    memset(a->ip, 0, sizeof(a->ip));
    memcpy(a->ip, v4, sizeof(v4));
    a->family = PST_AF_INET;
    a->scope = 0;
}

int addr_from_module(struct pst_addr *a, const struct pst_addr *from)
{
    struct pst_addr got = { .family = from->family, .port = from->port };

    switch (from->family) {
    case PST_AF_INET:
        memcpy(got.ip, from->ip, 4);
        break;
    case PST_AF_INET6:
        got.scope = from->scope;
        memcpy(got.ip, from->ip, 16);
        if (is_mapped(&got)) {
            unmap(&got);
        }
        break;
    case PST_AF_NONE:
    case PST_AF_UNIX:
        got.port = 0;
        break;
    default:
        memset(a, 0, sizeof(*a));
        return ERR_INVALID;
    }
    *a = got;
    return ERR_OK;
}

void addr_from_sockaddr(struct pst_addr *a, const struct sockaddr *sa, socklen_t n)
{
    memset(a, 0, sizeof(*a));
    if ((size_t)n < offsetof(struct sockaddr, sa_family) + sizeof(sa->sa_family)) {
        return;
    }
    if (sa->sa_family == AF_INET && (size_t)n >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        a->family = PST_AF_INET;
        a->port = ntohs(in.sin_port);
        memcpy(a->ip, &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6 && (size_t)n >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        a->family = PST_AF_INET6;
        a->port = ntohs(in6.sin6_port);
        a->scope = in6.sin6_scope_id;
        memcpy(a->ip, &in6.sin6_addr, 16);
        if (is_mapped(a)) {
            unmap(a);
        }
    } else if (sa->sa_family == AF_UNIX) {
        a->family = PST_AF_UNIX;
    }
}

socklen_t addr_to_sockaddr(const struct pst_addr *a, struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof(*ss));
    if (a->family == PST_AF_INET) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };

        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(ss, &in, sizeof(in));
        return sizeof(in);
    }
    if (a->family == PST_AF_INET6) {
        struct sockaddr_in6 in6 = {
            .sin6_family = AF_INET6,
            .sin6_port = htons(a->port),
            .sin6_scope_id = a->scope,
        };

        memcpy(&in6.sin6_addr, a->ip, 16);
        memcpy(ss, &in6, sizeof(in6));
        return sizeof(in6);
    }
    return 0;
}

const char *addr_ip_text(const struct pst_addr *a, char out[ADDR_TEXT_MAX])
{
    if (a->family == PST_AF_INET) {
        inet_ntop(AF_INET, a->ip, out, ADDR_TEXT_MAX);
    } else if (a->family == PST_AF_INET6) {
        inet_ntop(AF_INET6, a->ip, out, ADDR_TEXT_MAX);
        if (a->scope != 0) {
            size_t n = strlen(out);

            snprintf(out + n, ADDR_TEXT_MAX - n, "%%%u", (unsigned)a->scope);
        }
    } else {
        snprintf(out, ADDR_TEXT_MAX, "%s", a->family == PST_AF_UNIX ? "unix" : "-");
    }
    return out;
}

const char *addr_text(const struct pst_addr *a, char out[ADDR_TEXT_MAX])
{
    char ip[ADDR_TEXT_MAX] = ""; /* the longest has 55 bytes: a scope of ten digits */

    addr_ip_text(a, ip);
    if (a->family == PST_AF_INET) {
        snprintf(out, ADDR_TEXT_MAX, "%.55s:%u", ip, (unsigned)a->port);
    } else if (a->family == PST_AF_INET6) {
        snprintf(out, ADDR_TEXT_MAX, "[%.55s]:%u", ip, (unsigned)a->port);
    } else {
        memcpy(out, ip, sizeof(ip));
    }
    return out;
}

/* The n bytes at p as an address without a port; mapped addresses stay as they are. */
static int parse_raw_ip(const char *p, size_t n, struct pst_addr *a)
{
    char text[ADDR_TEXT_MAX];
    uint64_t scope = 0;

    memset(a, 0, sizeof(*a));
    if (n == 0 || n >= sizeof(text) || memchr(p, '\0', n)) {
        return ERR_INVALID;
    }
    memcpy(text, p, n);
    text[n] = '\0';
    if (inet_pton(AF_INET, text, a->ip) == 1) {
        a->family = PST_AF_INET;
        return ERR_OK;
    }
    char *percent = strchr(text, '%');
    if (percent) {
        *percent = '\0';
        if (str_to_u64(percent + 1, UINT32_MAX, &scope) < 0) {
            return ERR_INVALID;
        }
    }
    if (inet_pton(AF_INET6, text, a->ip) != 1) {
        memset(a, 0, sizeof(*a));
        return ERR_INVALID;
    }
    a->family = PST_AF_INET6;
    a->scope = (uint32_t)scope;
    return ERR_OK;
}

static int parse_ip(const char *p, size_t n, struct pst_addr *a)
{
    int rc = parse_raw_ip(p, n, a);

    if (rc == ERR_OK && is_mapped(a)) {
        unmap(a);
    }
    return rc;
}

int addr_parse_ip(const char *z, struct pst_addr *a)
{
    return parse_ip(z, strlen(z), a);
}

int addr_parse(const char *z, struct pst_addr *a)
{
    const char *colon = strrchr(z, ':');
    uint64_t port;
    const char *ip = z;
    size_t n;

    memset(a, 0, sizeof(*a));
    if (!colon || strlen(colon + 1) > 5 || str_to_u64(colon + 1, UINT16_MAX, &port) < 0) {
        return ERR_INVALID;
    }
    n = (size_t)(colon - z);
    if (z[0] == '[') {
        if (n < 2 || z[n - 1] != ']' || !memchr(z, ':', n)) {
            return ERR_INVALID;
        }
        ip = z + 1;
        n -= 2;
    } else if (memchr(z, ':', n)) {
        return ERR_INVALID; /* IPv6 without brackets: the port would be a guess */
    }
    if (parse_ip(ip, n, a) < 0) {
        return ERR_INVALID;
    }
    a->port = (uint16_t)port;
    return ERR_OK;
}

bool addr_equal(const struct pst_addr *a, const struct pst_addr *b)
{
    return a->family == b->family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* Clear the bits after the prefix; true when one of them was set. */
static bool clear_host_bits(uint8_t *ip, size_t bytes, uint32_t prefix)
{
    bool had = false;

    for (size_t i = 0; i < bytes; i++) {
        uint32_t first = (uint32_t)i * 8;
        uint8_t keep = 0;

        if (first + 8 <= prefix) {
            keep = 0xff;
        } else if (first < prefix) {
            keep = (uint8_t)(0xff00u >> (prefix - first));
        }
        had = had || (ip[i] & (uint8_t)~keep) != 0;
        ip[i] &= keep;
    }
    return had;
}

int addr_parse_net(const char *z, struct pst_net *out)
{
    const char *slash = strchr(z, '/');
    size_t n = slash ? (size_t)(slash - z) : strlen(z);
    uint64_t prefix;

    memset(out, 0, sizeof(*out));
    if (parse_raw_ip(z, n, &out->addr) < 0 || out->addr.scope != 0) {
        return ERR_INVALID;
    }
    prefix = out->addr.family == PST_AF_INET ? 32 : 128;
    if (slash && (strlen(slash + 1) > 3 || str_to_u64(slash + 1, prefix, &prefix) < 0)) {
        return ERR_INVALID;
    }
    if (is_mapped(&out->addr) && prefix >= 96) {
        unmap(&out->addr);
        prefix -= 96;
    }
    out->prefix = (uint32_t)prefix;
    size_t bytes = out->addr.family == PST_AF_INET ? 4 : 16;
    return clear_host_bits(out->addr.ip, bytes, out->prefix) ? ERR_EXISTS : ERR_OK;
}

const char *addr_net_text(const struct pst_net *n, char out[ADDR_TEXT_MAX])
{
    addr_ip_text(&n->addr, out);
    size_t len = strlen(out);
    snprintf(out + len, ADDR_TEXT_MAX - len, "/%u", (unsigned)n->prefix);
    return out;
}
