/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conn-limits: a full table, what a reload keeps, and wrong configurations. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "conn_limits_rig.h"

START_TEST(full_table_refuses)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "max_conns_per_client = 1; table_size = 256;");
    pst_conn *c[256];
    char ip[32];

    for (int n = 0; n < 256; n++) {
        snprintf(ip, sizeof(ip), "192.0.2.%d", n);
        c[n] = admitted(i, ip);
    }
    refused(i, PST_STAGE_ADMIT, "198.51.100.1", "limit-table",
            "198.51.100.1/32: table_size: no room for one more client");
    ck_assert_int_eq(metric("table_full"), 1);
    ck_assert_int_eq(metric("clients"), 256);
    fake_conn_end(c[255], NULL);
    passes(i, "198.51.100.1");
    ck_assert_int_eq(metric("clients_forgotten"), 0);
    for (int n = 0; n < 255; n++) {
        fake_conn_end(c[n], NULL);
    }
    fake_inst_free(i);
}
END_TEST

START_TEST(forgetting_is_told)
{
    struct fake_inst *i =
        make(PST_SCOPE_EDGE, "conn_rate_per_client = \"1/1h\"; table_size = 256;");
    char ip[32];

    for (int n = 0; n < 256; n++) {
        snprintf(ip, sizeof(ip), "192.0.2.%d", n);
        passes(i, ip);
    }
    refused(i, PST_STAGE_ADMIT, "192.0.2.0", "limit-rate", "192.0.2.0/32: conn_rate_per_client");
    ck_assert(!fake_host_saw(host, "table_size"));
    passes(i, "198.51.100.1");
    ck_assert_int_eq(metric("clients_forgotten"), 1);
    ck_assert(fake_host_saw(host, "more clients than table_size: the oldest are forgotten"));
    /* The one seen longest ago: .0 was seen again. */
    refused(i, PST_STAGE_ADMIT, "192.0.2.0", "limit-rate", "192.0.2.0/32: conn_rate_per_client");
    passes(i, "192.0.2.1");
    fake_inst_free(i);
}
END_TEST

START_TEST(reload_keeps_counts)
{
    static const char config[] = "max_conns_per_client = 2; max_conns = 3;";
    struct fake_inst *i = make(PST_SCOPE_EDGE, config), *next = make(PST_SCOPE_EDGE, config);
    pst_conn *a = admitted(i, "192.0.2.1"), *b;

    ck_assert_int_eq(fake_inst_adopt(next, i), PST_OK);
    b = admitted(next, "192.0.2.1");
    refused(next, PST_STAGE_ADMIT, "192.0.2.1", "limit-conns",
            "192.0.2.1/32: max_conns_per_client");
    /* The old generation's connection ends, then the generation. */
    fake_conn_end(a, NULL);
    fake_inst_free(i);
    a = admitted(next, "192.0.2.1");
    refused(next, PST_STAGE_ADMIT, "192.0.2.1", "limit-conns",
            "192.0.2.1/32: max_conns_per_client");
    fake_conn_end(a, NULL);
    fake_conn_end(b, NULL);
    ck_assert_int_eq(metric("clients"), 1);
    ck_assert(!fake_host_saw(host, "from zero"));
    fake_inst_free(next);
    ck_assert_int_eq(metric("clients"), 0);
    ck_assert_int_eq(metric("conns"), 0);
}
END_TEST

/* Whoever was refused by a rate that a reload raises waits for the new one, not for the old one. */
START_TEST(reload_raises_rates)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "conn_rate_per_client = \"1/1d\";");
    struct fake_inst *next = make(PST_SCOPE_EDGE, "conn_rate_per_client = \"10/10s\";");
    struct fake_inst *all = make(PST_SCOPE_EDGE, "conn_rate = \"1/1d\";");
    struct fake_inst *all_next = make(PST_SCOPE_EDGE, "conn_rate = \"10/10s\";");

    passes(i, "192.0.2.1");
    refused(i, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    passes(all, "192.0.2.1");
    ck_assert_int_eq(fake_inst_adopt(next, i), PST_OK);
    ck_assert_int_eq(fake_inst_adopt(all_next, all), PST_OK);
    refused(next, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    refused(all_next, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "conn_rate");
    fake_host_advance(host, 1000);
    passes(next, "192.0.2.1");
    passes(all_next, "192.0.2.1");
    refused(next, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "192.0.2.1/32: conn_rate_per_client");
    refused(all_next, PST_STAGE_ADMIT, "192.0.2.1", "limit-rate", "conn_rate");
    fake_inst_free(i);
    fake_inst_free(next);
    fake_inst_free(all);
    fake_inst_free(all_next);
}
END_TEST

/* The totals stay when the clients cannot. A candidate that is given up gives back what it took. */
START_TEST(reload_with_another_table)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, "max_conns_per_client = 1; max_conns = 2;");
    struct fake_inst *next =
        make(PST_SCOPE_EDGE, "max_conns_per_client = 1; max_conns = 2; ipv6_prefix = 48;");
    pst_conn *a = admitted(i, "192.0.2.1"), *b;

    ck_assert_int_eq(fake_inst_adopt(next, i), PST_OK);
    ck_assert(fake_host_saw(host, "from zero"));
    fake_inst_free(next);
    next = make(PST_SCOPE_EDGE, "max_conns_per_client = 1; max_conns = 2; table_size = 1024;");
    ck_assert_int_eq(fake_inst_adopt(next, i), PST_OK);
    b = admitted(next, "192.0.2.1");
    refused(next, PST_STAGE_ADMIT, "192.0.2.2", "limit-conns", "max_conns");
    fake_conn_end(a, NULL);
    passes(next, "192.0.2.2");
    fake_conn_end(b, NULL);
    fake_inst_free(i);
    fake_inst_free(next);
    ck_assert_int_eq(metric("clients"), 0);
    ck_assert_int_eq(metric("conns"), 0);
}
END_TEST

START_TEST(wrong_configurations)
{
    static const struct {
        uint32_t scope;
        const char *config, *text;
    } cases[] = {
        { PST_SCOPE_EDGE, "", "nothing is limited" },
        { PST_SCOPE_EDGE, "max_conns = 0;", "max_conns" },
        { PST_SCOPE_EDGE, "max_con = 1;", "unknown key" },
        { PST_SCOPE_EDGE, "max_preread = 1;", "max_preread" },
        { PST_SCOPE_EDGE, "conn_rate = \"fast\";", "conn_rate: \"fast\" is not a rate" },
        { PST_SCOPE_EDGE, "conn_rate = \"10/\";", "conn_rate: \"10/\" is not a rate" },
        { PST_SCOPE_EDGE, "max_failures = \"0/1s\";", "max_failures: \"0/1s\" is not a rate" },
        { PST_SCOPE_EDGE, "conn_rate = \"1/1d\"; burst = 31;",
          "burst: a burst of 31 needs more than 30 days" },
        { PST_SCOPE_EDGE, "max_conns = 1; burst = 5;",
          "burst: \"burst\" means nothing without \"conn_rate\"" },
        { PST_SCOPE_EDGE, "max_conns = 1; burst_per_client = 5;",
          "\"burst_per_client\" means nothing without \"conn_rate_per_client\"" },
        { PST_SCOPE_EDGE, "max_conns = 1; penalty = \"1s\";",
          "penalty: \"penalty\" means nothing without \"max_failures\"" },
        { PST_SCOPE_EDGE, "max_conns_per_client = 1; ipv4_prefix = 33;", "ipv4_prefix" },
        { PST_SCOPE_EDGE, "max_conns_per_client = 1; table_size = 10;", "table_size" },
        { PST_SCOPE_EDGE, "max_conns_per_client = 1; exempt = [\"10.0.0.1/8\"];", "exempt[0]" },
    };

    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        fake_host_forget(host);
        ck_assert_ptr_null(fake_inst_new(module, cases[n].scope, "api", cases[n].config));
        ck_assert_msg(fake_host_saw(host, cases[n].text), "%s: %s", cases[n].config,
                      fake_host_transcript(host));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conn-limits");
    TCase *t = tcase_create("table");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, full_table_refuses);
    tcase_add_test(t, forgetting_is_told);
    tcase_add_test(t, reload_keeps_counts);
    tcase_add_test(t, reload_raises_rates);
    tcase_add_test(t, reload_with_another_table);
    tcase_add_test(t, wrong_configurations);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
