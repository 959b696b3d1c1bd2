/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/tools/hello_build.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_MAX 16384u
/* More than this goes into made-up cipher suites: an extension block ends at 65535 bytes. */
#define PADDING_MAX 60000u
#define EXT_PADDING 21

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const uint16_t usual_ciphers[] = { 0x1301, 0x1302, 0x1303, 0xc02b,
                                          0xc02f, 0xc02c, 0xc030, 0x009e };
static const uint16_t usual_sigalgs[] = { 0x0403, 0x0804, 0x0401, 0x0503,
                                          0x0805, 0x0501, 0x0806, 0x0601 };
static const uint16_t usual_groups[] = { 0x001d, 0x0017, 0x0018 };
static const uint16_t usual_extensions[] = { 0, 23, 0xff01, 10, 11, 16, 13, 43, 45, 51 };

void bytes_free(struct bytes *b)
{
    free(b->p);
    memset(b, 0, sizeof(*b));
}

void bytes_add(struct bytes *b, const void *p, size_t n)
{
    if (n > b->cap - b->n) {
        b->cap = (b->n + n) * 2;
        b->p = realloc(b->p, b->cap);
        if (!b->p) {
            abort();
        }
    }
    if (n > 0) {
        memcpy(b->p + b->n, p, n);
        b->n += n;
    }
}

void bytes_number(struct bytes *b, size_t width, uint32_t v)
{
    while (width-- > 0) {
        uint8_t c = (uint8_t)(v >> (8 * width));

        bytes_add(b, &c, 1);
    }
}

size_t bytes_open(struct bytes *b, size_t width)
{
    bytes_number(b, width, 0);
    return b->n;
}

void bytes_close(struct bytes *b, size_t at, size_t width)
{
    size_t n = b->n - at;

    for (size_t i = 0; i < width; i++) {
        b->p[at - 1 - i] = (uint8_t)(n >> (8 * i));
    }
}

/* Bytes without meaning, the same for the same seed. */
static void add_random(struct bytes *b, size_t n, uint32_t *state)
{
    for (size_t i = 0; i < n; i++) {
        *state = *state * 1664525u + 1013904223u;
        bytes_number(b, 1, *state >> 24);
    }
}

static void add_list(struct bytes *b, const uint16_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bytes_number(b, 2, list[i]);
    }
}

static void add_name(struct bytes *b, const char *p, size_t n)
{
    bytes_number(b, 1, 0);
    size_t at = bytes_open(b, 2);
    bytes_add(b, p, n);
    bytes_close(b, at, 2);
}

static void add_sni(struct bytes *b, const struct hello_spec *spec)
{
    size_t list = bytes_open(b, 2);

    add_name(b, spec->sni, spec->sni_n);
    if (spec->two_names) {
        add_name(b, "second.test", 11);
    }
    bytes_close(b, list, 2);
}

static void add_alpn(struct bytes *b, const char *names)
{
    size_t list = bytes_open(b, 2);

    while (names) {
        const char *comma = strchr(names, ',');
        size_t n = comma ? (size_t)(comma - names) : strlen(names);
        size_t at = bytes_open(b, 1);

        bytes_add(b, names, n);
        bytes_close(b, at, 1);
        names = comma ? comma + 1 : NULL;
    }
    bytes_close(b, list, 2);
}

static void add_key_share(struct bytes *b, const struct hello_spec *spec, uint32_t *state)
{
    size_t list = bytes_open(b, 2);

    if (spec->group_bytes > 0) {
        bytes_number(b, 2, 0x11ec); /* X25519MLKEM768 */
        bytes_number(b, 2, (uint32_t)spec->group_bytes);
        add_random(b, spec->group_bytes, state);
    }
    bytes_number(b, 2, 0x001d);
    bytes_number(b, 2, 32);
    add_random(b, 32, state);
    bytes_close(b, list, 2);
}

/* The body of an extension. */
static void add_body(struct bytes *b, uint16_t type, const struct hello_spec *spec, uint32_t *state)
{
    size_t at;

    switch (type) {
    case 0:
        add_sni(b, spec);
        break;
    case 10:
        at = bytes_open(b, 2);
        add_list(b, usual_groups, COUNT(usual_groups));
        bytes_close(b, at, 2);
        break;
    case 11:
        bytes_number(b, 2, 0x0100);
        break;
    case 13:
        at = bytes_open(b, 2);
        add_list(b, spec->sigalgs ? spec->sigalgs : usual_sigalgs,
                 spec->sigalgs ? spec->n_sigalgs : COUNT(usual_sigalgs));
        bytes_close(b, at, 2);
        break;
    case 16:
        add_alpn(b, spec->alpn);
        break;
    case 43:
        bytes_number(b, 1, 4);
        bytes_number(b, 4, 0x03040303);
        break;
    case 45:
        bytes_number(b, 2, 0x0101);
        break;
    case 51:
        add_key_share(b, spec, state);
        break;
    case 0xff01:
        bytes_number(b, 1, 0);
        break;
    default:
        break;
    }
}

static void add_extension(struct bytes *b, uint16_t type, const struct hello_spec *spec,
                          uint32_t *state)
{
    bytes_number(b, 2, type);
    size_t at = bytes_open(b, 2);
    add_body(b, type, spec, state);
    bytes_close(b, at, 2);
}

/* True when the spec leaves an extension of the usual list out. */
static bool left_out(uint16_t type, const struct hello_spec *spec)
{
    return (type == 0 && !spec->sni) || (type == 16 && !spec->alpn) ||
           ((type == 43 || type == 45 || type == 51) && spec->tls12);
}

static void add_extensions(struct bytes *b, const struct hello_spec *spec, size_t padding,
                           uint32_t *state)
{
    const uint16_t *list = spec->extensions ? spec->extensions : usual_extensions;
    size_t n = spec->extensions ? spec->n_extensions : COUNT(usual_extensions);
    size_t block = bytes_open(b, 2);

    for (size_t i = 0; i < n; i++) {
        if (!left_out(list[i], spec)) {
            add_extension(b, list[i], spec, state);
        }
    }
    if (spec->duplicate_sni) {
        add_extension(b, 0, spec, state);
    }
    if (padding > 0) {
        bytes_number(b, 2, EXT_PADDING);
        bytes_number(b, 2, (uint32_t)padding - 4);
        for (size_t i = 4; i < padding; i++) {
            bytes_number(b, 1, 0);
        }
    }
    bytes_close(b, block, 2);
}

/* How a hello is brought to its size. */
struct fill {
    size_t session_id, ciphers, padding;
};

static void add_message(struct bytes *b, const struct hello_spec *spec, const struct fill *fill)
{
    uint32_t state = spec->seed;

    bytes_number(b, 1, 1);
    size_t body = bytes_open(b, 3);
    bytes_number(b, 2, spec->legacy_version ? spec->legacy_version : 0x0303);
    add_random(b, 32, &state);
    bytes_number(b, 1, (uint32_t)fill->session_id);
    add_random(b, fill->session_id, &state);
    size_t ciphers = bytes_open(b, 2);
    add_list(b, spec->ciphers ? spec->ciphers : usual_ciphers,
             spec->ciphers ? spec->n_ciphers : COUNT(usual_ciphers));
    for (size_t i = 0; i < fill->ciphers; i++) {
        bytes_number(b, 2, 0xff00 + (uint32_t)(i & 0xff));
    }
    bytes_close(b, ciphers, 2);
    bytes_number(b, 2, 0x0100); /* no compression */
    if (!spec->no_extensions) {
        add_extensions(b, spec, fill->padding, &state);
    }
    bytes_close(b, body, 3);
}

bool hello_message(struct bytes *out, const struct hello_spec *spec)
{
    struct fill fill = { .session_id = 32 };
    struct fill none = { 0 };
    struct bytes plain = { 0 };

    if (spec->size > 0) {
        add_message(&plain, spec, &none);
        size_t base = plain.n;
        bytes_free(&plain);
        if (base > spec->size) {
            return false;
        }
        size_t gap = spec->size - base;
        if (gap > PADDING_MAX) {
            fill.ciphers = (gap - PADDING_MAX) / 2;
            gap -= fill.ciphers * 2;
        }
        /* A padding extension takes 4 bytes or more; fewer go into the session id. */
        fill.session_id = gap <= 32 ? gap : 28;
        fill.padding = gap - fill.session_id;
    }
    size_t start = out->n;
    add_message(out, spec, &fill);
    return spec->size == 0 || out->n - start == spec->size;
}

static void add_record(struct bytes *out, const uint8_t *p, size_t n)
{
    bytes_number(out, 3, 0x160301);
    bytes_number(out, 2, (uint32_t)n);
    bytes_add(out, p, n);
}

void hello_records(struct bytes *out, const uint8_t *p, size_t n, size_t first, size_t each,
                   bool zero_fragment)
{
    size_t size = first > 0 ? first : each;

    while (n > 0) {
        size = size > 0 && size < RECORD_MAX ? size : RECORD_MAX;
        size = size < n ? size : n;
        add_record(out, p, size);
        p += size;
        n -= size;
        if (zero_fragment) {
            add_record(out, p, 0);
            zero_fragment = false;
        }
        size = each;
    }
}
