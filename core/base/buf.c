/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

#define BUF_FIRST 512

void buf_init(struct buf *b, size_t limit)
{
    memset(b, 0, sizeof(*b));
    b->limit = limit;
}

void buf_free(struct buf *b)
{
    free(b->p);
    buf_init(b, b->limit);
}

int buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0) {
        return ERR_OK;
    }
    if (n > b->limit - b->len) {
        return ERR_LIMIT;
    }
    if (n > b->cap - b->len) {
        size_t need = b->len + n;
        size_t cap = b->cap > 0 ? b->cap : BUF_FIRST;

        while (cap < need) {
            cap = cap > b->limit / 2 ? b->limit : cap * 2;
        }
        if (cap > b->limit) {
            cap = b->limit;
        }
        uint8_t *grown = realloc(b->p, cap);
        if (!grown) {
            return ERR_NOMEM;
        }
        b->p = grown;
        b->cap = cap;
    }
    memcpy(b->p + b->len, p, n);
    b->len += n;
    return ERR_OK;
}

void buf_drop(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (n > 0 && b->len > 0) {
        memmove(b->p, b->p + n, b->len);
    }
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}
