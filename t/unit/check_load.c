/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading of real shared objects, copied to a directory of our own so that we set its mode. */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/module/load.h"

#define DIR_MAX 2048

static char dir[DIR_MAX];
static char why[512];
static const struct pst_host host = { .size = sizeof(host), .minor = PST_ABI_MINOR };

/* Where the built test modules are: what make check says, or libtool's folder. */
static void built(char out[PATH_MAX], const char *name)
{
    const char *from = getenv("MODULE_DIR");
    snprintf(out, PATH_MAX, "%s/%s.so", from ? from : "t/modules/testmods/.libs", name);
}

static void path_of(char out[PATH_MAX], const char *name)
{
    snprintf(out, PATH_MAX, "%s/%s.so", dir, name);
}

/* Copy a built module into the directory under the name `as`. */
static void put(const char *name, const char *as)
{
    char from[PATH_MAX], to[PATH_MAX], block[4096];
    size_t n;

    built(from, name);
    path_of(to, as);
    FILE *in = fopen(from, "rb");
    ck_assert_msg(in != NULL, "%s is not built", from);
    FILE *out = fopen(to, "wb");
    ck_assert_ptr_nonnull(out);
    while ((n = fread(block, 1, sizeof(block), in)) > 0) {
        ck_assert_uint_eq(fwrite(block, 1, n, out), n);
    }
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(chmod(to, 0644), 0);
}

static const struct module *get(const char *name)
{
    why[0] = '\0';
    return module_get(dir, name, &host, why, sizeof(why));
}

static void refused(const char *name, const char *reason)
{
    ck_assert_ptr_null(get(name));
    ck_assert_msg(strstr(why, reason) != NULL, "\"%s\" does not say \"%s\"", why, reason);
    ck_assert_ptr_null(module_find(name));
}

static void setup(void)
{
    ck_assert_ptr_nonnull(getcwd(dir, sizeof(dir) - 32));
    strcat(dir, "/check_load-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    static const char *const names[] = { "tm-good",  "tm-other", "tm-none",    "tm-v2",
                                         "tm-magic", "tm-newer", "tm-refuses", "real" };
    char path[PATH_MAX];

    module_unload_all();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_of(path, names[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(good_module_loads_once)
{
    put("tm-good", "tm-good");
    const struct module *m = get("tm-good");
    ck_assert_msg(m != NULL, "%s", why);
    ck_assert_str_eq(m->name, "tm-good");
    ck_assert_uint_eq(m->desc.conn_state_size, 24);
    ck_assert_ptr_eq(m->desc.hooks, &m->hooks);
    ck_assert_ptr_null(m->hooks.init);
    /* Its load() would fail the second time. */
    ck_assert_ptr_eq(get("tm-good"), m);
    ck_assert_ptr_eq(module_find("tm-good"), m);
    ck_assert_ptr_eq(module_list(), m);
    ck_assert_ptr_null(module_loading());
    module_unload_all();
    ck_assert_ptr_null(module_list());
    /* It counts down in unload(). */
    ck_assert_msg(get("tm-good") != NULL, "%s", why);
}
END_TEST

START_TEST(other_directory_needs_a_restart)
{
    put("tm-good", "tm-good");
    ck_assert_ptr_nonnull(get("tm-good"));
    ck_assert_ptr_null(module_get("/nonexistent", "tm-good", &host, why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "restart"));
}
END_TEST

START_TEST(changed_file_is_noticed)
{
    char path[PATH_MAX], aside[PATH_MAX];

    put("tm-good", "tm-good");
    const struct module *m = get("tm-good");
    ck_assert_ptr_nonnull(m);
    ck_assert(!module_changed_on_disk(m));
    put("tm-good", "tm-other");
    path_of(path, "tm-good");
    path_of(aside, "tm-other");
    ck_assert_int_eq(rename(aside, path), 0);
    ck_assert(module_changed_on_disk(m));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(module_changed_on_disk(m));
    ck_assert_ptr_eq(get("tm-good"), m);
}
END_TEST

START_TEST(wrong_files_are_refused)
{
    put("tm-none", "tm-none");
    refused("tm-none", "not a Postern module");
    put("tm-v2", "tm-v2");
    refused("tm-v2", "built for ABI 2, this proxy speaks 1");
    put("tm-magic", "tm-magic");
    refused("tm-magic", "not that of a Postern module");
    put("tm-newer", "tm-newer");
    refused("tm-newer", "needs ABI 1.7, this proxy has 1.1");
    put("tm-refuses", "tm-refuses");
    refused("tm-refuses", "load() answered -7");
    /* It is not run again; a second run would answer otherwise. */
    refused("tm-refuses", "load() answered -7");
    put("tm-good", "tm-other");
    refused("tm-other", "calls itself \"tm-good\"");
    refused("tm-good", "No such file");
}
END_TEST

START_TEST(not_a_shared_object)
{
    char path[PATH_MAX];

    path_of(path, "tm-good");
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("#!/bin/sh\n", f);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0755), 0);
    refused("tm-good", path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    refused("tm-good", "is not a file");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refused("tm-good", "is not a file");
}
END_TEST

START_TEST(names_cannot_leave_the_directory)
{
    static const char *const bad[] = { "", ".", "..", "../x", "a/b", "A", "a.b", "a_b", "a b" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused(bad[i], "name is made of");
    }
    ck_assert_ptr_null(module_get("modules", "tm-good", &host, why, sizeof(why)));
    ck_assert_ptr_nonnull(strstr(why, "not an absolute path"));
}
END_TEST

START_TEST(writable_by_others_is_refused)
{
    char path[PATH_MAX];

    put("tm-good", "tm-good");
    path_of(path, "tm-good");
    ck_assert_int_eq(chmod(path, 0664), 0);
    refused("tm-good", "is writable by group or others");
    ck_assert_int_eq(chmod(path, 0646), 0);
    refused("tm-good", "is writable by group or others");
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(chmod(dir, 0777), 0);
    refused("tm-good", "is writable by group or others");
    ck_assert_int_eq(chmod(dir, 0755), 0);
    ck_assert_msg(get("tm-good") != NULL, "%s", why);
}
END_TEST

START_TEST(link_is_judged_by_what_it_leads_to)
{
    char path[PATH_MAX], real[PATH_MAX];

    put("tm-good", "real");
    path_of(real, "real");
    path_of(path, "tm-good");
    ck_assert_int_eq(symlink(real, path), 0);
    ck_assert_int_eq(chmod(real, 0666), 0);
    refused("tm-good", "is writable by group or others");
    ck_assert_int_eq(chmod(real, 0644), 0);
    ck_assert_msg(get("tm-good") != NULL, "%s", why);
}
END_TEST

START_TEST(foreign_owner_is_refused)
{
    char path[PATH_MAX];

    if (geteuid() != 0) {
        return; /* only root can make such a file */
    }
    put("tm-good", "tm-good");
    path_of(path, "tm-good");
    ck_assert_int_eq(chown(path, 12345, 12345), 0);
    refused("tm-good", "belongs to user 12345");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("load");
    TCase *t = tcase_create("load");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, good_module_loads_once);
    tcase_add_test(t, other_directory_needs_a_restart);
    tcase_add_test(t, changed_file_is_noticed);
    tcase_add_test(t, wrong_files_are_refused);
    tcase_add_test(t, not_a_shared_object);
    tcase_add_test(t, names_cannot_leave_the_directory);
    tcase_add_test(t, writable_by_others_is_refused);
    tcase_add_test(t, link_is_judged_by_what_it_leads_to);
    tcase_add_test(t, foreign_owner_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
