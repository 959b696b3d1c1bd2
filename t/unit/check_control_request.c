/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/server/control_request.h"

static struct control_request r;
static char why[256];

static int parse(const char *z)
{
    return control_request_parse(z, strlen(z), &r, why, sizeof(why));
}

START_TEST(commands)
{
    static const struct {
        const char *text;
        enum control_command command;
    } good[] = {
        { "status", CONTROL_STATUS },
        { "reload", CONTROL_RELOAD },
        { "reopen", CONTROL_REOPEN },
        { "drain", CONTROL_DRAIN },
        { "stop", CONTROL_STOP },
        { "plan", CONTROL_PLAN },
        { "edges", CONTROL_EDGES },
        { "upstreams", CONTROL_UPSTREAMS },
        { "modules", CONTROL_MODULES },
        { "connections", CONTROL_CONNECTIONS },
        { "kill id=1", CONTROL_KILL },
        { "events", CONTROL_EVENTS },
        { "metrics", CONTROL_METRICS },
        { "log-level", CONTROL_LOG_LEVEL },
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(parse(good[i].text) == ERR_OK, "%s: %s", good[i].text, why);
        ck_assert_int_eq(r.command, good[i].command);
        ck_assert_int_eq(r.level, -1);
        ck_assert(!r.filter.has_client && r.filter.edge == NULL && r.filter.sni == NULL);
    }
}
END_TEST

START_TEST(arguments)
{
    ck_assert_int_eq(parse("connections edge=api sni=*.Example.COM. client=10.0.0.0/8 id=1025"),
                     ERR_OK);
    ck_assert_str_eq(r.filter.edge, "api");
    ck_assert_str_eq(r.filter.sni, "*.example.com");
    ck_assert(r.filter.has_client);
    ck_assert_uint_eq(r.filter.client.prefix, 8);
    ck_assert_uint_eq(r.filter.id, 1025);
    ck_assert_int_eq(parse("kill client=2001:db8::1"), ERR_OK);
    ck_assert_uint_eq(r.filter.client.prefix, 128);
    ck_assert_int_eq(parse("kill id=18446744073709551615"), ERR_OK);
    ck_assert_uint_eq(r.filter.id, UINT64_MAX);
    ck_assert_int_eq(parse("log-level level=debug"), ERR_OK);
    ck_assert_int_eq(r.level, PST_LOG_DEBUG);
}
END_TEST

START_TEST(bad)
{
    static const char *const lines[] = {
        "",
        " ",
        "Status",
        "status ",
        " status",
        "status  ",
        "statusx",
        "status x",
        "status\r",
        "connections\tedge=a",
        "edges id=1",
        "kill",
        "kill edge",
        "kill edge=",
        "kill id=0",
        "kill id=-1",
        "kill id=1x",
        "kill sni=a..b",
        "kill sni=*",
        "kill sni=-a",
        "kill client=a",
        "kill client=10.0.0.1/8",
        "kill client=::/129",
        "kill id=18446744073709551616",
        "connections edge=a edge=a",
        "log-level level=loud",
        "connections level=debug",
        "events edge=a",
        "status\x7f",
        "status\x80",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        why[0] = '\0';
        ck_assert_msg(parse(lines[i]) == ERR_INVALID, "\"%s\"", lines[i]);
        ck_assert_msg(why[0] != '\0', "\"%s\" without a reason", lines[i]);
    }
}
END_TEST

START_TEST(limits)
{
    char line[CONTROL_REQUEST_MAX + 1];

    memset(line, 'x', sizeof(line));
    ck_assert_int_eq(control_request_parse(line, CONTROL_REQUEST_MAX, &r, why, sizeof(why)),
                     ERR_INVALID);
    ck_assert_int_eq(control_request_parse("status\0x", 8, &r, why, sizeof(why)), ERR_INVALID);
    memcpy(line, "edges edge=", 11);
    ck_assert_int_eq(control_request_parse(line, CONTROL_REQUEST_MAX - 1, &r, why, sizeof(why)),
                     ERR_OK);
    ck_assert_uint_eq(strlen(r.filter.edge), CONTROL_REQUEST_MAX - 12);
}
END_TEST

START_TEST(copies)
{
    struct control_request to;

    ck_assert_int_eq(parse("connections edge=api sni=a.test"), ERR_OK);
    control_request_copy(&to, &r);
    memset(&r, 'x', sizeof(r));
    ck_assert_str_eq(to.filter.edge, "api");
    ck_assert_str_eq(to.filter.sni, "a.test");
}
END_TEST

/* --- what a filter means ---------------------------------------------------------------------- */

static bool matches(const char *request, const char *edge, const char *sni,
                    const struct pst_addr *client, uint64_t id)
{
    const struct conn_row row = { .id = id, .edge = edge, .sni = sni, .client = client };

    ck_assert_msg(parse(request) == ERR_OK, "%s", why);
    return conn_filter_match(&r.filter, &row);
}

START_TEST(filters)
{
    const struct pst_addr v4 = { .family = PST_AF_INET, .ip = { 10, 1, 2, 3 } };
    const struct pst_addr v6 = { .family = PST_AF_INET6, .ip = { 0x20, 1, 0xd, 0xb8 } };
    const struct pst_addr none = { .family = PST_AF_NONE };

    ck_assert(matches("connections", NULL, NULL, &none, 1));
    ck_assert(matches("connections id=7", NULL, NULL, &none, 7));
    ck_assert(!matches("connections id=7", NULL, NULL, &none, 8));
    ck_assert(matches("connections edge=a", "a", NULL, &none, 1));
    ck_assert(!matches("connections edge=a", "ab", NULL, &none, 1));
    ck_assert(!matches("connections edge=a", NULL, NULL, &none, 1));
    ck_assert(matches("connections sni=a.test", NULL, "a.test", &none, 1));
    ck_assert(!matches("connections sni=a.test", NULL, "x.a.test", &none, 1));
    ck_assert(matches("connections sni=*.a.test", NULL, "x.a.test", &none, 1));
    ck_assert(matches("connections sni=*.a.test", NULL, "x.y.a.test", &none, 1));
    ck_assert(!matches("connections sni=*.a.test", NULL, "a.test", &none, 1));
    ck_assert(!matches("connections sni=*.a.test", NULL, "xa.test", &none, 1));
    ck_assert(!matches("connections sni=*.a.test", NULL, NULL, &none, 1));
    ck_assert(matches("connections client=10.0.0.0/8", NULL, NULL, &v4, 1));
    ck_assert(matches("connections client=10.1.2.2/31", NULL, NULL, &v4, 1));
    ck_assert(!matches("connections client=10.1.2.4/31", NULL, NULL, &v4, 1));
    ck_assert(matches("connections client=0.0.0.0/0", NULL, NULL, &v4, 1));
    ck_assert(!matches("connections client=0.0.0.0/0", NULL, NULL, &v6, 1));
    ck_assert(matches("connections client=2001:db8::/32", NULL, NULL, &v6, 1));
    ck_assert(!matches("connections client=::/0", NULL, NULL, &none, 1));
    ck_assert(!matches("connections edge=a client=10.0.0.0/8", "b", NULL, &v4, 1));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("control_request");
    TCase *tc = tcase_create("control_request");

    tcase_add_test(tc, commands);
    tcase_add_test(tc, arguments);
    tcase_add_test(tc, bad);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, copies);
    tcase_add_test(tc, filters);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
