/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The example sni-allow through the fake host. */
#include "example_rig.h"

static void setup(void)
{
    rig_setup("sni-allow", "names");
}

static char *config_for(const char *text)
{
    static char config[256];
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    snprintf(config, sizeof(config), "file = \"%s\";", path);
    return config;
}

/* The verdict about a name, NULL: no TLS. */
static int32_t verdict_of(struct fake_inst *i, uint32_t stage, const char *name)
{
    struct pst_hello hello = { .size = sizeof(hello), .sni = pst_str_of(name) };
    pst_conn *c = fake_conn_new(host);
    int32_t verdict;

    if (name != NULL) {
        fake_conn_set_hello(c, &hello);
    }
    verdict = fake_conn_run(c, i, stage, NULL);
    ck_assert_str_eq(fake_conn_deny_code(c), verdict == PST_DENY ? "sni-unlisted" : "");
    fake_conn_end(c, NULL);
    return verdict;
}

START_TEST(exact_and_wildcard)
{
    static const char *const in[] = { "www.example.com", "api.example.com", "a.apps.example.com",
                                      "b.a.apps.example.com" };
    static const char *const out[] = { "example.com",
                                       "apps.example.com",
                                       "xwww.example.com",
                                       "www.example.com.evil.test",
                                       "xapps.example.com",
                                       "",
                                       NULL };
    struct fake_inst *i = rig_make(
        config_for("# ours\nwww.example.com\n  API.example.com # too\r\n\n*.apps.example.com"));

    for (size_t k = 0; k < sizeof(in) / sizeof(in[0]); k++) {
        ck_assert_int_eq(verdict_of(i, PST_STAGE_ADMIT, in[k]), PST_NEXT);
        ck_assert_int_eq(verdict_of(i, PST_STAGE_CLIENT_HELLO, in[k]), PST_NEXT);
    }
    for (size_t k = 0; k < sizeof(out) / sizeof(out[0]); k++) {
        ck_assert_int_eq(verdict_of(i, PST_STAGE_ADMIT, out[k]), PST_DENY);
        ck_assert_int_eq(verdict_of(i, PST_STAGE_CLIENT_HELLO, out[k]), PST_DENY);
    }
    ck_assert_int_eq(fake_host_metric(host, "sni-allow", "denied"), 14);
    fake_inst_free(i);
}
END_TEST

START_TEST(many_names)
{
    struct fake_inst *i;
    char *text = malloc(1 << 20), *at = text, name[64];

    ck_assert_ptr_nonnull(text);
    for (int k = 0; k < 30000; k++) {
        at += sprintf(at, "h%d.example.com\n", k);
    }
    i = rig_make(config_for(text));
    for (int k = 0; k < 30000; k += 97) {
        snprintf(name, sizeof(name), "h%d.example.com", k);
        ck_assert_int_eq(verdict_of(i, PST_STAGE_ADMIT, name), PST_NEXT);
    }
    ck_assert_int_eq(verdict_of(i, PST_STAGE_ADMIT, "h30000.example.com"), PST_DENY);
    fake_inst_free(i);
    free(text);
}
END_TEST

START_TEST(wrong_files)
{
    char lines[600] = "";

    rig_refuses("", "\"file\" is missing");
    rig_refuses("file = \"/nonexistent/names\";", "/nonexistent/names: No such file");
    rig_refuses("file = \"/\";", "/: Is a directory");
    rig_refuses(config_for("good.test\na..b\n*.*.test\n"), "line 2 is no host name");
    ck_assert(fake_host_saw(host, "line 3 is no host name"));
    ck_assert(!fake_host_saw(host, "line 1 "));
    for (int k = 0; k < 60; k++) {
        strcat(lines, "b\xc3\xa4h\n");
    }
    rig_refuses(config_for(lines), "line 20 is no host name");
    ck_assert(!fake_host_saw(host, "line 21 "));
}
END_TEST

START_TEST(nobody)
{
    struct fake_inst *i = rig_make(config_for("# none yet\n"));

    ck_assert(fake_host_saw(host, "nobody is let through"));
    ck_assert_int_eq(verdict_of(i, PST_STAGE_ADMIT, "www.example.com"), PST_DENY);
    fake_inst_free(i);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sni-allow");
    TCase *t = tcase_create("module");

    tcase_add_checked_fixture(t, setup, rig_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, exact_and_wildcard);
    tcase_add_test(t, many_names);
    tcase_add_test(t, wrong_files);
    tcase_add_test(t, nobody);
    return rig_run(s, t);
}
