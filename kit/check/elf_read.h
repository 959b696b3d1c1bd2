/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a shared object says about itself, read from its bytes. Pure. */
#ifndef POSTERN_KIT_ELF_READ_H
#define POSTERN_KIT_ELF_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_result {
    ELF_READ_OK = 0,
    ELF_READ_NOT_ELF,    /* other contents                                      */
    ELF_READ_OTHER,      /* for another machine or word size                    */
    ELF_READ_NOT_SHARED, /* a program or an object file                         */
    ELF_READ_BROKEN      /* cut off, or its tables point outside                */
};

enum elf_symbol_kind {
    ELF_SYMBOL_FUNCTION, /* defined here and visible to others                  */
    ELF_SYMBOL_DATA,     /* likewise                                            */
    ELF_SYMBOL_NEEDED    /* undefined, and must be found                        */
};

struct elf_info {
    bool exec_stack;       /* asks for an executable stack, or does not say */
    bool text_relocations; /* its code is patched when it is loaded         */
};

/*
 * Read n bytes of a file. `symbol` is called for each dynamic symbol that is not local or weak and
 * undefined; the name is borrowed. What was called before ELF_READ_BROKEN was found is no use.
 */
enum elf_result elf_read(const uint8_t *p, size_t n, struct elf_info *info,
                         void (*symbol)(void *arg, const char *name, enum elf_symbol_kind kind),
                         void *arg);

#endif
