/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/unit/conf_files.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

void conf_files_begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/check-conf-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chdir(dir), 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void conf_files_end(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void conf_files_write(const char *name, const char *text)
{
    char folder[256];
    FILE *f;

    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name), name);
        mkdir(folder, 0700);
    }
    f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

struct conf *conf_files_load(const char *name, struct conf_errors **errors)
{
    struct conf *c;

    *errors = conf_errors_new();
    ck_assert_ptr_nonnull(*errors);
    c = conf_load(name, *errors);
    ck_assert_ptr_nonnull(c);
    return c;
}

struct conf *conf_files_good(const char *text, struct conf_errors **errors)
{
    struct conf *c;
    char *report;

    conf_files_write("main.conf", text);
    c = conf_files_load("main.conf", errors);
    report = conf_files_report(*errors);
    ck_assert_str_eq(report, "");
    free(report);
    ck_assert_uint_eq(conf_errors_count(*errors), 0);
    return c;
}

void conf_files_refuse(const char *text, const char *expected)
{
    struct conf_errors *errors;
    struct conf *c;
    char *report;

    conf_files_write("main.conf", text);
    c = conf_files_load("main.conf", &errors);
    report = conf_files_report(errors);
    ck_assert_msg(strcmp(report, expected) == 0, "this file:\n%s\ngave:\n%snot:\n%s", text, report,
                  expected);
    free(report);
    conf_free(c);
    conf_errors_free(errors);
}

static void print_entry(void *arg, bool warning, const char *text)
{
    fprintf(arg, "%s%s\n", warning ? "warning: " : "", text);
}

char *conf_files_report(const struct conf_errors *errors)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    ck_assert_ptr_nonnull(f);
    conf_errors_each(errors, print_entry, f);
    ck_assert_int_eq(fclose(f), 0);
    return text;
}
