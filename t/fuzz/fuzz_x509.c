/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of certificates: every part it answers lies inside the input. */
#include "tls-common/tls_common.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *data, size_t size, const struct tls_der *d)
{
    if (d->n > 0 && (d->p < data || d->n > size || d->p > data + size - d->n)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_x509 x;
    struct tls_der list, value;
    uint8_t tag;

    if (tls_x509_read(data, size, &x) != 0) {
        return 0;
    }
    inside(data, size, &x.serial);
    inside(data, size, &x.issuer);
    inside(data, size, &x.subject);
    inside(data, size, &x.spki);
    inside(data, size, &x.sans);
    list = x.sans;
    while (tls_der_next(&list, &tag, &value)) {
        inside(data, size, &value);
    }
    return 0;
}
