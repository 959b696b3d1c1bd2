/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host names: the one normalisation that configuration, certificates and SNI share. Pure. */
#ifndef POSTERN_BASE_NAME_H
#define POSTERN_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_LEN 253

/*
 * Normalise a host name: lower case, one trailing dot removed. Accepted are labels of 1 to 63
 * letters, digits, hyphens and underscores, joined by dots, at most 253 bytes in all (RFC 1035,
 * RFC 5890 LDH, plus the underscore that real names carry). Labels must not begin or end
 * with a hyphen. ERR_INVALID for anything else (NUL, non-ASCII, empty), ERR_LIMIT when too long.
 * out needs NAME_MAX_LEN + 1 bytes and is NUL-terminated; *out_n is the length without it.
 */
int name_normalise(const char *p, size_t n, char out[NAME_MAX_LEN + 1], size_t *out_n);

/*
 * For configuration: as above, and "*.suffix" or "*" is allowed (*wildcard is set, out holds the
 * suffix without "*.", empty for "*"), and an internationalised name is turned into A-labels
 * (libidn2, UTS 46 non-transitional).
 */
int name_normalise_pattern(const char *p, size_t n, char out[NAME_MAX_LEN + 1], size_t *out_n,
                           bool *wildcard);

#endif
