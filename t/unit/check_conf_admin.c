/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control and metrics: good ones, wrong ones, and what is wrong with password files. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "t/unit/conf_files.h"

static struct conf_errors *errors;

static void done(struct conf *c)
{
    conf_free(c);
    conf_errors_free(errors);
}

START_TEST(own_services)
{
    struct conf *c = conf_files_good(CONF_LISTENERS CONF_EDGES, &errors);

    ck_assert(c->control.enabled);
    ck_assert_ptr_null(c->control.socket);
    ck_assert_ptr_null(c->control.group);
    ck_assert_uint_eq(c->control.mode, 0600);
    ck_assert(!c->metrics.enabled);
    done(c);
    c = conf_files_good("control = { socket = \"/run/p.sock\"; group = \"adm\"; };\n"
                        "metrics = { address = \"[::1]:9660\"; };\n" CONF_LISTENERS CONF_EDGES,
                        &errors);
    ck_assert_str_eq(c->control.socket, "/run/p.sock");
    ck_assert_str_eq(c->control.group, "adm");
    ck_assert_uint_eq(c->control.mode, 0660);
    ck_assert(c->metrics.enabled);
    ck_assert_str_eq(c->metrics.addr.text, "[::1]:9660");
    ck_assert_ptr_null(c->metrics.user);
    done(c);
    c = conf_files_good("control = { enabled = false; group = \"adm\"; mode = \"0600\"; };\n"
                        "metrics = { address = \"unix:/run/m.sock\"; mode = \"0666\"; };\n" //
                        CONF_LISTENERS CONF_EDGES,
                        &errors);
    ck_assert(!c->control.enabled);
    ck_assert_uint_eq(c->control.mode, 0600);
    ck_assert_int_eq(c->metrics.addr.kind, CONF_ADDR_UNIX);
    ck_assert_uint_eq(c->metrics.unix_mode, 0666);
    done(c);
}
END_TEST

#define PASSWORD "metrics = { address = \"127.0.0.1:1\"; user = \"u\"; password_file = \"pw\"; };\n"

static void password_is(const char *text, size_t n, mode_t mode)
{
    FILE *f = fopen("pw", "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod("pw", mode), 0);
}

static void password_good(const char *text, const char *want)
{
    struct conf *c;

    password_is(text, strlen(text), 0640);
    c = conf_files_good(PASSWORD CONF_LISTENERS CONF_EDGES, &errors);
    ck_assert_str_eq(c->metrics.user, "u");
    ck_assert_str_eq(c->metrics.password, want);
    done(c);
}

START_TEST(passwords)
{
    char most[300];

    password_good("secret", "secret");
    password_good("secret\n", "secret");
    password_good("two words \r\nsecond line\n", "two words ");
    memset(most, 'x', 256);
    most[256] = '\0';
    password_good(most, most);
    most[256] = '\n';
    most[257] = 'y';
    most[258] = '\0';
    password_is(most, 258, 0600);
    most[256] = '\0';
    password_good(most, most);
}
END_TEST

static void wrong(const char *text, const char *said)
{
    struct conf *c;
    char *report;

    conf_files_write("main.conf", text);
    c = conf_files_load("main.conf", &errors);
    report = conf_files_report(errors);
    ck_assert_msg(strstr(report, said) != NULL, "%s instead of %s", report, said);
    free(report);
    done(c);
}

START_TEST(bad_passwords)
{
    char long_one[300];

    password_is("", 0, 0600);
    wrong(PASSWORD CONF_LISTENERS CONF_EDGES, "pw: its first line is empty");
    password_is("sec\0ret\n", 8, 0600);
    wrong(PASSWORD CONF_LISTENERS CONF_EDGES, "pw: its first line has a zero byte");
    password_is("\nsecret", 7, 0600);
    wrong(PASSWORD CONF_LISTENERS CONF_EDGES, "pw: its first line is empty");
    password_is("secret", 6, 0644);
    wrong(PASSWORD CONF_LISTENERS CONF_EDGES, "pw: others");
    memset(long_one, 'x', sizeof(long_one));
    password_is(long_one, 257, 0600);
    wrong(PASSWORD CONF_LISTENERS CONF_EDGES, "pw: its first line is too long");
    ck_assert_int_eq(remove("pw"), 0);
    ck_assert_int_eq(mkdir("pw", 0700), 0);
    wrong(PASSWORD CONF_LISTENERS CONF_EDGES, "pw: not a file");
    ck_assert_int_eq(remove("pw"), 0);
}
END_TEST

START_TEST(wrong_ones)
{
    static const struct {
        const char *text, *said;
    } known[] = {
        { "control = { mode = \"0666\"; };\n",
          "control.mode: only the owner and the group can be let in: at most \"0660\"" },
        { "control = { mode = 600; };\n", "control.mode: expected an octal mode in quotes" },
        { "control = { sockt = \"x\"; };\n",
          "control.sockt: unknown key; did you mean \"socket\"?" },
        { "control = { socket = \"\"; };\n", "control.socket: a file name cannot be empty" },
        { "control = \"/run/x\";\n", "control: expected a group, found a string" },
        { "metrics = { };\n", "metrics: \"address\" is missing" },
        { "metrics = { address = \"host:1\"; };\n", "metrics.address: " },
        { "metrics = { address = \"127.0.0.1:1\"; user = \"x\"; };\n",
          "metrics: user and password_file only go together" },
        { "metrics = { address = \"127.0.0.1:1\"; user = \"a:b\"; password_file = \"none\"; };\n",
          "metrics.user: a user is 1 to 256 characters without a colon" },
        { "metrics = { address = \"127.0.0.1:1\"; user = \"a\"; password_file = \"none\"; };\n",
          "none: No such file or directory" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char text[1024];

        snprintf(text, sizeof(text), "%s%s", known[i].text, CONF_LISTENERS CONF_EDGES);
        wrong(text, known[i].said);
    }
}
END_TEST

START_TEST(long_socket)
{
    char text[1024];

    snprintf(text, sizeof(text), "control = { socket = \"/%0107d\"; };\n%s", 0,
             CONF_LISTENERS CONF_EDGES);
    wrong(text, "control.socket: the name of a socket can have at most 107 bytes");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conf_admin");
    TCase *tc = tcase_create("files");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(tc, conf_files_begin, conf_files_end);
    tcase_add_test(tc, own_services);
    tcase_add_test(tc, passwords);
    tcase_add_test(tc, bad_passwords);
    tcase_add_test(tc, wrong_ones);
    tcase_add_test(tc, long_socket);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
