/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The head of an HTTP request: the answer does not depend on how it was cut into pieces. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/http_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void insist(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void inside(struct pst_str s, const char *p, size_t n)
{
    insist(s.p == NULL || (s.p >= p && s.p + s.n <= p + n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *p = (const char *)data;
    struct http_request r, before;
    enum http_status st = http_request_parse(p, n, &r), early = HTTP_MORE;

    inside(r.method, p, n);
    inside(r.path, p, n);
    inside(r.credentials, p, n);
    if (st == HTTP_DONE) {
        insist(r.method.n > 0 && r.path.n > 0 && r.path.p[0] == '/');
        (void)http_credentials_equal(r.credentials, "Basic YTpi");
    }
    for (size_t i = 0; i < n && early == HTTP_MORE && n < 512; i++) {
        early = http_request_parse(p, i, &before);
    }
    insist(early == HTTP_MORE || early == st);
    return 0;
}
