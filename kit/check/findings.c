/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kit/check/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/buf.h"
#include "core/base/json.h"

#define JSON_MAX (1u << 20)

struct findings *findings_new(void)
{
    void *p = mmap(NULL, sizeof(struct findings), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p != MAP_FAILED ? p : NULL;
}

void finding_add(struct findings *all, enum finding_kind kind, const char *check, const char *fmt,
                 ...)
{
    char text[sizeof(all->f[0].text)];
    struct finding *f;
    va_list ap;

    if (all->quiet) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (uint32_t i = 0; i < all->n; i++) {
        if (strcmp(all->f[i].check, check) == 0 && strcmp(all->f[i].text, text) == 0) {
            return;
        }
    }
    if (all->n == FINDINGS_MAX) {
        all->lost++;
        return;
    }
    f = &all->f[all->n++];
    f->kind = kind;
    snprintf(f->check, sizeof(f->check), "%s", check);
    memcpy(f->text, text, sizeof(text));
}

void findings_doing(struct findings *all, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(all->doing, sizeof(all->doing), fmt, ap);
    va_end(ap);
}

int findings_status(const struct findings *all)
{
    int status = 0;

    for (uint32_t i = 0; i < all->n; i++) {
        if (all->f[i].kind == FINDING_PROBLEM) {
            return 1;
        }
        status = 2;
    }
    return status;
}

void findings_print_text(const struct findings *all, const char *file)
{
    for (uint32_t i = 0; i < all->n; i++) {
        printf("%s: %s [%s]\n", file, all->f[i].text, all->f[i].check);
    }
    if (all->lost > 0) {
        printf("%s: and %u more\n", file, (unsigned)all->lost);
    }
    if (all->n == 0) {
        printf("%s: %s %s is in order\n", file, all->name, all->version);
    }
}

void findings_print_json(const struct findings *all, const char *file)
{
    static const char *const results[] = { "ok", "problems", "incomplete" };
    struct json j;
    struct buf b;

    buf_init(&b, JSON_MAX);
    json_begin(&j, &b);
    json_str(&j, "file", file);
    json_str(&j, "module", all->name[0] != '\0' ? all->name : NULL);
    json_str(&j, "version", all->version[0] != '\0' ? all->version : NULL);
    json_str(&j, "result", results[findings_status(all)]);
    json_array(&j, "checks");
    for (uint32_t i = 0; i < all->n; i++) {
        json_item(&j, all->f[i].check);
    }
    json_array_end(&j);
    json_array(&j, "texts");
    for (uint32_t i = 0; i < all->n; i++) {
        json_item(&j, all->f[i].text);
    }
    json_array_end(&j);
    json_u64(&j, "more", all->lost);
    if (json_end(&j) == 0) {
        fwrite(b.p, 1, b.len, stdout);
    }
    buf_free(&b);
}
