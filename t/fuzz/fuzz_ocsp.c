/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of OCSP responses. Input: two bytes of length, a certificate, a response. */
#include "tls-common/tls_common.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_x509 x;
    struct tls_ocsp o;
    const char *why = NULL;
    size_t n;

    if (size < 2) {
        return 0;
    }
    n = (size_t)(data[0] << 8 | data[1]);
    data += 2;
    size -= 2;
    if (n > size || tls_x509_read(data, n, &x) != 0) {
        return 0;
    }
    if (tls_ocsp_read(data + n, size - n, &x, &o, &why) == 0
            ? (why != NULL || o.status > TLS_OCSP_UNKNOWN)
            : why == NULL) {
        abort();
    }
    return 0;
}
