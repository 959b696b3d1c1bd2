/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON escaper. Input: a byte that says how long the string may get and how large the buffer
 * is, then the string. What comes out is read by a strict reader of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "modules/event-logging/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Length of one well-formed sequence (RFC 3629), 0: none. Written apart from the escaper's. */
static size_t utf8(const uint8_t *p, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = p[0] < 0x80       ? 1
                 : p[0] >> 5 == 6  ? 2
                 : p[0] >> 4 == 14 ? 3
                 : p[0] >> 3 == 30 ? 4
                                   : 0;
    uint32_t c;

    if (len <= 1 || len > n) {
        return len <= n ? len : 0;
    }
    c = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3fu);
    }
    return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : len;
}

/* A string token and nothing else, in one line for whoever splits lines. */
static void read_string(const uint8_t *p, size_t n)
{
    check(n >= 2 && p[0] == '"' && p[n - 1] == '"');
    for (size_t i = 1; i < n - 1;) {
        size_t len = utf8(p + i, n - 1 - i);

        check(len > 0 && p[i] >= 0x20 && p[i] != 0x7f && p[i] != '"');
        check(!(p[i] == 0xc2 && p[i + 1] < 0xa0));
        check(!(p[i] == 0xe2 && p[i + 1] == 0x80 && (p[i + 2] == 0xa8 || p[i + 2] == 0xa9)));
        if (p[i] == '\\') {
            check(i + 1 < n - 1 && strchr("\"\\bfnrtu", p[i + 1]) != NULL && p[i + 1] != '\0');
            len = p[i + 1] == 'u' ? 6 : 2;
            check(i + len <= n - 1);
            for (size_t k = 2; k < len; k++) {
                check(is_hex(p[i + k]));
            }
        }
        i += len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t most, room;
    struct json j;

    if (size < 2) {
        return 0;
    }
    most = 3 + data[0];
    room = (size_t)data[1] * 4;
    j = (struct json){ .p = malloc(room > 0 ? room : 1), .size = room };
    check(j.p != NULL);
    json_str(&j, (const char *)data + 2, size - 2, most);
    check(j.n <= room);
    if (!j.full) {
        check(j.n <= most + 2);
        read_string((const uint8_t *)j.p, j.n);
    }
    /* A buffer that is large enough is never full. */
    check(!j.full || room < most + 8);
    free(j.p);
    return 0;
}
