/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PROXY protocol headers of both versions: what is answered for the beginnings of some bytes must
 * agree with what is answered for all of them, and everything handed out lies inside the input.
 */
#include <stdlib.h>
#include <string.h>

#include "modules/proxy-protocol/parse.h"

/* Beginnings that are tried one by one; of longer input, some. */
#define EACH_UNTIL 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok) {
        abort();
    }
}

static int is_addr(const struct pst_addr *a)
{
    return a->family == PST_AF_NONE || a->family == PST_AF_INET || a->family == PST_AF_INET6 ||
           (a->family == PST_AF_UNIX && a->port == 0);
}

static void check_done(const uint8_t *data, size_t size, const struct proxy_header *h)
{
    struct pst_str area = h->tlvs, inner;
    struct proxy_tlv tlv;
    size_t n = 0;
    int more;

    require(h->size > 0 && h->size <= size && h->size <= PROXY_V2_HEAD + PROXY_V2_BODY_MAX);
    require(h->version == 2 || (h->version == 1 && h->size <= PROXY_V1_MAX && h->tlvs.n == 0));
    require(h->version == 1 ? h->size >= 15 : h->size >= PROXY_V2_HEAD);
    require(is_addr(&h->src) && is_addr(&h->dst));
    require(!h->local || (h->src.family == PST_AF_NONE && h->tlvs.n == 0));
    require(h->tlvs.n == 0 || (const uint8_t *)h->tlvs.p + h->tlvs.n == data + h->size);
    while ((more = proxy_tlv_next(&area, &tlv)) > 0) {
        n += PROXY_TLV_HEAD + tlv.value.n;
        if (tlv.type == PROXY_TLV_SSL) {
            inner = proxy_ssl_area(tlv.value);
            while ((more = proxy_tlv_next(&inner, &tlv)) > 0) {
            }
            require(more == 0);
        }
    }
    require(more == 0 && n == h->tlvs.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    enum proxy_result all = proxy_parse(data, size, &whole);
    int decided = 0;

    if (all == PROXY_DONE) {
        check_done(data, size, &whole);
    }
    require((whole.why != NULL) == (all == PROXY_MISSING || all == PROXY_BAD));
    require(all != PROXY_MORE || size < PROXY_V2_HEAD + PROXY_V2_BODY_MAX);
    for (size_t n = 0; n <= size; n += n < EACH_UNTIL ? 1 : 97) {
        enum proxy_result r = proxy_parse(data, n, &part);

        require(r == all || (r == PROXY_MORE && !decided));
        decided = decided || r != PROXY_MORE;
        if (r == PROXY_DONE) {
            require(part.size == whole.size && part.tlvs.n == whole.tlvs.n);
            require(memcmp(&part.src, &whole.src, sizeof(part.src)) == 0);
            require(memcmp(&part.dst, &whole.dst, sizeof(part.dst)) == 0);
        }
    }
    return 0;
}
