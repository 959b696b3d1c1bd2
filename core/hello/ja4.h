/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JA4 TLS client fingerprint (FoxIO JA4 technical specification, BSD 3-Clause part): 36
 * characters like t13d1516h2_8daaf6152771_e5627efa2ab1. Pure. SHA-256 comes from
 * libmd, because the core links no TLS library.
 */
#ifndef POSTERN_HELLO_JA4_H
#define POSTERN_HELLO_JA4_H

#include "plugin-api/pst_hooks.h"

#define JA4_LEN 36

/* Write the fingerprint of a parsed hello, NUL-terminated. ERR_NOMEM is the only error. */
int ja4_compute(const struct pst_hello *h, char out[JA4_LEN + 1]);

#endif
