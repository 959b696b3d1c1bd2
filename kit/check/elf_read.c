/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kit/check/elf_read.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__i386__)
#define OUR_MACHINE EM_386
#elif defined(__arm__)
#define OUR_MACHINE EM_ARM
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#endif

#if __ELF_NATIVE_CLASS == 64
#define SYMBOL_BIND(info) ELF64_ST_BIND(info)
#define SYMBOL_TYPE(info) ELF64_ST_TYPE(info)
#define OUR_CLASS         ELFCLASS64
#else
#define SYMBOL_BIND(info) ELF32_ST_BIND(info)
#define SYMBOL_TYPE(info) ELF32_ST_TYPE(info)
#define OUR_CLASS         ELFCLASS32
#endif

struct bytes {
    const uint8_t *p;
    size_t n;
};

/* Copy `n` bytes at offset `at`; false: they are not all there. Nothing in a file is aligned. */
static bool take(const struct bytes *f, uint64_t at, void *to, size_t n)
{
    if (at > f->n || f->n - at < n) {
        return false;
    }
    memcpy(to, f->p + at, n);
    return true;
}

static enum elf_result check_head(const ElfW(Ehdr) * h)
{
    const uint16_t probe = 1;
    uint8_t low;

    memcpy(&low, &probe, 1);
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0) {
        return ELF_READ_NOT_ELF;
    }
    if (h->e_ident[EI_CLASS] != OUR_CLASS ||
        h->e_ident[EI_DATA] != (low == 1 ? ELFDATA2LSB : ELFDATA2MSB)) {
        return ELF_READ_OTHER;
    }
#ifdef OUR_MACHINE
    if (h->e_machine != OUR_MACHINE) {
        return ELF_READ_OTHER;
    }
#endif
    return h->e_type == ET_DYN ? ELF_READ_OK : ELF_READ_NOT_SHARED;
}

static enum elf_result read_dynamic(const struct bytes *f, const ElfW(Phdr) * ph,
                                    struct elf_info *info)
{
    ElfW(Dyn) d;

    for (uint64_t at = 0; at + sizeof(d) <= ph->p_filesz; at += sizeof(d)) {
        if (!take(f, ph->p_offset + at, &d, sizeof(d))) {
            return ELF_READ_BROKEN;
        }
        if (d.d_tag == DT_NULL) {
            return ELF_READ_OK;
        }
        if (d.d_tag == DT_TEXTREL || (d.d_tag == DT_FLAGS && (d.d_un.d_val & DF_TEXTREL) != 0)) {
            info->text_relocations = true;
        }
        if (d.d_tag == DT_FLAGS_1 && (d.d_un.d_val & DF_1_PIE) != 0) {
            return ELF_READ_NOT_SHARED;
        }
    }
    return ELF_READ_OK;
}

static enum elf_result read_segments(const struct bytes *f, const ElfW(Ehdr) * h,
                                     struct elf_info *info)
{
    enum elf_result rc = ELF_READ_BROKEN;
    ElfW(Phdr) ph;

    info->exec_stack = true; /* what the loader assumes of a file that does not say */
    if (h->e_phentsize != sizeof(ph)) {
        return ELF_READ_BROKEN;
    }
    for (uint32_t i = 0; i < h->e_phnum; i++) {
        if (!take(f, h->e_phoff + (uint64_t)i * sizeof(ph), &ph, sizeof(ph))) {
            return ELF_READ_BROKEN;
        }
        if (ph.p_type == PT_GNU_STACK) {
            info->exec_stack = (ph.p_flags & PF_X) != 0;
        } else if (ph.p_type == PT_DYNAMIC) {
            rc = read_dynamic(f, &ph, info);
            if (rc != ELF_READ_OK) {
                return rc;
            }
        }
    }
    return rc;
}

/* The name at `at` of the string table; NULL: it is not there, or has no end. */
static const char *name_at(const struct bytes *f, const ElfW(Shdr) * names, uint64_t at)
{
    if (names->sh_offset > f->n || names->sh_size > f->n - names->sh_offset ||
        at >= names->sh_size ||
        memchr(f->p + names->sh_offset + at, '\0', names->sh_size - at) == NULL) {
        return NULL;
    }
    return (const char *)f->p + names->sh_offset + at;
}

static bool read_symbols(const struct bytes *f, const ElfW(Shdr) * table, const ElfW(Shdr) * names,
                         void (*symbol)(void *arg, const char *name, enum elf_symbol_kind kind),
                         void *arg)
{
    ElfW(Sym) s;

    for (uint64_t at = sizeof(s); at + sizeof(s) <= table->sh_size; at += sizeof(s)) {
        unsigned char seen = STV_DEFAULT;
        const char *name;

        if (!take(f, table->sh_offset + at, &s, sizeof(s)) ||
            (name = name_at(f, names, s.st_name)) == NULL) {
            return false;
        }
        seen = s.st_other & 3;
        if (SYMBOL_BIND(s.st_info) == STB_LOCAL || seen == STV_HIDDEN || seen == STV_INTERNAL) {
            continue;
        }
        if (s.st_shndx != SHN_UNDEF) {
            symbol(arg, name,
                   SYMBOL_TYPE(s.st_info) == STT_FUNC ? ELF_SYMBOL_FUNCTION : ELF_SYMBOL_DATA);
        } else if (SYMBOL_BIND(s.st_info) != STB_WEAK) {
            symbol(arg, name, ELF_SYMBOL_NEEDED);
        }
    }
    return true;
}

enum elf_result elf_read(const uint8_t *p, size_t n, struct elf_info *info,
                         void (*symbol)(void *arg, const char *name, enum elf_symbol_kind kind),
                         void *arg)
{
    struct bytes f = { p, n };
    enum elf_result rc;
    ElfW(Ehdr) h;
    ElfW(Shdr) sh, names;

    memset(info, 0, sizeof(*info));
    if (n < SELFMAG || memcmp(p, ELFMAG, SELFMAG) != 0) {
        return ELF_READ_NOT_ELF;
    }
    if (!take(&f, 0, &h, sizeof(h))) {
        return ELF_READ_BROKEN;
    }
    rc = check_head(&h);
    if (rc == ELF_READ_OK) {
        rc = read_segments(&f, &h, info);
    }
    if (rc != ELF_READ_OK) {
        return rc;
    }
    for (uint32_t i = 0; h.e_shentsize == sizeof(sh) && i < h.e_shnum; i++) {
        if (!take(&f, h.e_shoff + (uint64_t)i * sizeof(sh), &sh, sizeof(sh))) {
            return ELF_READ_BROKEN;
        }
        if (sh.sh_type == SHT_DYNSYM) {
            return take(&f, h.e_shoff + (uint64_t)sh.sh_link * sizeof(names), &names,
                        sizeof(names)) &&
                           read_symbols(&f, &sh, &names, symbol, arg)
                       ? ELF_READ_OK
                       : ELF_READ_BROKEN;
        }
    }
    return ELF_READ_BROKEN;
}
