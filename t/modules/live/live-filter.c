/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test module: filters in both directions. To the upstream letters are swapped (a to n and back)
 * with drop and emit; to the client whole lines pass, each with "> " in front, and an unfinished
 * line is held back until its rest or the end comes.
 */
#include <stdlib.h>
#include <string.h>

#include <postern_module.h>

static const struct pst_host *host;

static uint8_t rot13(uint8_t c)
{
    if (c >= 'a' && c <= 'z') {
        return (uint8_t)('a' + (c - 'a' + 13) % 26);
    }
    return c;
}

static int32_t swap(void *ctx, pst_filter_out *out, const uint8_t *p, size_t n, uint32_t fin)
{
    uint8_t piece[512];

    (void)ctx;
    (void)fin;
    while (n > 0) {
        size_t k = n < sizeof(piece) ? n : sizeof(piece);

        for (size_t i = 0; i < k; i++) {
            piece[i] = rot13(p[i]);
        }
        if (host->filter_drop(out, k) != PST_OK || host->filter_emit(out, piece, k) != PST_OK) {
            return PST_ERR;
        }
        p += k;
        n -= k;
    }
    return PST_OK;
}

static int32_t lines(void *ctx, pst_filter_out *out, const uint8_t *p, size_t n, uint32_t fin)
{
    (void)ctx;
    while (n > 0) {
        const uint8_t *nl = memchr(p, '\n', n);
        size_t k = nl != NULL ? (size_t)(nl - p) + 1 : n;

        if (nl == NULL && !fin) {
            return PST_OK;
        }
        if (host->filter_emit(out, (const uint8_t *)"> ", 2) != PST_OK ||
            host->filter_pass(out, k) != PST_OK) {
            return PST_ERR;
        }
        p += k;
        n -= k;
    }
    return PST_OK;
}

static const struct pst_filter_ops swap_ops = { .size = sizeof(swap_ops), .data = swap };
static const struct pst_filter_ops lines_ops = { .size = sizeof(lines_ops), .data = lines };

static int32_t on_established(struct pst_call *k)
{
    if (host->filter_attach(k->conn, PST_DIR_TO_UPSTREAM, &swap_ops, NULL) == NULL ||
        host->filter_attach(k->conn, PST_DIR_TO_CLIENT, &lines_ops, NULL) == NULL) {
        return PST_ERROR;
    }
    return PST_NEXT;
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static const struct pst_hooks hooks = { .size = sizeof(hooks), .on_established = on_established };

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),
    .name = "live-filter",
    .version = "1.0",
    .scopes = PST_SCOPE_EDGE,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
