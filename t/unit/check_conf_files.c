/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that cannot be read or parsed, and files that include files. */
#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "t/unit/conf_files.h"

/* What the scanner or libconfig itself refuses. */
static const struct {
    const char *text, *report;
} syntax[] = {
    { "workers = 1;\nworkers = 2;\n", "main.conf:2: duplicate setting name\n" },
    { "workers = ;\n", "main.conf:1: syntax error\n" },
    { "x = [ 1, \"a\" ];\n", "main.conf:1: mismatched element type in array\n" },
    { "workers = 4294967297;\n",
      "main.conf:1: the number 4294967297 does not fit 32 bits; write 4294967297L\n" },
    { "workers = -4294967297;\n",
      "main.conf:1: the number -4294967297 does not fit 32 bits; write -4294967297L\n" },
    { "workers = 0x100000001;\n",
      "main.conf:1: the number 0x100000001 does not fit 32 bits; write 0x100000001L\n" },
    { "workers = 99999999999999999999L;\n",
      "main.conf:1: the number 99999999999999999999L is too large\n" },
    { "workers = 123456789012345678901234567890123;\n",
      "main.conf:1: the number 12345678901234567890... is too large\n" },
    { "\nuser = \"a\n\n", "main.conf:2: the string that begins here has no end\n" },
    { "\n/* a\n\n", "main.conf:2: the comment that begins here has no end\n" },
    { "user = \"a\\x00b\";\n", "main.conf:1: a string cannot hold a NUL\n" },
    { "/* 99999999999\n @include \"x\" */ user = \"a\n 99999999999\";\n"
      "// 99999999999\n# 99999999999\nv99999999999 = 1e99; w = 99999999999.0;\nx = 2147483648;\n",
      "main.conf:7: the number 2147483648 does not fit 32 bits; write 2147483648L\n" },
    { "@include \"nowhere\"\n",
      "main.conf:1: @include \"nowhere\" cannot be read: No such file or directory\n" },
    { "\n  @include \"folder\"\n",
      "main.conf:2: @include \"folder\" cannot be read: it is a folder\n" },
    { "@include \"bad.inc\"\n", "bad.inc:2: the number 3000000000 does not fit 32 bits; write "
                                "3000000000L\n" },
    { "@include \"syntax.inc\"\n", "syntax.inc:2: syntax error\n" },
};

START_TEST(in_syntax)
{
    ck_assert_int_eq(mkdir("folder", 0700), 0);
    conf_files_write("bad.inc", "\nx = 3000000000;\n");
    conf_files_write("syntax.inc", "\nx = ;\n");
    conf_files_refuse(syntax[_i].text, syntax[_i].report);
}
END_TEST

START_TEST(unreadable_main_file)
{
    struct conf_errors *errors;
    struct conf *c = conf_files_load("nowhere.conf", &errors);
    char *report = conf_files_report(errors);

    ck_assert_str_eq(report, "nowhere.conf: cannot be read: No such file or directory\n");
    ck_assert_uint_eq(conf_errors_count(errors), 1);
    free(report);
    conf_free(c);
    conf_errors_free(errors);
}
END_TEST

/* A broken file must not hide the errors of the others, nor make up new ones. */
START_TEST(errors_of_all_files)
{
    struct conf_errors *errors;
    struct conf *c;
    char *report;

    conf_files_write("main.conf", "include_dir = \"conf.d/\"; workers = -1;\n"
                                  "listeners = ( { name = \"l\"; address = \"[::1]:1\";\n"
                                  "  no_sni = \"b\"; } );\n");
    conf_files_write("conf.d/a.conf", "edges = ( { name = \"b\"; domains = [ \"b.test\" ]; ");
    conf_files_write("conf.d/b.conf", "workers = 1;\nedges = ( { name = \"c\"; foo = 1; } );\n");
    conf_files_write("conf.d/c.conf", "edges = { };\n");
    c = conf_files_load("main.conf", &errors);
    report = conf_files_report(errors);
    ck_assert_str_eq(report,
                     "conf.d/a.conf:1: syntax error\n"
                     "conf.d/b.conf:1: workers: only listeners, edges and ip_policies can stand in "
                     "a file of include_dir\n"
                     "main.conf:1: workers: -1 is out of range: 0 to 1024\n"
                     "conf.d/c.conf:1: edges: expected a list, found a group; write ( { ... } )\n"
                     "conf.d/b.conf:2: edges[0].foo: unknown key\n");
    free(report);
    conf_free(c);
    conf_errors_free(errors);
}
END_TEST

START_TEST(include_that_includes_itself)
{
    struct conf_errors *errors;
    struct conf *c;
    char *report;

    conf_files_write("main.conf", "@include \"main.conf\"\n");
    c = conf_files_load("main.conf", &errors);
    report = conf_files_report(errors);
    ck_assert_str_eq(report, "main.conf:1: @include \"main.conf\": more than 10 includes inside "
                             "each other\n");
    free(report);
    conf_free(c);
    conf_errors_free(errors);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conf_files");
    TCase *tc = tcase_create("files");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(tc, conf_files_begin, conf_files_end);
    tcase_add_loop_test(tc, in_syntax, 0, (int)(sizeof(syntax) / sizeof(syntax[0])));
    tcase_add_test(tc, unreadable_main_file);
    tcase_add_test(tc, errors_of_all_files);
    tcase_add_test(tc, include_that_includes_itself);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
