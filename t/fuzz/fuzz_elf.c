/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that postern-module-check is given: nothing outside of the bytes is read, names end, and
 * what is no shared object of this machine has no symbols.
 */
#include <stdlib.h>
#include <string.h>

#include "kit/check/elf_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    const uint8_t *p;
    size_t n, symbols;
};

static void symbol(void *arg, const char *name, enum elf_symbol_kind kind)
{
    struct seen *s = arg;
    size_t at = (size_t)((const uint8_t *)name - s->p);

    if (at >= s->n || at + strlen(name) >= s->n || kind > ELF_SYMBOL_NEEDED) {
        abort();
    }
    s->symbols++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen s = { data, size, 0 };
    struct elf_info info;
    enum elf_result rc = elf_read(data, size, &info, symbol, &s);

    if (s.symbols > 0 && rc != ELF_READ_OK && rc != ELF_READ_BROKEN) {
        abort();
    }
    return 0;
}
