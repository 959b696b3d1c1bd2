/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hello reader, differentially: the same bytes fed whole, and in pieces whose sizes are drawn
 * from the bytes themselves, must give the same answer and the same fields.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/hello/hello.h"
#include "core/hello/ja4.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(int ok)
{
    if (!ok) {
        abort();
    }
}

static int feed_pieces(struct hello_reader *r, const uint8_t *p, size_t n)
{
    uint32_t state = (uint32_t)n;
    int rc = HELLO_MORE;

    while (n > 0 && rc == HELLO_MORE) {
        state = (state ^ p[0]) * 2654435761u + 12345;
        size_t piece = state >> 31 ? 1 : (state >> 20) % 600 + 1;
        piece = piece < n ? piece : n;
        /* A copy of exactly this size, so that reading past it is seen. */
        uint8_t *copy = malloc(piece);
        must(copy != NULL);
        memcpy(copy, p, piece);
        rc = hello_feed(r, copy, piece);
        free(copy);
        p += piece;
        n -= piece;
    }
    return rc;
}

static void same_numbers(const uint16_t *a, uint32_t an, const uint16_t *b, uint32_t bn)
{
    must(an == bn && (an == 0 || memcmp(a, b, an * sizeof(*a)) == 0));
}

static void same_str(struct pst_str a, struct pst_str b)
{
    must(a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
}

static void same_hello(const struct pst_hello *a, const struct pst_hello *b)
{
    char ja4_a[JA4_LEN + 1], ja4_b[JA4_LEN + 1];

    must(a->flags == b->flags && a->legacy_version == b->legacy_version);
    same_str(a->raw, b->raw);
    same_str(a->sni, b->sni);
    same_numbers(a->versions, a->n_versions, b->versions, b->n_versions);
    same_numbers(a->ciphers, a->n_ciphers, b->ciphers, b->n_ciphers);
    same_numbers(a->groups, a->n_groups, b->groups, b->n_groups);
    same_numbers(a->sigalgs, a->n_sigalgs, b->sigalgs, b->n_sigalgs);
    same_numbers(a->extensions, a->n_extensions, b->extensions, b->n_extensions);
    must(a->n_alpn == b->n_alpn);
    for (uint32_t i = 0; i < a->n_alpn; i++) {
        must(a->alpn[i].n > 0);
        same_str(a->alpn[i], b->alpn[i]);
    }
    must(ja4_compute(a, ja4_a) == 0 && ja4_compute(b, ja4_b) == 0);
    must(strlen(ja4_a) == JA4_LEN && strcmp(ja4_a, ja4_b) == 0);
}

/* The bytes as a handshake message without records. */
static void parse_only(const uint8_t *p, size_t n)
{
    struct hello_reader r;

    hello_init(&r);
    if (buf_add(&r.msg, p, n) == 0) {
        must(hello_parse(&r) <= HELLO_DONE);
    }
    hello_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct hello_reader whole, pieces;

    hello_init(&whole);
    hello_init(&pieces);
    int rc = hello_feed(&whole, p, n);
    must(feed_pieces(&pieces, p, n) == rc);
    must(whole.consumed <= n && whole.msg.cap <= 2 * n + 512);
    if (rc == HELLO_DONE) {
        must(whole.consumed == pieces.consumed);
        must(whole.out.sni.n <= NAME_MAX_LEN);
        same_hello(&whole.out, &pieces.out);
    } else if (rc != HELLO_MORE) {
        must(whole.why != NULL && whole.why == pieces.why);
    }
    hello_free(&whole);
    hello_free(&pieces);
    parse_only(p, n);
    return 0;
}
