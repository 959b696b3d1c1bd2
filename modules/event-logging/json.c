/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

/* The mark of a string that was cut. */
#define CUT   "..."
#define CUT_N 3
/* Longest escape of one character. */
#define ESCAPE_MAX 6

static const char hex[] = "0123456789abcdef";

void json_u64(struct json *j, uint64_t v)
{
    char text[20];
    size_t at = sizeof(text);

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    json_raw(j, text + at, sizeof(text) - at);
}

void json_hex(struct json *j, const char *p, size_t n)
{
    json_lit(j, "\"");
    for (size_t i = 0; i < n; i++) {
        const char pair[] = { hex[(uint8_t)p[i] >> 4], hex[(uint8_t)p[i] & 15] };

        json_raw(j, pair, sizeof(pair));
    }
    json_lit(j, "\"");
}

/* Printable ASCII but the quote and the backslash: what needs no escape. */
static const uint8_t plain[256] = {
#define ROW 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
    [0x20] = 1,   1,          0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,    /* 0x20, without 0x22 */
    [0x30] = ROW, ROW,                                                     /* 0x30, 0x40         */
    [0x50] = 1,   1,          1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1,    /* 0x50, without 0x5c */
    [0x60] = ROW, [0x70] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, /* 0x70, without 0x7f */
#undef ROW
};

/* The range of a second byte by its lead (Unicode 15, table 3-7). False: no lead byte. */
static bool lead(uint8_t c, size_t *len, uint8_t *low, uint8_t *high)
{
    *low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    *high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    *len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    return c >= 0xc2 && c <= 0xf4;
}

/* The length of the sequence at p; *valid says whether it is one. A broken one is what to skip. */
static size_t sequence(const uint8_t *p, size_t n, bool *valid)
{
    size_t len = 1, have = 1;
    uint8_t low, high;

    *valid = false;
    if (!lead(p[0], &len, &low, &high)) {
        return 1;
    }
    while (have < len && have < n && p[have] >= low && p[have] <= high) {
        low = 0x80;
        high = 0xbf;
        have++;
    }
    *valid = have == len;
    return have;
}

static size_t escape_u(char out[ESCAPE_MAX], unsigned c)
{
    const char text[ESCAPE_MAX] = {
        '\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15], hex[c & 15]
    };

    memcpy(out, text, sizeof(text));
    return sizeof(text);
}

static size_t escape_ascii(char out[ESCAPE_MAX], uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = c == '\0' ? NULL : strchr(from, c);

    if (at == NULL) {
        return escape_u(out, c);
    }
    out[0] = '\\';
    out[1] = to[at - from];
    return 2;
}

/* One character at p that is not plain: its text in `out`, and its length there. */
static size_t escape(char out[ESCAPE_MAX], const uint8_t *p, size_t n, size_t *used)
{
    bool valid = true;

    *used = 1;
    if (p[0] < 0x80) {
        return escape_ascii(out, p[0]);
    }
    *used = sequence(p, n, &valid);
    if (!valid) {
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
    }
    if (p[0] == 0xc2 && p[1] < 0xa0) {
        return escape_u(out, p[1]);
    }
    if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
        return escape_u(out, 0x2000u | (p[2] & 0x3fu));
    }
    memcpy(out, p, *used);
    return *used;
}

void json_str(struct json *j, const char *text, size_t n, size_t most)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t begin, last, cut, i = 0;

    json_lit(j, "\"");
    begin = cut = j->n;
    last = begin + (most > CUT_N ? most - CUT_N : 0); /* the mark fits behind this place */
    while (i < n && !j->full && j->n <= begin + most) {
        size_t run = 0, used = 0;
        char out[ESCAPE_MAX];

        while (i + run < n && plain[p[i + run]] != 0 && run <= begin + most - j->n) {
            run++;
        }
        if (run > 0) {
            /* Of these any byte is a good place to cut. */
            if (j->n <= last) {
                cut = run < last - j->n ? j->n + run : last;
            }
            json_raw(j, text + i, run);
            i += run;
        } else {
            json_raw(j, out, escape(out, p + i, n - i, &used));
            cut = j->n <= last ? j->n : cut;
            i += used;
        }
    }
    if (j->n > begin + most) {
        j->n = cut;
        json_lit(j, CUT);
    }
    json_lit(j, "\"");
}
