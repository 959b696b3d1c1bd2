/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/addr.h"
#include "core/base/log.h"
#include "core/upstream/hosts.h"

static void setup(void)
{
    log_init();
    log_set_level(PST_LOG_ERROR);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(hosts_file)
{
    char path[] = "/tmp/check_resolve.XXXXXX", ip[ADDR_TEXT_MAX];
    int fd = mkstemp(path);
    struct pst_addr addrs[2];
    struct hosts *h;

    ck_assert_int_ge(fd, 0);
    close(fd);
    write_file(path, "# comment\n"
                     "192.0.2.1\tOne.test one # alias\n"
                     "nonsense   two.test\n"
                     "192.0.2.3 un/usable three.test.\r\n"
                     "\n"
                     "2001:db8::1 one\n"
                     "192.0.2.9 one\n"
                     "192.0.2.4 last");
    h = hosts_new(path);
    ck_assert_ptr_nonnull(h);
    ck_assert_uint_eq(hosts_find(h, "one.test", addrs, 2), 1);
    ck_assert_str_eq(addr_ip_text(&addrs[0], ip), "192.0.2.1");
    ck_assert_uint_eq(hosts_find(h, "one", addrs, 2), 2);
    ck_assert_str_eq(addr_ip_text(&addrs[0], ip), "192.0.2.1");
    ck_assert_str_eq(addr_ip_text(&addrs[1], ip), "2001:db8::1");
    ck_assert_uint_eq(hosts_find(h, "two.test", addrs, 2), 0);
    ck_assert_uint_eq(hosts_find(h, "alias", addrs, 2), 0);
    ck_assert_uint_eq(hosts_find(h, "three.test", addrs, 2), 1);
    ck_assert_uint_eq(hosts_find(h, "last", addrs, 2), 1);
    write_file(path, "192.0.2.77 one\n");
    ck_assert_uint_eq(hosts_find(h, "one", addrs, 2), 1);
    ck_assert_str_eq(addr_ip_text(&addrs[0], ip), "192.0.2.77");
    ck_assert_uint_eq(hosts_find(h, "last", addrs, 2), 0);
    unlink(path);
    ck_assert_uint_eq(hosts_find(h, "one", addrs, 2), 0);
    hosts_free(h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hosts");
    TCase *tc = tcase_create("hosts");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, hosts_file);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
