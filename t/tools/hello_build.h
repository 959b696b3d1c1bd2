/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ClientHello messages for tests, right ones and wrong ones. Ends the program without memory. */
#ifndef POSTERN_TOOLS_HELLO_BUILD_H
#define POSTERN_TOOLS_HELLO_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow. Zero-initialise; give back with bytes_free(). */
struct bytes {
    uint8_t *p;
    size_t n, cap;
};

void bytes_free(struct bytes *b);
void bytes_add(struct bytes *b, const void *p, size_t n);
/* A big-endian number of `width` bytes. */
void bytes_number(struct bytes *b, size_t width, uint32_t v);
/* Begin a vector whose length has `width` bytes; answers what bytes_close() wants. */
size_t bytes_open(struct bytes *b, size_t width);
void bytes_close(struct bytes *b, size_t at, size_t width);

/* What a hello shall look like. Zero-initialised it is one of TLS 1.3 without a name. */
struct hello_spec {
    const char *sni; /* any bytes; NULL: no extension */
    size_t sni_n;
    const char *alpn;        /* "h2,http/1.1"; NULL: no extension */
    bool tls12;              /* no supported_versions                         */
    bool two_names;          /* a second host name in the list                */
    bool duplicate_sni;      /* the extension twice                           */
    bool no_extensions;      /* no extension block at all                     */
    size_t size;             /* of the handshake message; 0: as it comes      */
    size_t group_bytes;      /* a key share of that size, as of ML-KEM        */
    uint32_t seed;           /* of the bytes that mean nothing                */
    uint16_t legacy_version; /* 0: 0x0303 */

    /* Replace the usual lists; NULL: the usual ones. Unknown extension types get empty bodies. */
    const uint16_t *ciphers, *sigalgs, *extensions;
    size_t n_ciphers, n_sigalgs, n_extensions;
};

/* Append the handshake message, its 4-byte header included. False: it does not fit `size`. */
bool hello_message(struct bytes *out, const struct hello_spec *spec);

/*
 * Append n bytes as TLS handshake records: the first of `first` bytes (0: like the others),
 * the others of `each` (0: 2^14), and an empty one after the first when `zero_fragment`.
 */
void hello_records(struct bytes *out, const uint8_t *p, size_t n, size_t first, size_t each,
                   bool zero_fragment);

#endif
