/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/name.h"

#include <idn2.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define LABEL_MAX 63

/* The byte in lower case when a label may contain it, 0 otherwise. */
static char label_char(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
        return c;
    }
    return 0;
}

int name_normalise(const char *p, size_t n, char out[NAME_MAX_LEN + 1], size_t *out_n)
{
    size_t label = 0; /* where the current label begins */

    if (n > 0 && p[n - 1] == '.') {
        n--;
    }
    if (n > NAME_MAX_LEN) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i <= n; i++) {
        if (i == n || p[i] == '.') {
            if (i == label || i - label > LABEL_MAX || p[label] == '-' || p[i - 1] == '-') {
                return ERR_INVALID;
            }
            label = i + 1;
            out[i] = '.';
            continue;
        }
        out[i] = label_char(p[i]);
        if (out[i] == 0) {
            return ERR_INVALID;
        }
    }
    out[n] = '\0';
    *out_n = n;
    return ERR_OK;
}

static bool is_ascii(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* Turn an internationalised name into A-labels and normalise those. */
static int from_unicode(const char *p, size_t n, char out[NAME_MAX_LEN + 1], size_t *out_n)
{
    uint8_t utf8[NAME_MAX_LEN * 4 + 1];
    uint8_t *ascii = NULL;

    if (n >= sizeof(utf8)) {
        return ERR_LIMIT;
    }
    if (memchr(p, '\0', n)) {
        return ERR_INVALID;
    }
    memcpy(utf8, p, n);
    utf8[n] = '\0';
    /* Without IDN2_USE_STD3_ASCII_RULES: underscores are checked by us, and allowed. */
    int rc = idn2_lookup_u8(utf8, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK) {
        return rc == IDN2_TOO_BIG_DOMAIN ? ERR_LIMIT : ERR_INVALID;
    }
    rc = name_normalise((const char *)ascii, strlen((const char *)ascii), out, out_n);
    idn2_free(ascii);
    return rc;
}

int name_normalise_pattern(const char *p, size_t n, char out[NAME_MAX_LEN + 1], size_t *out_n,
                           bool *wildcard)
{
    *wildcard = n > 0 && p[0] == '*';
    if (*wildcard && n == 1) {
        out[0] = '\0';
        *out_n = 0;
        return ERR_OK;
    }
    if (*wildcard) {
        if (p[1] != '.') {
            return ERR_INVALID;
        }
        p += 2;
        n -= 2;
    }
    return is_ascii(p, n) ? name_normalise(p, n, out, out_n) : from_unicode(p, n, out, out_n);
}
