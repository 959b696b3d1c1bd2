/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder of certificates: NAME.crt or NAME.pem with the chain, and NAME.key; without the latter
 * the key is in NAME.pem. NAME.ocsp is an OCSP response. Other files and hidden ones are not
 * looked at.
 */
#include "term.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR_MAX 100000 /* files of ours in one folder */

/* In the order of a group. */
enum ext { EXT_CRT, EXT_KEY, EXT_PEM, EXT_OCSP, EXT_NONE };

static const char *const extensions[EXT_NONE] = {
    [EXT_CRT] = ".crt",
    [EXT_KEY] = ".key",
    [EXT_PEM] = ".pem",
    [EXT_OCSP] = ".ocsp",
};

struct entry {
    char *name; /* without the extension */
    enum ext ext;
};

struct listing {
    struct entry *all;
    uint32_t n, room;
};

static bool is_default(const char *name)
{
    return strcmp(name, "default") == 0 || strncmp(name, "default-", 8) == 0;
}

static int compare(const void *one, const void *other)
{
    const struct entry *a = one, *b = other;
    bool first_a = is_default(a->name), first_b = is_default(b->name);
    int order = first_a != first_b ? (first_a ? -1 : 1) : strcmp(a->name, b->name);

    return order != 0 ? order : (int)a->ext - (int)b->ext;
}

/* Splits off one of our extensions; EXT_NONE: not a file of ours. */
static enum ext split(char *file)
{
    char *dot = file[0] == '.' ? NULL : strrchr(file, '.');

    for (enum ext e = EXT_CRT; dot != NULL && e < EXT_NONE; e++) {
        if (strcmp(dot, extensions[e]) == 0) {
            *dot = '\0';
            return e;
        }
    }
    return EXT_NONE;
}

static int32_t keep(struct listing *l, const char *file)
{
    char *name = strdup(file);
    enum ext ext = name != NULL ? split(name) : EXT_NONE;

    if (name == NULL) {
        return PST_ERR_NOMEM;
    }
    if (ext == EXT_NONE) {
        free(name);
        return PST_OK;
    }
    if (l->n == l->room) {
        uint32_t room = l->room == 0 ? 64 : l->room * 2;
        struct entry *larger = reallocarray(l->all, room, sizeof(*larger));

        if (larger == NULL) {
            free(name);
            return PST_ERR_NOMEM;
        }
        l->all = larger;
        l->room = room;
    }
    l->all[l->n++] = (struct entry){ name, ext };
    return PST_OK;
}

static int32_t list(struct listing *l, const pst_cfg *node, const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    int32_t rc = PST_OK;

    if (d == NULL) {
        return term_wrong(node, "%s: %s", dir, strerror(errno));
    }
    while (rc == PST_OK && (errno = 0, e = readdir(d)) != NULL) {
        rc = l->n < DIR_MAX ? keep(l, e->d_name)
                            : term_wrong(node, "%s: more than %d files", dir, DIR_MAX);
    }
    if (rc == PST_OK && errno != 0) {
        rc = term_wrong(node, "%s: %s", dir, strerror(errno));
    }
    closedir(d);
    if (rc == PST_OK && l->n > 0) {
        qsort(l->all, l->n, sizeof(*l->all), compare);
    }
    return rc;
}

/* What is missing or too much among the files of one name. */
static int32_t check_group(const pst_cfg *node, const char *dir, const char *name,
                           const bool has[EXT_NONE])
{
    if (has[EXT_CRT] && has[EXT_PEM]) {
        return term_wrong(node, "%s/%s.crt and %s.pem: only one of them can be meant", dir, name,
                          name);
    }
    if (!has[EXT_CRT] && !has[EXT_PEM]) {
        return term_wrong(node, "%s/%s%s: its certificate, %s.crt or %s.pem, is missing", dir, name,
                          extensions[has[EXT_KEY] ? EXT_KEY : EXT_OCSP], name, name);
    }
    if (has[EXT_CRT] && !has[EXT_KEY]) {
        return term_wrong(node, "%s/%s.crt: its key, %s.key, is missing", dir, name, name);
    }
    return PST_OK;
}

static int32_t add_group(struct term_certs *s, const pst_cfg *node, const char *dir,
                         const char *name, const bool has[EXT_NONE])
{
    enum ext cert = has[EXT_CRT] ? EXT_CRT : EXT_PEM;
    enum ext key = has[EXT_KEY] ? EXT_KEY : cert;
    const enum ext which[] = { cert, key, EXT_OCSP };
    char path[3][4096];
    int32_t rc = check_group(node, dir, name, has);

    for (int i = 0; i < 3 && rc == PST_OK; i++) {
        if ((size_t)snprintf(path[i], sizeof(path[i]), "%s/%s%s", dir, name,
                             extensions[which[i]]) >= sizeof(path[i])) {
            rc = term_wrong(node, "%s: too long a path", dir);
        }
    }
    return rc != PST_OK ? rc : certs_add(s, node, path[0], path[1], has[EXT_OCSP] ? path[2] : NULL);
}

int32_t cert_dir_read(struct term_certs *s, const pst_cfg *node, const char *dir,
                      uint32_t *n_default)
{
    struct listing l = { NULL, 0, 0 };
    uint32_t before = s->n, i = 0;
    int32_t rc = list(&l, node, dir);

    *n_default = 0;
    while (i < l.n && rc != PST_ERR_NOMEM) {
        const char *name = l.all[i].name;
        bool has[EXT_NONE] = { false };

        for (; i < l.n && strcmp(l.all[i].name, name) == 0; i++) {
            has[l.all[i].ext] = true;
        }
        rc = tls_cfg_both(rc, add_group(s, node, dir, name, has));
        *n_default = is_default(name) ? s->n - before : *n_default;
    }
    if (rc == PST_OK && s->n == before) {
        rc = term_wrong(node, "%s: no certificate in it", dir);
    }
    if (*n_default == 0) {
        *n_default = 1;
    }
    for (i = 0; i < l.n; i++) {
        free(l.all[i].name);
    }
    free(l.all);
    return rc;
}
