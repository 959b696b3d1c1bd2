/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record layer under the ClientHello: reassembly over segments and records. */
#include "core/hello/hello.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/hello/hello_priv.h"

#define RECORD_MAX (1u << 14)
#define TLS_MAJOR  3

void hello_init(struct hello_reader *r)
{
    memset(r, 0, sizeof(*r));
    buf_init(&r->msg, HELLO_MAX);
    r->status = HELLO_MORE;
}

void hello_free(struct hello_reader *r)
{
    buf_free(&r->msg);
    free(r->lists);
    hello_init(r);
}

/* Judge the byte of a record header that has just arrived. */
static int check_record_byte(struct hello_reader *r)
{
    uint32_t length = (uint32_t)r->head[3] << 8 | r->head[4];

    switch (r->head_n) {
    case 1:
        if (r->head[0] != HELLO_RECORD_TYPE) {
            return r->records == 0
                       ? hello_fail(r, HELLO_NOT_TLS, "no TLS handshake record")
                       : hello_fail(r, HELLO_BAD, "another record type inside the ClientHello");
        }
        break;
    case 2:
        if (r->head[1] != TLS_MAJOR) {
            return hello_fail(r, HELLO_BAD, "record version is not TLS");
        }
        break;
    case 4:
        if (r->head[3] > RECORD_MAX >> 8) {
            return hello_fail(r, HELLO_BAD, "record longer than 2^14 bytes");
        }
        break;
    case 5:
        if (length > RECORD_MAX) {
            return hello_fail(r, HELLO_BAD, "record longer than 2^14 bytes");
        }
        if (length == 0) {
            return hello_fail(r, HELLO_BAD, "record without content");
        }
        r->left = (uint16_t)length;
        r->head_n = 0;
        r->records++;
        break;
    default:
        break;
    }
    return HELLO_MORE;
}

/* How many bytes the message still needs, as far as is known. */
static size_t message_needs(const struct hello_reader *r)
{
    const uint8_t *p = r->msg.p;

    if (r->msg.len < HELLO_HEAD) {
        return HELLO_HEAD - r->msg.len;
    }
    return HELLO_HEAD + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]) - r->msg.len;
}

/* Take content of the current record; *used is how much of it was taken. */
static int take_content(struct hello_reader *r, const uint8_t *p, size_t n, size_t *used)
{
    size_t take = message_needs(r);

    take = take < n ? take : n;
    take = take < r->left ? take : r->left;
    int rc = buf_add(&r->msg, p, take);
    assert(rc != ERR_LIMIT); /* hello_check_head() refused larger ones */
    if (rc < 0) {
        return hello_fail(r, HELLO_NOMEM, "out of memory");
    }
    r->left -= (uint16_t)take;
    *used = take;
    rc = hello_check_head(r);
    if (rc != HELLO_MORE || r->msg.len < HELLO_HEAD || message_needs(r) > 0) {
        return rc;
    }
    r->fragmented = r->records > 1;
    return hello_parse(r);
}

int hello_feed(struct hello_reader *r, const uint8_t *p, size_t n)
{
    while (n > 0 && r->status == HELLO_MORE) {
        size_t used = 1;

        if (r->left == 0) {
            r->head[r->head_n++] = *p;
            check_record_byte(r);
        } else {
            take_content(r, p, n, &used);
        }
        p += used;
        n -= used;
        r->consumed += used;
    }
    return r->status;
}
