/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of sni-allow: every name that was taken is found again, whatever else is in the list, and a
 * wildcard covers names below it and not its own.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "modules/examples/sni-allow/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void wrong(void *arg, size_t line)
{
    size_t *last = arg;

    if (line <= *last) {
        abort();
    }
    *last = line;
}

static void require(int ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1), below[300] = "x";
    struct names set;
    size_t last = 0;

    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    if (names_read(&set, text, size, wrong, &last) == 0) {
        for (size_t i = 0; i < set.n; i++) {
            const struct name *n = &set.list[i];

            require(n->n > 0 && n->n < sizeof(below) - 1);
            if (n->p[0] == '.') {
                memcpy(below + 1, n->p, n->n);
                require(names_have(&set, below, n->n + 1));
                require(!names_have(&set, n->p, n->n));
            } else {
                require(names_have(&set, n->p, n->n));
            }
        }
        names_have(&set, (const char *)data, size);
        names_free(&set);
    }
    free(text);
    return 0;
}
