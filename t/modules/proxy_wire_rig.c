/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy_wire_rig.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Beginnings that are tried one by one; of longer input, some. */
#define EACH_UNTIL 300

struct proxy_header rig_header;

enum proxy_result rig_parse(const void *bytes, size_t n)
{
    enum proxy_result rc = proxy_parse(bytes, n, &rig_header), part = PROXY_MORE;
    struct proxy_header again;

    for (size_t i = 0; i <= n; i += i < EACH_UNTIL ? 1 : 97) {
        /* A copy of its own, so that a byte too many is found. */
        uint8_t *p = malloc(i + 1);

        ck_assert_ptr_nonnull(p);
        memcpy(p + 1, bytes, i);
        part = proxy_parse(p + 1, i, &again);
        ck_assert_msg(part == PROXY_MORE || part == rc, "after %zu bytes: %d, not %d", i, part, rc);
        ck_assert(rc != PROXY_DONE || part == PROXY_MORE || again.size == rig_header.size);
        free(p);
    }
    ck_assert((rc == PROXY_MISSING || rc == PROXY_BAD) == (rig_header.why != NULL));
    return rc;
}

void rig_is_addr(const struct pst_addr *a, const char *ip, unsigned port)
{
    uint8_t want[16] = { 0 };
    bool six = strchr(ip, ':') != NULL;

    ck_assert_int_eq(inet_pton(six ? AF_INET6 : AF_INET, ip, want), 1);
    ck_assert_uint_eq(a->family, six ? PST_AF_INET6 : PST_AF_INET);
    ck_assert_mem_eq(a->ip, want, sizeof(want));
    ck_assert_uint_eq(a->port, port);
    ck_assert_uint_eq(a->scope, 0);
}
