/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "parse.h"

#include <string.h>

enum proxy_result proxy_parse(const uint8_t *p, size_t n, struct proxy_header *out)
{
    *out = (struct proxy_header){ 0 };
    if (n == 0) {
        return PROXY_MORE;
    }
    if (p[0] == 'P') {
        return proxy_parse_v1(p, n, out);
    }
    if (p[0] == proxy_signature[0]) {
        return proxy_parse_v2(p, n, out);
    }
    out->why = "the first bytes are no PROXY protocol header";
    return PROXY_MISSING;
}

struct pst_addr proxy_addr6(const uint8_t ip[16], uint16_t port)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    struct pst_addr a = { .family = PST_AF_INET6, .port = port };

    if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
        a.family = PST_AF_INET;
        memcpy(a.ip, ip + sizeof(mapped), 4);
    } else {
        memcpy(a.ip, ip, 16);
    }
    return a;
}
