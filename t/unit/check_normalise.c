/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of a descriptor in memory: sizes, versions, unknown bits, older and newer layouts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/module/load.h"

static char why[512];
static struct module out;

static int32_t hook(struct pst_call *k)
{
    (void)k;
    return PST_NEXT;
}

/* A descriptor as good as any; tests spoil one thing in it. */
static struct pst_module sample(void)
{
    struct pst_module d = {
        PST_MODULE_HEAD(0, 0),
        .name = "sample",
        .version = "1",
        .scopes = PST_SCOPE_EDGE,
    };
    return d;
}

static int normalise(const struct pst_module *d)
{
    why[0] = '\0';
    return module_normalise(d, "sample", &out, why, sizeof(why));
}

static void refused(const struct pst_module *d, const char *reason)
{
    ck_assert_int_eq(normalise(d), ERR_MODULE);
    ck_assert_msg(strstr(why, reason) != NULL, "\"%s\" does not say \"%s\"", why, reason);
}

START_TEST(good_one)
{
    struct pst_module d = sample();
    ck_assert_int_eq(normalise(&d), ERR_OK);
    ck_assert_str_eq(out.name, "sample");
    ck_assert_ptr_eq(out.desc.hooks, &out.hooks);
}
END_TEST

START_TEST(frozen_part)
{
    struct pst_module d = sample();
    refused(NULL, "not that of a Postern module");
    d.magic++;
    refused(&d, "not that of a Postern module");
    d = sample();
    d.major = 3;
    refused(&d, "built for ABI 3, this proxy speaks 1");
    d = sample();
    d.minor_needed = PST_ABI_MINOR + 1;
    refused(&d, "needs ABI 1.2, this proxy has 1.1");
    d = sample();
    d.minor_built = 99;
    ck_assert_int_eq(normalise(&d), ERR_OK);
    d.flags = 0x8000;
    refused(&d, "newer proxy");
}
END_TEST

START_TEST(only_the_frozen_part_is_read_of_a_short_one)
{
    /* Heap memory of just that size: a sanitizer sees every byte read beyond. */
    struct pst_module d = sample();
    uint32_t *head = malloc(16);
    ck_assert_ptr_nonnull(head);
    d.size = 16;
    memcpy(head, &d, 16);
    refused((const struct pst_module *)(const void *)head, "descriptor is 16 bytes");
    free(head);
}
END_TEST

START_TEST(sizes)
{
    struct pst_module d = sample();
    struct pst_hooks h = { .size = sizeof(h) };
    static const struct pst_option o = { .name = "x", .type = PST_OPT_STR };

    d.size -= sizeof(void *);
    refused(&d, "descriptor is");
    d.size = sizeof(d) + 1;
    refused(&d, "descriptor is");
    d = sample();
    d.hooks = &h;
    h.size -= sizeof(void *);
    refused(&d, "hook table is");
    h.size = sizeof(h) + 4;
    refused(&d, "hook table is");
    d = sample();
    d.options = &o;
    d.n_options = 1;
    d.option_size = sizeof(o) - sizeof(void *);
    refused(&d, "option is");
    d.option_size = sizeof(o);
    ck_assert_int_eq(normalise(&d), ERR_OK);
}
END_TEST

START_TEST(larger_tables_of_a_newer_module)
{
    struct {
        struct pst_module d;
        void *more[4];
    } big = { .d = sample() };
    struct {
        struct pst_hooks h;
        void *more[4];
    } hooks = { .h = { .size = sizeof(hooks), .on_admit = hook } };

    big.d.size = sizeof(big);
    big.d.hooks = &hooks.h;
    memset(big.more, 0xff, sizeof(big.more));
    memset(hooks.more, 0xff, sizeof(hooks.more));
    ck_assert_int_eq(normalise(&big.d), ERR_OK);
    ck_assert_uint_eq(out.desc.size, sizeof(struct pst_module));
    ck_assert_uint_eq(out.hooks.size, sizeof(struct pst_hooks));
    ck_assert_ptr_eq((void *)out.hooks.on_admit, (void *)hook);
    ck_assert_ptr_null(out.path);
}
END_TEST

START_TEST(content)
{
    struct pst_module d = sample();
    d.name = "other";
    refused(&d, "calls itself \"other\"");
    d.name = NULL;
    refused(&d, "calls itself \"\"");
    d = sample();
    d.version = NULL;
    refused(&d, "no version");
    d = sample();
    d.scopes = 0;
    refused(&d, "neither listeners nor edges");
    d.scopes = PST_SCOPE_EDGE | 1u << 7;
    refused(&d, "newer proxy");
    d = sample();
    d.roles = 1u << 9;
    refused(&d, "newer proxy");
    d = sample();
    d.conn_state_size = UINT32_MAX;
    refused(&d, "bytes per connection");
}
END_TEST

START_TEST(options)
{
    struct pst_option sub[] = { { .name = "a", .type = PST_OPT_NET, .flags = PST_OPT_LIST } };
    struct pst_option o[] = { { .name = "x", .type = PST_OPT_STR },
                              { .name = "g", .type = PST_OPT_GROUP, .sub = sub, .n_sub = 1 } };
    struct pst_module d = sample();

    d.n_options = 2;
    d.option_size = sizeof(o[0]);
    refused(&d, "option table is missing");
    d.options = o;
    ck_assert_int_eq(normalise(&d), ERR_OK);
    sub[0].type = 77;
    refused(&d, "its option a is of a kind unknown");
    sub[0].type = PST_OPT_NET;
    sub[0].flags = 1u << 30;
    refused(&d, "its option a is of a kind unknown");
    sub[0].flags = 0;
    sub[0].name = NULL;
    refused(&d, "has no name");
    sub[0] = o[1];
    sub[0].sub = sub;
    refused(&d, "nested too deeply");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("normalise");
    TCase *t = tcase_create("normalise");

    tcase_add_test(t, good_one);
    tcase_add_test(t, frozen_part);
    tcase_add_test(t, only_the_frozen_part_is_read_of_a_short_one);
    tcase_add_test(t, sizes);
    tcase_add_test(t, larger_tables_of_a_newer_module);
    tcase_add_test(t, content);
    tcase_add_test(t, options);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
