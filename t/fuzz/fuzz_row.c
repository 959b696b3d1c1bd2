/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line that the daemon sent: nothing that comes out can do anything to a terminal. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/ctl/row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void insist(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void harmless(const char *z, const char *line, size_t n)
{
    insist(z >= line && z + strlen(z) <= line + n);
    for (; *z != '\0'; z++) {
        unsigned char c = (unsigned char)*z;

        insist(c >= ' ' && c != 0x7f);
        insist(c != 0xc2 || (unsigned char)z[1] >= 0xa0 || z[1] == '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *line = malloc(n + 1);
    struct row r;

    insist(line != NULL);
    memcpy(line, data, n);
    line[n] = '\0';
    if (row_parse(line, &r) == 0) {
        insist(r.n <= ROW_FIELDS_MAX);
        for (size_t i = 0; i < r.n; i++) {
            harmless(r.field[i].key, line, n);
            harmless(r.field[i].value, line, n);
            insist(row_get(&r, r.field[i].key) != NULL);
        }
    }
    free(line);
    return 0;
}
