/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request on the control socket. What is accepted names only what its command takes. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/control_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void insist(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct pst_addr none = { .family = PST_AF_NONE };
    const struct conn_row row = { .id = 1, .client = &none, .sni = "a.test", .edge = "a" };
    struct control_request r, copy;
    char why[64];

    memset(why, 'x', sizeof(why));
    if (control_request_parse((const char *)data, n, &r, why, sizeof(why)) != 0) {
        insist(memchr(why, '\0', sizeof(why)) != NULL && why[0] != '\0');
        return 0;
    }
    insist(n < CONTROL_REQUEST_MAX && r.command <= CONTROL_LOG_LEVEL);
    insist(r.level == -1 || r.command == CONTROL_LOG_LEVEL);
    insist(r.filter.edge == NULL || *r.filter.edge != '\0');
    insist(r.filter.sni == NULL || strlen(r.filter.sni) < sizeof(r.sni));
    insist(r.command != CONTROL_KILL || r.filter.id != 0 || r.filter.edge != NULL ||
           r.filter.sni != NULL || r.filter.has_client);
    control_request_copy(&copy, &r);
    insist(conn_filter_match(&copy.filter, &row) == conn_filter_match(&r.filter, &row));
    return 0;
}
