/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the file tells without being run. */
#include "kit/check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit/check/elf_read.h"

/* Larger ones are no modules, and are not read. */
#define FILE_MAX ((off_t)1 << 30)

struct symbols {
    struct check *ck;
    bool unusable, nomem;
};

static bool has_prefix(const char *name, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strncmp(name, *list, strlen(*list)) == 0) {
            return true;
        }
    }
    return false;
}

/* What linkers and sanitizers put into every shared object. */
static bool is_of_tools(const char *name)
{
    static const char *const names[] = { "_init", "_fini", "__bss_start", "_edata", "_end", NULL };
    static const char *const prefixes[] = { "__asan",      "___asan",       "__ubsan",  "__tsan",
                                            "__sanitizer", "__odr_asan",    "__start_", "__stop_",
                                            "__lsan",      "__interceptor", NULL };

    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return has_prefix(name, prefixes);
}

static void export_seen(struct symbols *s, const char *name, enum elf_symbol_kind kind)
{
    struct findings *all = s->ck->all;

    if (strcmp(name, PST_ENTRY_NAME) == 0) {
        if (kind != ELF_SYMBOL_FUNCTION) {
            s->unusable = true;
            problem(all, "entry", "%s is data: it has to be a function that answers the descriptor",
                    name);
        }
    } else if (strncmp(name, "_Z", 2) == 0 && strstr(name, PST_ENTRY_NAME) != NULL) {
        s->unusable = true;
        problem(all, "mangled",
                "exports the C++ name %s: include <postern_module.h> before defining "
                "%s(), or write extern \"C\"",
                name, PST_ENTRY_NAME);
    } else if (!is_of_tools(name) && strncmp(name, "postern_module_v", 16) != 0) {
        problem(all, "exported-symbol",
                "exports %s: compile with -fvisibility=hidden or make it static", name);
    }
}

static void symbol_seen(void *arg, const char *name, enum elf_symbol_kind kind)
{
    struct symbols *s = arg;
    char **more;

    if (kind != ELF_SYMBOL_NEEDED) {
        export_seen(s, name, kind);
        return;
    }
    if (is_of_tools(name)) {
        return;
    }
    more = realloc(s->ck->needed, (s->ck->n_needed + 1) * sizeof(*more));
    if (more == NULL || (more[s->ck->n_needed] = strdup(name)) == NULL) {
        s->ck->needed = more != NULL ? more : s->ck->needed;
        s->nomem = true;
        return;
    }
    s->ck->needed = more;
    s->ck->n_needed++;
}

static uint8_t *slurp(const char *path, size_t *n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    uint8_t *data = NULL;
    struct stat st;
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) != 0) {
        goto out;
    }
    errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX ||
        (data = malloc((size_t)st.st_size + 1)) == NULL) {
        goto out;
    }
    *n = 0;
    while (*n < (size_t)st.st_size && (got = read(fd, data + *n, (size_t)st.st_size - *n)) > 0) {
        *n += (size_t)got;
    }
out:
    if (fd >= 0) {
        close(fd);
    }
    return data;
}

/* The name that the daemon would look for in this file. */
static void name_of_file(struct check *ck)
{
    const char *slash = strrchr(ck->path, '/'), *base = slash != NULL ? slash + 1 : ck->path;
    size_t n = strlen(base);

    n -= n > 3 && strcmp(base + n - 3, ".so") == 0 ? 3 : 0;
    snprintf(ck->name, sizeof(ck->name), "%.*s", (int)n, base);
}

static bool judge(struct check *ck, enum elf_result rc, const struct elf_info *info)
{
    static const char *const texts[] = {
        [ELF_READ_NOT_ELF] = "is no shared object: build it with -shared -fPIC",
        [ELF_READ_OTHER] = "is a shared object for another kind of machine: build it here",
        [ELF_READ_NOT_SHARED] = "is a program or an object file: link it with -shared",
        [ELF_READ_BROKEN] = "is no whole shared object: it is cut off or stripped too far",
    };

    if (rc != ELF_READ_OK) {
        problem(ck->all, "file", "%s", texts[rc]);
        return false;
    }
    if (info->exec_stack) {
        problem(
            ck->all, "exec-stack",
            "asks for an executable stack: link with -Wl,-z,noexecstack, and mark assembler files");
    }
    if (info->text_relocations) {
        problem(ck->all, "text-relocations",
                "has relocations in its code: compile everything in it with -fPIC");
    }
    return true;
}

bool check_file(struct check *ck)
{
    struct symbols s = { .ck = ck };
    struct elf_info info;
    size_t n = 0;
    uint8_t *data = slurp(ck->path, &n);
    bool good;

    if (data == NULL) {
        incomplete(ck->all, "file", "cannot be read: %s", strerror(errno));
        return false;
    }
    name_of_file(ck);
    /* Symbols of a file that turns out to be broken would only confuse. */
    good = judge(ck, elf_read(data, n, &info, symbol_seen, &s), &info);
    free(data);
    if (s.nomem) {
        incomplete(ck->all, "file", "out of memory");
        return false;
    }
    return good && !s.unusable;
}

void check_file_free(struct check *ck)
{
    for (size_t i = 0; i < ck->n_needed; i++) {
        free(ck->needed[i]);
    }
    free(ck->needed);
}
