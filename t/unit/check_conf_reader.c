/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modules see of their configuration: declared options, all types, nested groups. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/config/conf_reader.h"
#include "plugin-api/pst_abi.h"
#include "t/unit/conf_files.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct pst_option inner_options[] = {
    { .name = "cn", .type = PST_OPT_STR, .flags = PST_OPT_REQUIRED },
    { .name = "depth", .type = PST_OPT_U64, .def = "4", .min = 1, .max = 9 },
};

static const struct pst_option options[] = {
    { .name = "str", .type = PST_OPT_STR, .def = "text" },
    { .name = "mode", .type = PST_OPT_STR, .def = "deny", .choices = "deny|allow" },
    { .name = "u64", .type = PST_OPT_U64, .def = "7", .min = 2, .max = 5000000000 },
    { .name = "flag", .type = PST_OPT_BOOL, .def = "true" },
    { .name = "wait", .type = PST_OPT_DURATION, .def = "1500ms", .min = 1000 },
    { .name = "size", .type = PST_OPT_SIZE, .def = "64k", .max = 1048576 },
    { .name = "net", .type = PST_OPT_NET, .def = "10.0.0.0/8" },
    { .name = "addr", .type = PST_OPT_ADDR, .def = "127.0.0.1:80" },
    { .name = "path", .type = PST_OPT_PATH, .def = "def.pem" },
    { .name = "nothing", .type = PST_OPT_STR },
    { .name = "nets", .type = PST_OPT_NET, .flags = PST_OPT_LIST },
    { .name = "group", .type = PST_OPT_GROUP, .sub = inner_options, .n_sub = 2 },
    { .name = "groups",
      .type = PST_OPT_GROUP,
      .flags = PST_OPT_LIST,
      .sub = inner_options,
      .n_sub = 2 },
    { .name = "free", .type = PST_OPT_GROUP },
    { .name = "accept", .type = PST_OPT_NET, .flags = PST_OPT_LIST | PST_OPT_LISTENER_ONLY },
    { .name = "pin", .type = PST_OPT_STR, .flags = PST_OPT_SECRET, .choices = "a|b" },
    { .name = "keys", .type = PST_OPT_SIZE, .flags = PST_OPT_SECRET | PST_OPT_LIST },
    { .name = "send", .type = PST_OPT_U64, .flags = PST_OPT_EDGE_ONLY | PST_OPT_REQUIRED },
};

static struct conf_errors *errors;
static struct conf *conf;
static const pst_cfg *entry;

/* Load a configuration whose edge has one module with these keys, on line 2. */
static void load(const char *keys)
{
    char text[4096];

    snprintf(text, sizeof(text), CONF_EDGE_WITH("modules = ( { module = \"m\"; %s } );"), keys);
    conf = conf_files_good(text, &errors);
    ck_assert_uint_eq(conf->edges[0].n_modules, 1);
    entry = conf->edges[0].modules[0].cfg;
}

static void done(void)
{
    conf_free(conf);
    conf_errors_free(errors);
}

static int declare(uint32_t scope)
{
    return conf_reader_declare(entry, options, COUNT(options), sizeof(options[0]), scope);
}

static void expect_report(const char *expected)
{
    char *report = conf_files_report(errors);
    ck_assert_str_eq(report, expected);
    free(report);
}

static void expect_str(const pst_cfg *node, const char *key, const char *expected)
{
    struct pst_str s;

    ck_assert_int_eq(conf_reader_str(node, key, &s), PST_OK);
    ck_assert_uint_eq(s.n, strlen(expected));
    ck_assert_str_eq(s.p, expected);
}

static void expect_path(const char *key, const char *expected)
{
    char cwd[256], path[300];
    struct pst_str s;

    ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
    snprintf(path, sizeof(path), "%s/%s", cwd, expected);
    ck_assert_int_eq(conf_reader_path(entry, key, &s), PST_OK);
    ck_assert_str_eq(s.p, path);
}

START_TEST(defaults)
{
    struct pst_addr addr;
    struct pst_net net;
    struct pst_str s;
    uint64_t n;
    uint32_t flag;

    load("send = 1;");
    ck_assert_int_eq(declare(PST_SCOPE_EDGE), ERR_OK);
    expect_str(entry, "str", "text");
    expect_str(entry, "mode", "deny");
    ck_assert_int_eq(conf_reader_u64(entry, "u64", &n), PST_OK);
    ck_assert_uint_eq(n, 7);
    ck_assert_int_eq(conf_reader_bool(entry, "flag", &flag), PST_OK);
    ck_assert_uint_eq(flag, 1);
    ck_assert_int_eq(conf_reader_duration(entry, "wait", &n), PST_OK);
    ck_assert_uint_eq(n, 1500);
    ck_assert_int_eq(conf_reader_size(entry, "size", &n), PST_OK);
    ck_assert_uint_eq(n, 65536);
    ck_assert_int_eq(conf_reader_net(entry, "net", &net), PST_OK);
    ck_assert_uint_eq(net.prefix, 8);
    ck_assert_uint_eq(net.addr.ip[0], 10);
    ck_assert_int_eq(conf_reader_addr(entry, "addr", &addr), PST_OK);
    ck_assert_uint_eq(addr.port, 80);
    expect_path("path", "def.pem");
    ck_assert_int_eq(conf_reader_str(entry, "nothing", &s), PST_ERR_NOT_FOUND);
    ck_assert_int_eq(conf_reader_str(entry, "unheard-of", &s), PST_ERR_NOT_FOUND);
    ck_assert_ptr_null(conf_reader_get(entry, "nets"));
    expect_report("");
    done();
}
END_TEST

START_TEST(written_values)
{
    struct pst_addr addr;
    struct pst_net net;
    struct pst_str s;
    uint64_t n;
    uint32_t flag;

    load("str = \"\"; mode = \"allow\"; u64 = 5000000000L; flag = false; wait = \"2s\";"
         "size = 4096; net = \"::ffff:192.0.2.0/120\"; addr = \"[::1]:443\"; path = \"c/a.pem\";"
         "nothing = \"x\"; send = 2;");
    ck_assert_int_eq(declare(PST_SCOPE_EDGE), ERR_OK);
    expect_str(entry, "str", "");
    expect_str(entry, "mode", "allow");
    ck_assert_int_eq(conf_reader_u64(entry, "u64", &n), PST_OK);
    ck_assert_uint_eq(n, 5000000000);
    ck_assert_int_eq(conf_reader_bool(entry, "flag", &flag), PST_OK);
    ck_assert_uint_eq(flag, 0);
    ck_assert_int_eq(conf_reader_duration(entry, "wait", &n), PST_OK);
    ck_assert_uint_eq(n, 2000);
    ck_assert_int_eq(conf_reader_size(entry, "size", &n), PST_OK);
    ck_assert_uint_eq(n, 4096);
    ck_assert_int_eq(conf_reader_net(entry, "net", &net), PST_OK);
    ck_assert_uint_eq(net.addr.family, PST_AF_INET);
    ck_assert_uint_eq(net.prefix, 24);
    ck_assert_int_eq(conf_reader_addr(entry, "addr", &addr), PST_OK);
    ck_assert_uint_eq(addr.family, PST_AF_INET6);
    ck_assert_uint_eq(addr.port, 443);
    expect_path("path", "c/a.pem");
    ck_assert_int_eq(conf_reader_name(conf_reader_get(entry, "mode"), &s), PST_OK);
    ck_assert_str_eq(s.p, "mode");
    expect_report("");
    done();
}
END_TEST

START_TEST(lists_and_groups)
{
    const pst_cfg *nets, *groups, *first, *group;
    struct pst_net net;
    struct pst_str s;
    uint64_t n;

    load("send = 1; nets = ( \"10.0.0.0/8\", \"::1\" ); group = { cn = \"a\"; depth = 2; };"
         "groups = ( { cn = \"b\"; }, { cn = \"c\"; depth = 9; } );"
         "free = { any = 1; thing = [ 1.5 ]; };");
    ck_assert_int_eq(declare(PST_SCOPE_EDGE), ERR_OK);
    nets = conf_reader_get(entry, "nets");
    ck_assert_uint_eq(conf_reader_type(nets), PST_CFG_LIST);
    ck_assert_uint_eq(conf_reader_count(nets), 2);
    ck_assert_ptr_eq(conf_reader_at(nets, 1), conf_reader_at(nets, 1));
    ck_assert_ptr_eq(nets, conf_reader_get(entry, "nets"));
    ck_assert_int_eq(conf_reader_net(conf_reader_at(nets, 1), NULL, &net), PST_OK);
    ck_assert_uint_eq(net.prefix, 128);
    ck_assert_ptr_null(conf_reader_at(nets, 2));
    ck_assert_int_eq(conf_reader_name(conf_reader_at(nets, 0), &s), PST_ERR_NOT_FOUND);
    group = conf_reader_get(entry, "group");
    expect_str(group, "cn", "a");
    ck_assert_int_eq(conf_reader_u64(group, "depth", &n), PST_OK);
    ck_assert_uint_eq(n, 2);
    groups = conf_reader_get(entry, "groups");
    first = conf_reader_at(groups, 0);
    expect_str(first, "cn", "b");
    ck_assert_int_eq(conf_reader_u64(first, "depth", &n), PST_OK);
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(conf_reader_u64(conf_reader_at(groups, 1), "depth", &n), PST_OK);
    ck_assert_uint_eq(n, 9);
    group = conf_reader_get(entry, "free");
    ck_assert_uint_eq(conf_reader_count(group), 2);
    ck_assert_uint_eq(conf_reader_type(conf_reader_at(group, 0)), PST_CFG_INT);
    ck_assert_uint_eq(conf_reader_type(conf_reader_at(conf_reader_at(group, 1), 0)), PST_CFG_FLOAT);
    expect_report("");
    done();
}
END_TEST

/* The core's own keys are not the module's business. */
START_TEST(core_keys_are_hidden)
{
    struct pst_str s;

    load("str = \"x\"; enabled = true; nothing = \"y\"; enforce = false; flag = true;");
    ck_assert_uint_eq(conf_reader_type(entry), PST_CFG_GROUP);
    ck_assert_uint_eq(conf_reader_count(entry), 3);
    ck_assert_int_eq(conf_reader_name(conf_reader_at(entry, 0), &s), PST_OK);
    ck_assert_str_eq(s.p, "str");
    ck_assert_int_eq(conf_reader_name(conf_reader_at(entry, 1), &s), PST_OK);
    ck_assert_str_eq(s.p, "nothing");
    ck_assert_uint_eq(conf_reader_type(conf_reader_at(entry, 2)), PST_CFG_BOOL);
    ck_assert_ptr_null(conf_reader_at(entry, 3));
    ck_assert_ptr_null(conf_reader_get(entry, "module"));
    ck_assert_int_eq(conf_reader_str(entry, "module", &s), PST_ERR_NOT_FOUND);
    ck_assert_uint_eq(conf_reader_type(NULL), PST_CFG_NONE);
    ck_assert_uint_eq(conf_reader_count(conf_reader_at(entry, 0)), 0);
    ck_assert_int_eq(conf_reader_str(conf_reader_at(entry, 0), "key", &s), PST_ERR_INVALID);
    done();
}
END_TEST

#define AT "main.conf:2: edges[0].modules[0]"

static const struct {
    const char *keys, *report;
} wrong[] = {
    { "", AT ": \"send\" is missing\n" },
    { "send = 1; sttr = \"x\";", AT ".sttr: unknown key; did you mean \"str\"?\n" },
    { "send = 1; quux = \"x\";", AT ".quux: unknown key\n" },
    { "send = 1; str = 1;", AT ".str: expected a string, found an integer\n" },
    { "send = 1; mode = \"alow\";",
      AT ".mode: \"alow\" is not one of deny|allow; did you mean \"allow\"?\n" },
    { "send = 1; u64 = 1;", AT ".u64: 1 is out of range: 2 to 5000000000\n" },
    { "send = 1; u64 = \"9\";", AT ".u64: expected an integer, found a string\n" },
    { "send = -1;", AT ".send: -1 is out of range: at least 0\n" },
    { "send = 1; flag = 1;", AT ".flag: expected true or false, found an integer\n" },
    { "send = 1; wait = 5;", AT ".wait: expected a duration, found an integer; durations are "
                                "strings with a unit: \"5s\"\n" },
    { "send = 1; wait = \"5ms\";", AT ".wait: \"5ms\" is out of range: at least 1s\n" },
    { "send = 1; size = \"2m\";", AT ".size: \"2m\" is out of range: 0 to 1048576 bytes\n" },
    { "send = 1; size = 1048577;", AT ".size: 1048577 is out of range: 0 to 1048576\n" },
    { "send = 1; size = \"big\";", AT ".size: \"big\" is not a size; write bytes or a number with "
                                      "k, m or g: \"64k\"\n" },
    { "send = 1; size = true;",
      AT ".size: expected a size such as 4096 or \"64k\", found a boolean\n" },
    { "send = 1; addr = \"h:80\";", AT ".addr: \"h:80\" is a host name; write an IP address: "
                                       "\"127.0.0.1:80\" or \"[::]:80\"\n" },
    { "send = 1; path = \"\";", AT ".path: a file name cannot be empty\n" },
    { "send = 1; nets = \"10.0.0.0/8\";",
      AT ".nets: expected a list, found a string; write [ \"10.0.0.0/8\" ]\n" },
    { "send = 1; nets = 5;", AT ".nets: expected a list, found an integer; write [ ... ]\n" },
    { "send = 1; nets = [ \"10.0.0.0/8\", \"10.0.0.1/8\", \"x\" ];",
      AT ".nets[1]: \"10.0.0.1/8\" has host bits set; did you mean 10.0.0.0/8?\n" AT
         ".nets[2]: \"x\" is not a network; write \"10.0.0.0/8\", \"2001:db8::/32\" or one "
         "address\n" },
    { "send = 1; nets = ( ( \"10.0.0.0/8\" ) );",
      AT ".nets[0]: expected a network such as \"10.0.0.0/8\", found a list\n" },
    { "send = 1; group = 1;", AT ".group: expected a group, found an integer\n" },
    { "send = 1; group = { dept = 1; };",
      AT ".group.dept: unknown key; did you mean \"depth\"?\n" AT ".group: \"cn\" is missing\n" },
    { "send = 1; groups = { cn = \"a\"; };",
      AT ".groups: expected a list, found a group; write ( { ... } )\n" },
    { "send = 1; groups = ( { cn = \"a\"; depth = 10; }, 4 );",
      AT ".groups[0].depth: 10 is out of range: 1 to 9\n" AT
         ".groups[1]: expected a group, found an integer\n" },
    { "send = 1; pin = \"hunter2\";",
      AT ".pin: is not a value that this key takes (not shown, it is a secret)\n" },
    { "send = 1; keys = \"hunter2\";", AT ".keys: expected a list, found a string\n" },
    { "send = 1; keys = [ \"1k\", \"hunter2\" ];",
      AT ".keys[1]: is not a value that this key takes (not shown, it is a secret)\n" },
    { "send = 1; accept = [ ];", AT ".accept: is only for this module at a listener\n" },
};

START_TEST(declared_errors)
{
    load(wrong[_i].keys);
    ck_assert_int_eq(declare(PST_SCOPE_EDGE), ERR_CONFIG);
    expect_report(wrong[_i].report);
    done();
}
END_TEST

START_TEST(listener_scope)
{
    load("accept = [ \"::/0\" ];");
    ck_assert_int_eq(declare(PST_SCOPE_LISTENER), ERR_OK);
    done();
    load("send = 1;");
    ck_assert_int_eq(declare(PST_SCOPE_LISTENER), ERR_CONFIG);
    expect_report(AT ".send: is only for this module at an edge\n");
    done();
}
END_TEST

/* Reading what was refused already does not say it twice. */
START_TEST(errors_are_said_once)
{
    struct pst_net net;
    uint64_t n;

    load("send = \"x\"; nets = [ \"y\" ];");
    ck_assert_int_eq(declare(PST_SCOPE_EDGE), ERR_CONFIG);
    ck_assert_int_eq(conf_reader_u64(entry, "send", &n), PST_ERR_CONFIG);
    ck_assert_int_eq(conf_reader_net(conf_reader_at(conf_reader_get(entry, "nets"), 0), NULL, &net),
                     PST_ERR_CONFIG);
    conf_reader_error(entry, "no good!", 7);
    conf_reader_error(entry, "no good", 7);
    conf_reader_warn(conf_reader_get(entry, "send"), "odd", 3);
    expect_report(AT ".send: expected an integer, found a string\n" AT
                     ".nets[0]: \"y\" is not a network; write \"10.0.0.0/8\", \"2001:db8::/32\" or "
                     "one address\n" AT ": no good\nwarning: " AT ".send: odd\n");
    conf_detach(conf);
    conf_reader_error(entry, "too late", 8);
    ck_assert_uint_eq(conf_errors_count(errors), 3);
    done();
}
END_TEST

/* Without a declaration a reader judges by the type it is asked for. */
START_TEST(undeclared)
{
    struct pst_str s;
    uint64_t n;

    load("a = \"x\"; b = 5;");
    expect_str(entry, "a", "x");
    ck_assert_int_eq(conf_reader_u64(entry, "b", &n), PST_OK);
    ck_assert_uint_eq(n, 5);
    ck_assert_int_eq(conf_reader_str(entry, "c", &s), PST_ERR_NOT_FOUND);
    ck_assert_int_eq(conf_reader_str(entry, "b", &s), PST_ERR_CONFIG);
    expect_report(AT ".b: expected a string, found an integer\n");
    done();
}
END_TEST

START_TEST(shared_policies)
{
    const pst_cfg *policy, *rules;
    struct pst_net net;
    char *report;

    conf_files_write("conf.d/p.conf", "ip_policies = ( { name = \"home\"; rules = ( { cidr = "
                                      "\"::/0\"; action = \"deny\"; } ); } );\n");
    conf_files_write("main.conf",
                     "include_dir = \"conf.d\";\n"
                     "ip_policies = ( { name = \"office\"; rules = ( ); } );\n" CONF_EDGE_WITH(
                         "modules = ( { module = \"m\"; } );"));
    conf = conf_files_load("main.conf", &errors);
    report = conf_files_report(errors);
    ck_assert_str_eq(report, "");
    free(report);
    entry = conf->edges[0].modules[0].cfg;
    policy = conf_reader_shared(entry, "ip_policies", "home");
    ck_assert_ptr_nonnull(policy);
    ck_assert_ptr_eq(policy, conf_reader_shared(entry, "ip_policies", "home"));
    expect_str(policy, "name", "home");
    rules = conf_reader_get(policy, "rules");
    ck_assert_uint_eq(conf_reader_count(rules), 1);
    ck_assert_int_eq(conf_reader_net(conf_reader_at(rules, 0), "cidr", &net), PST_OK);
    ck_assert_uint_eq(net.prefix, 0);
    ck_assert_ptr_nonnull(conf_reader_shared(entry, "ip_policies", "office"));
    ck_assert_ptr_null(conf_reader_shared(entry, "ip_policies", "elsewhere"));
    ck_assert_ptr_null(conf_reader_shared(entry, "edges", "a"));
    done();
}
END_TEST

/* A module compiled against a header whose struct pst_option has grown. */
START_TEST(options_of_another_size)
{
    struct {
        struct pst_option o;
        uint64_t more[3];
    } grown[2] = {
        { .o = { .name = "one", .type = PST_OPT_U64, .def = "1" } },
        { .o = { .name = "two", .type = PST_OPT_U64, .def = "2" } },
    };
    uint64_t n;

    load("one = 5;");
    ck_assert_int_eq(conf_reader_declare(entry, &grown[0].o, 2, sizeof(grown[0]), PST_SCOPE_EDGE),
                     ERR_OK);
    ck_assert_int_eq(conf_reader_u64(entry, "two", &n), PST_OK);
    ck_assert_uint_eq(n, 2);
    done();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conf_reader");
    TCase *tc = tcase_create("reader");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(tc, conf_files_begin, conf_files_end);
    tcase_add_test(tc, defaults);
    tcase_add_test(tc, written_values);
    tcase_add_test(tc, lists_and_groups);
    tcase_add_test(tc, core_keys_are_hidden);
    tcase_add_loop_test(tc, declared_errors, 0, (int)COUNT(wrong));
    tcase_add_test(tc, listener_scope);
    tcase_add_test(tc, errors_are_said_once);
    tcase_add_test(tc, undeclared);
    tcase_add_test(tc, shared_policies);
    tcase_add_test(tc, options_of_another_size);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
