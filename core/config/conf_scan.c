/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look at the text before libconfig sees it, for what libconfig 1.5 does silently or badly:
 *   - integers that do not fit are wrapped (4294967296 reads as 0);
 *   - a string is cut at an escaped NUL;
 *   - an @include of a folder ends the process (its scanner calls exit());
 *   - an @include that cannot be opened is reported without its name.
 * It is a scanner, not a parser: what it does not know is left to libconfig.
 */
#include "core/config/conf_priv.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/config/conf_error.h"

/* A file larger than this is not a configuration. */
#define FILE_MAX (UINT64_C(1) << 30)

/* As libconfig: an include in an include in ... */
#define DEPTH_MAX 10

struct scan {
    struct conf_priv *p;
    const char *path;
    const char *include_dir;
    unsigned depth;
    const char *at, *end;
    unsigned line;
    bool line_start; /* only blanks since the line began */
    bool good;
};

__attribute__((format(printf, 2, 3))) static void complain(struct scan *k, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    conf_error_add(k->p->errors, k->path, k->line, NULL, "%s", text);
    k->good = false;
}

/* The content of a regular file; *why says why not. */
static bool read_all(const char *path, struct buf *out, const char **why)
{
    uint8_t chunk[16384];
    struct stat st;
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0) {
        *why = strerror(errno);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        *why = S_ISDIR(st.st_mode) ? "it is a folder" : "it is not a regular file";
        goto out;
    }
    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        if (buf_add(out, chunk, (size_t)n) != 0) {
            *why = "it is too large";
            n = -1;
            goto out;
        }
    }
    if (n < 0) {
        *why = strerror(errno);
    }
out:
    if (fd >= 0) {
        close(fd);
    }
    return n == 0;
}

static bool starts(const struct scan *k, const char *z)
{
    size_t n = strlen(z);
    return (size_t)(k->end - k->at) >= n && memcmp(k->at, z, n) == 0;
}

static void skip_line(struct scan *k)
{
    while (k->at < k->end && *k->at != '\n') {
        k->at++;
    }
}

static void skip_comment(struct scan *k)
{
    unsigned begin = k->line;

    for (k->at += 2; k->at < k->end && !starts(k, "*/"); k->at++) {
        k->line += *k->at == '\n' ? 1 : 0;
    }
    if (k->at == k->end) {
        k->line = begin;
        complain(k, "the comment that begins here has no end");
        return;
    }
    k->at += 2;
}

static void skip_string(struct scan *k)
{
    unsigned begin = k->line;

    for (k->at++; k->at < k->end && *k->at != '"'; k->at++) {
        k->line += *k->at == '\n' ? 1 : 0;
        if (starts(k, "\\x00")) {
            complain(k, "a string cannot hold a NUL");
        }
        if (*k->at == '\\' && k->at + 1 < k->end) {
            k->at++;
            k->line += *k->at == '\n' ? 1 : 0;
        }
    }
    if (k->at == k->end) {
        k->line = begin;
        complain(k, "the string that begins here has no end");
        return;
    }
    k->at++;
}

/* A number, or a word that begins with one; libconfig reads up to 32 bits unless it ends in L. */
static void scan_number(struct scan *k)
{
    char text[32];
    const char *from = k->at;
    size_t n;
    char *rest;
    bool negative = *from == '-', hex, is_long;
    unsigned long long v;

    k->at += *from == '-' || *from == '+' ? 1 : 0;
    hex = starts(k, "0x") || starts(k, "0X");
    while (k->at < k->end && (isalnum((unsigned char)*k->at) || *k->at == '.')) {
        k->at++;
    }
    n = (size_t)(k->at - from);
    if (memchr(from, '.', n) != NULL || (!hex && memchr(from, 'e', n) != NULL) ||
        (!hex && memchr(from, 'E', n) != NULL)) {
        return;
    }
    if (n >= sizeof(text)) {
        complain(k, "the number %.*s... is too large", 20, from);
        return;
    }
    memcpy(text, from, n);
    text[n] = '\0';
    errno = 0;
    v = strtoull(text + (negative || *from == '+' ? 1 : 0), &rest, hex ? 16 : 10);
    is_long = *rest == 'L';
    if (errno == ERANGE || v > (unsigned long long)LLONG_MAX) {
        complain(k, "the number %s is too large", text);
    } else if (!is_long && v > (unsigned long long)INT_MAX) {
        complain(k, "the number %s does not fit 32 bits; write %sL", text, text);
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

static void scan_include(struct scan *k)
{
    const char *name, *quote, *why = NULL;
    char path[PATH_MAX];
    struct buf text;
    int n, name_n;

    k->at += strlen("@include");
    while (k->at < k->end && (*k->at == ' ' || *k->at == '\t')) {
        k->at++;
    }
    if (k->at == k->end || *k->at != '"') {
        return;
    }
    name = k->at + 1;
    skip_line(k);
    quote = memchr(name, '"', (size_t)(k->at - name));
    if (quote == NULL) {
        return;
    }
    name_n = (int)(quote - name);
    if (k->include_dir != NULL && name[0] == '/') {
        complain(k, "@include \"%.*s\": only names relative to the folder of this file", name_n,
                 name);
        return;
    }
    if (k->depth == DEPTH_MAX) {
        complain(k, "@include \"%.*s\": more than %d includes inside each other", name_n, name,
                 DEPTH_MAX);
        return;
    }
    n = snprintf(path, sizeof(path), "%s%s%.*s", k->include_dir != NULL ? k->include_dir : "",
                 k->include_dir != NULL ? "/" : "", name_n, name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        complain(k, "the name of the @include is too long");
        return;
    }
    buf_init(&text, FILE_MAX);
    if (!read_all(path, &text, &why)) {
        complain(k, "@include \"%.*s\" cannot be read: %s", name_n, name, why);
    } else if (!conf_scan_text(k->p, path, (const char *)text.p, text.len, k->include_dir,
                               k->depth + 1)) {
        k->good = false;
    }
    buf_free(&text);
}

static void scan_token(struct scan *k)
{
    char c = *k->at;

    if (k->line_start && starts(k, "@include")) {
        scan_include(k);
    } else if (c == '#' || starts(k, "//")) {
        skip_line(k);
    } else if (starts(k, "/*")) {
        skip_comment(k);
    } else if (c == '"') {
        skip_string(k);
    } else if (isdigit((unsigned char)c) ||
               ((c == '-' || c == '+') && k->at + 1 < k->end && isdigit((unsigned char)k->at[1]))) {
        scan_number(k);
    } else if (is_word(c)) {
        while (k->at < k->end && is_word(*k->at)) {
            k->at++;
        }
    } else {
        k->at++;
    }
}

bool conf_scan_text(struct conf_priv *p, const char *path, const char *text, size_t n,
                    const char *include_dir, unsigned depth)
{
    struct scan k = { .p = p,
                      .path = path,
                      .include_dir = include_dir,
                      .depth = depth,
                      .at = text,
                      .end = text + n,
                      .line = 1,
                      .line_start = true,
                      .good = true };

    while (k.at < k.end) {
        char c = *k.at;

        if (c == '\n') {
            k.line++;
            k.line_start = true;
            k.at++;
        } else if (c == ' ' || c == '\t') {
            k.at++;
        } else {
            scan_token(&k);
            k.line_start = false;
        }
    }
    return k.good;
}

bool conf_scan_file(struct conf_priv *p, const char *path, const char *include_dir)
{
    const char *why = NULL;
    struct buf text;
    bool good;

    buf_init(&text, FILE_MAX);
    good = read_all(path, &text, &why);
    if (!good) {
        conf_error_add(p->errors, path, 0, NULL, "cannot be read: %s", why);
    } else {
        good = conf_scan_text(p, path, (const char *)text.p, text.len, include_dir, 0);
    }
    buf_free(&text);
    return good;
}
