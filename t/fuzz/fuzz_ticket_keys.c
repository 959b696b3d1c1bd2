/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of files of ticket keys. */
#include "tls-termination/term.h"

#include <stdlib.h>
#include <string.h>

const struct pst_host *term_host;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ticket_key keys[TICKET_KEYS_MAX];
    const char *why = NULL;
    uint32_t n = ticket_keys_parse(data, size, keys, &why);

    if (n > TICKET_KEYS_MAX || (n == 0) != (why != NULL)) {
        abort();
    }
    for (uint32_t i = 0; i < n; i++) {
        if (keys[i].since == 0) {
            abort();
        }
    }
    return 0;
}
