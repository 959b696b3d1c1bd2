/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include "text.h"

/* The mark of a string that was cut. */
#define CUT   "..."
#define CUT_N 3
/* Longest escape of one character. */
#define ESCAPE_MAX 6

static const char hex[] = "0123456789abcdef";

void json_u64(struct json *j, uint64_t v)
{
    char text[TEXT_U64];

    if (j->size - j->n >= TEXT_U64) {
        j->n += text_u64(j->p + j->n, v);
    } else {
        json_raw(j, text, text_u64(text, v));
    }
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

/* Each byte of a word. */
#define EACH(b) (UINT64_C(0x0101010101010101) * (b))

/* Not zero when a byte of w is 0. */
static uint64_t has_zero(uint64_t w)
{
    return (w - EACH(1)) & ~w & EACH(0x80);
}

/* How many bytes from p on are plain, of n: eight at a time. */
static size_t plain_run(const uint8_t *p, size_t n)
{
    size_t run = 0;

    for (uint64_t w = 0; run + sizeof(w) <= n; run += sizeof(w)) {
        memcpy(&w, p + run, sizeof(w));
        if (((w | (w - EACH(0x20))) & EACH(0x80)) != 0 || has_zero(w ^ EACH('"')) != 0 ||
            has_zero(w ^ EACH('\\')) != 0 || has_zero(w ^ EACH(0x7f)) != 0) {
            break;
        }
    }
    while (run < n && plain[p[run]] != 0) {
        run++;
    }
    return run;
}

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
    if (n <= most && plain_run(p, n) == n) {
        json_raw(j, text, n);
        json_lit(j, "\"");
        return;
    }
    begin = cut = j->n;
    last = begin + (most > CUT_N ? most - CUT_N : 0); /* the mark fits behind this place */
    while (i < n && !j->full && j->n <= begin + most) {
        size_t room = begin + most - j->n + 1, used = 0;
        size_t run = plain_run(p + i, n - i < room ? n - i : room);
        char out[ESCAPE_MAX];

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
