/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The main file, and every *.conf of the folder that its include_dir names. */
#include "core/config/conf_priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/conf_error.h"

/* Keys that a file of include_dir may have. */
static const char *const part_keys[] = { "listeners", "edges", "ip_policies" };

static struct conf_file *file_new(struct conf_priv *p)
{
    struct conf_file *f = arena_alloc(&p->arena, sizeof(*f)), **end = &p->files;

    if (f == NULL) {
        conf_nomem(p);
        return NULL;
    }
    config_init(&f->cfg);
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = f;
    return f;
}

/* Report why a file was not parsed, and forget the part that was. */
static void parse_error(struct conf_priv *p, config_t *cfg, const char *path)
{
    const char *file = config_error_file(cfg) != NULL ? config_error_file(cfg) : path;

    if (config_error_type(cfg) == CONFIG_ERR_FILE_IO) {
        conf_error_add(p->errors, path, 0, NULL, "cannot be read: %s", strerror(errno));
    } else {
        conf_error_add(p->errors, file, (unsigned)config_error_line(cfg), NULL, "%s",
                       config_error_text(cfg));
    }
    config_destroy(cfg);
    config_init(cfg);
}

/* Read one file; its parse errors leave it in the list, empty. */
static struct conf_file *file_read(struct conf_priv *p, const char *path)
{
    struct conf_file *f = file_new(p);
    const char *slash = strrchr(path, '/');
    bool was_incomplete = p->incomplete;
    char *dir = NULL;

    if (f == NULL) {
        return NULL;
    }
    p->incomplete = true;
    /* @include names are relative to the file that includes, not to where we were started. */
    if (slash != NULL) {
        dir = arena_strndup(&p->arena, path, slash != path ? (size_t)(slash - path) : 1);
        if (dir == NULL) {
            conf_nomem(p);
            return NULL;
        }
        config_set_include_dir(&f->cfg, dir);
    }
    if (!conf_scan_file(p, path, dir)) {
        return NULL;
    }
    if (config_read_file(&f->cfg, path) != CONFIG_TRUE) {
        parse_error(p, &f->cfg, path);
        return NULL;
    }
    p->incomplete = was_incomplete;
    return f;
}

static void check_part(struct conf_priv *p, struct conf_file *f)
{
    const config_setting_t *root = config_root_setting(&f->cfg);
    int n = config_setting_length(root);

    for (int i = 0; i < n; i++) {
        const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
        size_t k = 0;

        while (k < sizeof(part_keys) / sizeof(part_keys[0]) &&
               strcmp(part_keys[k], config_setting_name(s)) != 0) {
            k++;
        }
        if (k == sizeof(part_keys) / sizeof(part_keys[0])) {
            conf_fail(p, s,
                      "only listeners, edges and ip_policies can stand in a file of "
                      "include_dir");
        }
    }
}

/* Left out: hidden files, backups of editors, leftovers of package managers. */
static int wanted(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 5 && d->d_name[0] != '.' && strcmp(d->d_name + n - 5, ".conf") == 0;
}

/* Byte order, whatever the locale says: the order of chains must not depend on it. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The folder as errors will name its files: beside the main file, as that was named. */
static const char *dir_name(struct conf_priv *p, const config_setting_t *s, const char *written)
{
    const char *file = config_setting_source_file(s), *slash = strrchr(file, '/');
    size_t beside = slash != NULL && written[0] != '/' ? (size_t)(slash - file) + 1 : 0;
    char *dir = arena_alloc(&p->arena, beside + strlen(written) + 1);

    if (dir != NULL) {
        memcpy(dir, file, beside);
        memcpy(dir + beside, written, strlen(written));
    }
    return dir;
}

static void dir_read(struct conf_priv *p, const config_setting_t *s)
{
    struct dirent **names = NULL;
    const char *written, *dir;
    size_t dir_n;
    int n;

    /* conf.c reads the key again and reports a wrong type. */
    if (config_setting_type(s) != CONFIG_TYPE_STRING || config_setting_get_string(s)[0] == '\0') {
        return;
    }
    written = config_setting_get_string(s);
    dir = dir_name(p, s, written);
    if (dir == NULL) {
        conf_nomem(p);
        return;
    }
    n = scandir(dir, &names, wanted, by_name);
    if (n < 0) {
        conf_fail(p, s, "\"%s\" cannot be read: %s", written, strerror(errno));
        return;
    }
    dir_n = strlen(dir);
    while (dir_n > 1 && dir[dir_n - 1] == '/') {
        dir_n--;
    }
    for (int i = 0; i < n; i++) {
        size_t need = dir_n + strlen(names[i]->d_name) + 2;
        char *path = arena_alloc(&p->arena, need);
        struct conf_file *f;

        if (path != NULL) {
            snprintf(path, need, "%.*s/%s", (int)dir_n, dir, names[i]->d_name);
            f = file_read(p, path);
            if (f != NULL) {
                check_part(p, f);
            }
        } else {
            conf_nomem(p);
        }
        free(names[i]);
    }
    free(names);
}

void conf_files_read(struct conf_priv *p, const char *path)
{
    struct conf_file *f = file_read(p, path);
    const config_setting_t *s;

    if (f == NULL) {
        return;
    }
    s = config_setting_get_member(config_root_setting(&f->cfg), "include_dir");
    if (s != NULL) {
        dir_read(p, s);
    }
}

void conf_files_read_text(struct conf_priv *p, const char *text)
{
    struct conf_file *f = file_new(p);

    p->incomplete = true;
    if (f == NULL || !conf_scan_text(p, NULL, text, strlen(text), NULL, 0)) {
        return;
    }
    if (config_read_string(&f->cfg, text) != CONFIG_TRUE) {
        parse_error(p, &f->cfg, NULL);
        return;
    }
    p->incomplete = false;
}
