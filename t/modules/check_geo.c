/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The example geo through the fake host, over a database that the test makes. */
#include "example_rig.h"

/* A database with these networks at `path`; false: there is no Python. */
static int write_database(const char *networks)
{
    const char *top = getenv("top_srcdir");
    char command[1024];

    snprintf(command, sizeof(command), "python3 %s/t/tools/mmdb_write.py %s.new %s && mv %s.new %s",
             top != NULL ? top : ".", path, networks, path, path);
    return system(command) == 0;
}

static void setup(void)
{
    rig_setup("geo", "country.mmdb");
    ck_assert(write_database("192.0.2.0/24=DE 198.51.100.0/24=FR 2001:db8::/32=JP 203.0.113.0/24= "
                             "203.0.114.0/24=ZZZ"));
}

static struct fake_inst *make(const char *more)
{
    char config[512];

    snprintf(config, sizeof(config), "database = \"%s\"; %s", path, more);
    return rig_make(config);
}

/* "DE+" for a client of Germany that may pass, "-" for one from nowhere that may not. */
static const char *judged(struct fake_inst *i, const char *ip)
{
    static char out[16];
    pst_conn *c = fake_conn_new(host);
    int32_t verdict;

    fake_conn_set_ip(c, "conn.client_ip", ip);
    verdict = fake_conn_run(c, i, PST_STAGE_ADMIT, NULL);
    ck_assert(verdict == PST_NEXT || verdict == PST_DENY);
    ck_assert_str_eq(fake_conn_deny_code(c), verdict == PST_DENY ? "geo-denied" : "");
    snprintf(out, sizeof(out), "%s%c", fake_conn_var(c, "geo.country"),
             verdict == PST_NEXT ? '+' : '-');
    fake_conn_end(c, NULL);
    return out;
}

START_TEST(allow)
{
    struct fake_inst *i = make("allow = [ \"DE\", \"JP\" ];");

    ck_assert_str_eq(judged(i, "192.0.2.7"), "DE+");
    ck_assert_str_eq(judged(i, "2001:db8::7"), "JP+");
    ck_assert_str_eq(judged(i, "198.51.100.7"), "FR-");
    ck_assert(fake_host_saw(host, "clients from FR are not let in"));
    ck_assert_str_eq(judged(i, "203.0.113.7"), "-");
    ck_assert_str_eq(judged(i, "203.0.114.7"), "-");
    ck_assert_str_eq(judged(i, "127.0.0.1"), "-");
    ck_assert_str_eq(judged(i, "::1"), "-");
    ck_assert_str_eq(judged(i, "unix"), "-");
    ck_assert(fake_host_saw(host, "no country is known"));
    ck_assert_int_eq(fake_host_metric(host, "geo", "denied"), 6);
    fake_inst_free(i);
}
END_TEST

START_TEST(deny)
{
    struct fake_inst *i = make("deny = [ \"DE\" ]; default = \"allow\";");

    ck_assert_str_eq(judged(i, "192.0.2.7"), "DE-");
    ck_assert_str_eq(judged(i, "198.51.100.7"), "FR+");
    ck_assert_str_eq(judged(i, "127.0.0.1"), "+");
    fake_inst_free(i);
}
END_TEST

/* A reload makes another instance while the first one still serves from the old file. */
START_TEST(another_database)
{
    struct fake_inst *old = make("allow = [ \"DE\" ];"), *new;

    ck_assert(write_database("192.0.2.0/24=FR 198.51.100.0/24=DE"));
    new = make("allow = [ \"DE\" ];");
    ck_assert_str_eq(judged(old, "192.0.2.7"), "DE+");
    ck_assert_str_eq(judged(new, "192.0.2.7"), "FR-");
    ck_assert_str_eq(judged(new, "198.51.100.7"), "DE+");
    fake_inst_free(old);
    ck_assert_str_eq(judged(new, "198.51.100.7"), "DE+");
    fake_inst_free(new);
}
END_TEST

START_TEST(wrong_configurations)
{
    char config[512];

    rig_refuses("", "\"database\" is missing");
    rig_refuses("database = \"/nonexistent/x.mmdb\";", "/nonexistent/x.mmdb: ");
    rig_refuses("database = \"/dev/null\";", "database: /dev/null: ");
    snprintf(config, sizeof(config),
             "database = \"%s\"; allow = [ \"de\", \"Germany\", \"FR\" ]; deny = [ \"FR\" ];",
             path);
    rig_refuses(config, "allow[0]: not a country");
    ck_assert(fake_host_saw(host, "allow[1]: not a country"));
    ck_assert(fake_host_saw(host, "deny[0]: is in \"allow\" and in \"deny\""));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("geo");
    TCase *t = tcase_create("module");

    if (system("python3 -c '' 2>/dev/null") != 0) {
        return 77;
    }
    tcase_add_checked_fixture(t, setup, rig_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, allow);
    tcase_add_test(t, deny);
    tcase_add_test(t, another_database);
    tcase_add_test(t, wrong_configurations);
    return rig_run(s, t);
}
