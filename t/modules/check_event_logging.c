/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built module through the fake host. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <services/log_sink.h>
#include <services/tls_info.h>

#include "fake_host.h"

#define SINK  "file:/tmp/events"
#define WRITE "sink = \"" SINK "\"; "

static struct fake_host *host;
static struct fake_module *module;

static void setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR");

    snprintf(so, sizeof(so), "%s/event-logging.so", modules != NULL ? modules : ".");
    host = fake_host_new();
    module = fake_module_load(host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(host));
}

static void teardown(void)
{
    fake_host_free(host);
}

static struct fake_inst *make(uint32_t scope, const char *config)
{
    struct fake_inst *i = fake_inst_new(module, scope, "api", config);

    ck_assert_msg(i != NULL, "%s", fake_host_transcript(host));
    ck_assert_int_eq(fake_inst_link(i), PST_OK);
    return i;
}

static void refuses(uint32_t scope, const char *config, const char *text)
{
    fake_host_forget(host);
    ck_assert_ptr_null(fake_inst_new(module, scope, "api", config));
    ck_assert_msg(fake_host_saw(host, text), "no \"%s\" in: %s", text, fake_host_transcript(host));
}

static struct pst_addr ip4(uint8_t last, uint16_t port)
{
    return (struct pst_addr){ .family = PST_AF_INET, .port = port, .ip = { 192, 0, 2, last } };
}

/* A connection that went all the way. */
static struct pst_record full_record(void)
{
    return (struct pst_record){
        .size = sizeof(struct pst_record),
        .reason = PST_END_CLIENT_FIN,
        .side = PST_SIDE_CLIENT,
        .stage = PST_STAGE_ESTABLISHED,
        .conn_id = 1025,
        .generation = 3,
        .listener = pst_str_of("public"),
        .edge = pst_str_of("api"),
        .sni = pst_str_of("api.test"),
        .peer = ip4(9, 999),
        .client = ip4(1, 4321),
        .local = ip4(2, 443),
        .upstream = ip4(3, 8080),
        .upstream_name = pst_str_of("backend:8080"),
        .wall_start_us = 1700000000000000,
        .t_accept = 1000000000,
        .t_hello = 1001000000,
        .t_handshake = 1003000000,
        .t_connect_start = 1003000000,
        .t_connected = 1004500000,
        .t_first_byte = 1010000000,
        .t_end = 1123456789,
        .client_in = 1234,
        .client_out = 5678,
        .tries = 1,
        .worker = 1,
    };
}

/* The lines behind the first `n` bytes of each, which are the envelope's and vary. */
static const char *object(const char *line)
{
    const char *o = strstr(line, "\"object\":");

    ck_assert_ptr_nonnull(o);
    return o + strlen("\"object\":");
}

/* One connection with this record; the line it left. */
static const char *line_of(struct fake_inst *i, const struct pst_record *r,
                           void (*prepare)(pst_conn *c))
{
    const char *before = fake_sink_lines(host, SINK);
    size_t n = before == NULL ? 0 : strlen(before);
    pst_conn *c = fake_conn_new(host);

    if (prepare != NULL) {
        prepare(c);
    }
    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_ADMIT, NULL), PST_NEXT);
    fake_conn_end(c, r);
    return fake_sink_lines(host, SINK) + n;
}

START_TEST(whole_line)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, WRITE "account_id = \"acme \\\"1\\\"\";");
    struct pst_record r = full_record();
    const char *line = line_of(i, &r, NULL);

    ck_assert_int_eq(strncmp(line, "{\"event_id\":\"ev_1", 17), 0);
    ck_assert_ptr_nonnull(strstr(line, "\",\"event_type\":\"tcp_connection_closed.v0\","
                                       "\"event_timestamp\":\"2023-11-14T22:13:20.123456Z\","
                                       "\"account_id\":\"acme \\\"1\\\"\",\"principal\":null,"));
    ck_assert_str_eq(object(line),
                     "{\"conn\":{\"id\":\"1025\",\"start_ts\":\"2023-11-14T22:13:20.000000Z\","
                     "\"end_ts\":\"2023-11-14T22:13:20.123456Z\",\"client_ip\":\"192.0.2.1\","
                     "\"client_port\":4321,\"peer_ip\":\"192.0.2.9\",\"peer_port\":999,"
                     "\"server_ip\":\"192.0.2.2\",\"server_port\":443,"
                     "\"server_name\":\"api.test\",\"bytes_in\":1234,\"bytes_out\":5678},"
                     "\"edge\":\"api\",\"listener\":\"public\",\"worker\":1,\"generation\":3,"
                     "\"upstream\":{\"address\":\"192.0.2.3:8080\",\"tries\":1},"
                     "\"timing\":{\"hello_us\":1000,\"handshake_us\":2000,\"connect_us\":1500,"
                     "\"first_byte_us\":10000,\"total_us\":123456},"
                     "\"close\":{\"reason\":\"client_fin\",\"side\":\"client\","
                     "\"stage\":\"on_established\",\"truncated\":false}}}\n");
    ck_assert_int_eq(fake_host_metric(host, "event-logging", "events"), 1);
    fake_inst_free(i);
    ck_assert_int_eq(fake_sink_refs(host, SINK, NULL, NULL), 0);
}
END_TEST

/* Nothing is known: nothing but what is always there is said. */
START_TEST(empty_record)
{
    struct fake_inst *i = make(PST_SCOPE_LISTENER, WRITE);
    struct pst_record r = { .size = sizeof(r), .reason = PST_END_HELLO_TIMEOUT, .stage = 1 };
    const char *line = line_of(i, &r, NULL);

    ck_assert_str_eq(object(line),
                     "{\"conn\":{\"id\":\"0\",\"start_ts\":\"1970-01-01T00:00:00.000000Z\","
                     "\"end_ts\":\"1970-01-01T00:00:00.000000Z\",\"bytes_in\":0,\"bytes_out\":0},"
                     "\"worker\":0,\"generation\":0,\"close\":{\"reason\":\"hello_timeout\","
                     "\"side\":\"proxy\",\"stage\":\"on_accept\",\"truncated\":false}}}\n");
    fake_inst_free(i);
}
END_TEST

static void tls_values(pst_conn *c)
{
    struct pst_value v = { .type = PST_VALUE_BOOL };

    fake_conn_set_str(c, PST_VAR_TLS_VERSIONS_OFFERED, "TLSv1.3,TLSv1.2");
    fake_conn_set_str(c, PST_VAR_TLS_ALPN_OFFERED, "h2");
    fake_conn_set_str(c, PST_VAR_TLS_JA4, "t13d1516h2_8daaf6152771_02713d6af862");
    fake_conn_set_str(c, PST_VAR_TLS_VERSION, "TLSv1.3");
    fake_conn_set_str(c, PST_VAR_TLS_PEER_SAN, "dns:a\\,b,uri:x\\\\y,");
    fake_conn_set_str(c, "ip-restrictions.decision", "allow");
    fake_conn_set_str(c, "ip-restrictions.matched_cidr", "");
    v.u.u64 = 1;
    fake_conn_set(c, PST_VAR_TLS_ECH_OFFERED, &v);
    v.u.u64 = 0;
    fake_conn_set(c, PST_VAR_TLS_RESUMED, &v);
    v.type = PST_VALUE_U64;
    v.u.u64 = 1709251200;
    fake_conn_set(c, PST_VAR_TLS_PEER_NOT_AFTER, &v);
    v.type = PST_VALUE_BYTES;
    v.u.str = (struct pst_str){ "\x00\xff", 2 };
    fake_conn_set(c, PST_VAR_TLS_PEER_CERT_SHA256, &v);
}

/* Variables are looked up in link(): whoever registers them has to be there by then. */
static void register_all(pst_conn *c)
{
    tls_values(c);
}

START_TEST(variables)
{
    pst_conn *c = fake_conn_new(host);
    struct fake_inst *i;
    struct pst_record r = full_record();

    register_all(c);
    fake_conn_end(c, NULL);
    i = make(PST_SCOPE_EDGE, WRITE "fields = [ \"tls\", \"ja4_fingerprint\", \"ip_policy\" ];");
    ck_assert_str_eq(
        object(line_of(i, &r, tls_values)),
        "{\"ip_policy\":{\"decision\":\"allow\"},"
        "\"ja4_fingerprint\":\"t13d1516h2_8daaf6152771_02713d6af862\","
        "\"tls\":{\"offered\":{\"versions\":[\"TLSv1.3\",\"TLSv1.2\"],\"alpn\":[\"h2\"],"
        "\"ech\":true},\"version\":\"TLSv1.3\",\"resumed\":false,"
        "\"client\":{\"san\":[\"dns:a,b\",\"uri:x\\\\y\"],\"sha256\":\"00ff\","
        "\"not_after\":\"2024-03-01T00:00:00.000000Z\"}}}}\n");
    ck_assert_str_eq(object(line_of(i, &r, NULL)), "{}}\n");
    /* Without a handshake there is nothing that a terminator could tell. */
    r.t_handshake = 0;
    ck_assert_str_eq(object(line_of(i, &r, tls_values)),
                     "{\"ip_policy\":{\"decision\":\"allow\"},"
                     "\"ja4_fingerprint\":\"t13d1516h2_8daaf6152771_02713d6af862\","
                     "\"tls\":{\"offered\":{\"versions\":[\"TLSv1.3\",\"TLSv1.2\"],"
                     "\"alpn\":[\"h2\"],\"ech\":true}}}}\n");
    fake_inst_free(i);
}
END_TEST

START_TEST(denied_and_shadow)
{
    const struct pst_shadow shadows[] = {
        { pst_str_of("ip-restrictions"), pst_str_of("ip-denied"), pst_str_of("no\n"),
          PST_STAGE_ADMIT, 0 },
        { pst_str_of("other"), { NULL, 0 }, { NULL, 0 }, 0, 0 },
    };
    struct fake_inst *i =
        make(PST_SCOPE_EDGE, WRITE "fields = [ \"close\", \"shadow\", \"upstream.address\" ];");
    struct pst_record r = full_record();

    r.reason = PST_END_DENIED;
    r.side = 0;
    r.stage = PST_STAGE_HANDSHAKE_DONE;
    r.module = pst_str_of("mutual-tls");
    r.code = pst_str_of("no-rule");
    r.text = pst_str_of("\xff");
    r.alert_sent = 49;
    r.alert_received = 1;
    r.sys_errno = 104;
    r.truncated = 1;
    r.shadow = shadows;
    r.n_shadow = 2;
    r.upstream.family = PST_AF_UNIX;
    r.upstream_name = pst_str_of("unix:/run/app.sock");
    ck_assert_str_eq(object(line_of(i, &r, NULL)),
                     "{\"upstream\":{\"address\":\"unix:/run/app.sock\"},"
                     "\"close\":{\"reason\":\"denied\",\"side\":\"proxy\","
                     "\"module\":\"mutual-tls\",\"stage\":\"on_handshake_done\","
                     "\"code\":\"no-rule\",\"text\":\"\xef\xbf\xbd\",\"error\":\"ECONNRESET\","
                     "\"alert_sent\":48,\"alert_received\":0,\"truncated\":true},"
                     "\"shadow\":[{\"module\":\"ip-restrictions\",\"stage\":\"on_admit\","
                     "\"code\":\"ip-denied\",\"text\":\"no\\n\"},{\"module\":\"other\"}]}}\n");
    fake_inst_free(i);
}
END_TEST

static char huge[70000];

static void set_huge(pst_conn *c)
{
    static const char *const names[] = {
        PST_VAR_TLS_JA4,
        PST_VAR_TLS_VERSIONS_OFFERED,
        PST_VAR_TLS_ALPN_OFFERED,
        PST_VAR_TLS_VERSION,
        PST_VAR_TLS_CIPHER,
        PST_VAR_TLS_GROUP,
        PST_VAR_TLS_ALPN,
        PST_VAR_TLS_PEER_SUBJECT,
        PST_VAR_TLS_PEER_ISSUER,
        PST_VAR_TLS_PEER_SERIAL,
        PST_VAR_UPSTREAM_TLS_VERSION,
        "ip-restrictions.decision",
        PST_VAR_TLS_PEER_SAN,
        "ip-restrictions.matched_cidr",
    };
    struct pst_value v = { .type = PST_VALUE_BYTES };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        fake_conn_set_str(c, names[i], huge);
    }
    v.u.str = (struct pst_str){ huge, 32 };
    fake_conn_set(c, PST_VAR_TLS_PEER_CERT_SHA256, &v);
    fake_conn_set(c, PST_VAR_TLS_PEER_SPKI_SHA256, &v);
}

/* Everything as long as it can be still makes a line; `fill` is what strings are made of. */
static void expect_fits(const char *fill)
{
    struct pst_shadow shadows[20];
    struct pst_record r = full_record();
    struct fake_inst *i;
    pst_conn *c = fake_conn_new(host);

    for (size_t at = 0; at < sizeof(huge) - 1; at++) {
        huge[at] = fill[at % strlen(fill)];
    }
    set_huge(c);
    fake_conn_end(c, NULL);
    i = make(PST_SCOPE_EDGE, WRITE);
    r.listener = r.edge = r.sni = r.module = r.code = r.text = r.upstream_name = pst_str_of(huge);
    r.upstream.family = PST_AF_UNIX;
    r.conn_id = r.generation = r.client_in = r.client_out = UINT64_MAX;
    r.tries = r.alert_sent = r.alert_received = UINT32_MAX;
    for (int k = 0; k < 20; k++) {
        shadows[k] = (struct pst_shadow){ r.module, r.code, r.text, PST_STAGE_HANDSHAKE_DONE, 0 };
    }
    r.shadow = shadows;
    r.n_shadow = 20;
    const char *line = line_of(i, &r, set_huge);
    ck_assert_uint_gt(strlen(line), 7000);
    ck_assert_uint_lt(strlen(line), 12000);
    ck_assert_str_eq(line + strlen(line) - 5, "}]}}\n");
    ck_assert_int_eq(fake_host_metric(host, "event-logging", "lost"), 0);
    fake_inst_free(i);
}

START_TEST(longest_line)
{
    static const char *const fills[] = { "x", "\x01", "\"", "\xff", "\xe2\x82\xac", "a,", "," };

    expect_fits(fills[_i]);
}
END_TEST

static void opened_values(pst_conn *c)
{
    struct pst_value v = { .type = PST_VALUE_U64 };

    v.u.u64 = 77;
    fake_conn_set(c, "conn.id", &v);
    v.u.u64 = 900000000; /* the fake clock is at 1 s */
    fake_conn_set(c, "conn.start_ns", &v);
    fake_conn_set_ip(c, "conn.client_ip", "192.0.2.77");
    v.u.u64 = 4242;
    fake_conn_set(c, "conn.client_port", &v);
    fake_conn_set_str(c, "edge.name", "api");
    fake_conn_set_str(c, "conn.tls.sni", "api.test");
    fake_conn_set_str(c, PST_VAR_TLS_VERSION, "TLSv1.3");
    fake_conn_set_str(c, "upstream.name", "unix:/x");
}

START_TEST(opened)
{
    pst_conn *c = fake_conn_new(host);
    struct fake_inst *i;

    opened_values(c);
    fake_conn_end(c, NULL);
    i = make(PST_SCOPE_EDGE, WRITE "events = [ \"tcp_connection_opened.v0\" ];");
    c = fake_conn_new(host);
    opened_values(c);
    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_ESTABLISHED, NULL), PST_NEXT);
    const char *line = fake_sink_lines(host, SINK);
    ck_assert_ptr_nonnull(strstr(line, "\"event_type\":\"tcp_connection_opened.v0\""));
    ck_assert_str_eq(object(line), "{\"conn\":{\"id\":\"77\","
                                   "\"start_ts\":\"2023-11-14T22:13:20.900000Z\","
                                   "\"client_ip\":\"192.0.2.77\",\"client_port\":4242,"
                                   "\"server_name\":\"api.test\"},\"edge\":\"api\","
                                   "\"tls\":{\"version\":\"TLSv1.3\"},"
                                   "\"upstream\":{\"address\":\"unix:/x\"}}}\n");
    size_t n = strlen(line);
    fake_conn_end(c, NULL);
    ck_assert_uint_eq(strlen(fake_sink_lines(host, SINK)), n);
    fake_inst_free(i);
}
END_TEST

/* The edge's own replaces the listener's. */
START_TEST(edge_replaces_listener)
{
    struct fake_inst *l = make(PST_SCOPE_LISTENER, WRITE);
    struct fake_inst *e = make(PST_SCOPE_EDGE, "sink = \"stdout\";");
    pst_conn *c = fake_conn_new(host);

    ck_assert_int_eq(fake_conn_run(c, l, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    fake_conn_end(c, NULL);
    ck_assert_uint_gt(strlen(fake_sink_lines(host, SINK)), 0);
    size_t n = strlen(fake_sink_lines(host, SINK));
    c = fake_conn_new(host);
    ck_assert_int_eq(fake_conn_run(c, l, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    ck_assert_int_eq(fake_conn_run(c, e, PST_STAGE_ADMIT, NULL), PST_NEXT);
    fake_conn_end(c, NULL);
    ck_assert_uint_eq(strlen(fake_sink_lines(host, SINK)), n);
    ck_assert_uint_gt(strlen(fake_sink_lines(host, "stdout")), 0);
    fake_inst_free(e);
    fake_inst_free(l);
}
END_TEST

START_TEST(lost_lines)
{
    struct fake_inst *i = make(PST_SCOPE_EDGE, WRITE);
    struct pst_record r = full_record();

    fake_sink_full(host, SINK, 1);
    line_of(i, &r, NULL);
    line_of(i, &r, NULL);
    ck_assert_int_eq(fake_host_metric(host, "event-logging", "lost"), 2);
    ck_assert_int_eq(fake_host_metric(host, "event-logging", "events"), 0);
    fake_sink_full(host, SINK, 0);
    const char *line = fake_sink_lines(host, SINK);
    ck_assert_ptr_nonnull(strstr(line, "\"event_type\":\"events_lost.v0\""));
    ck_assert_str_eq(object(line), "{\"count\":2}}\n");
    fake_inst_free(i);
}
END_TEST

START_TEST(settings)
{
    uint32_t overflow = 0;
    uint64_t ring = 0;
    struct fake_inst *i = make(PST_SCOPE_EDGE, WRITE);

    ck_assert_int_eq(fake_sink_refs(host, SINK, &overflow, &ring), 1);
    ck_assert_uint_eq(overflow, PST_SINK_DROP);
    ck_assert_uint_eq(ring, 1024 * 1024);
    struct fake_inst *k = make(PST_SCOPE_EDGE, WRITE "overflow = \"block\"; buffer = \"64k\";");
    ck_assert_int_eq(fake_sink_refs(host, SINK, &overflow, &ring), 2);
    ck_assert_uint_eq(overflow, PST_SINK_BLOCK);
    ck_assert_uint_eq(ring, 65536);
    fake_inst_free(k);
    fake_inst_free(i);
}
END_TEST

START_TEST(wrong_settings)
{
    refuses(PST_SCOPE_EDGE, "", "sink");
    refuses(PST_SCOPE_EDGE, "sink = \"stderr\";", "is no sink");
    refuses(PST_SCOPE_EDGE, "sink = \"file:x\";", "with a path that begins with /");
    refuses(PST_SCOPE_EDGE, "sink = \"file:/absent/x\";", "cannot be opened");
    refuses(PST_SCOPE_EDGE, WRITE "events = [ \"x\" ];", "there is no event");
    refuses(PST_SCOPE_LISTENER, WRITE "events = [ \"tcp_connection_opened.v0\" ];",
            "only known at an edge");
    refuses(PST_SCOPE_EDGE, WRITE "fields = [ \"conn\", \"con\" ];", "neither a field");
    refuses(PST_SCOPE_EDGE, WRITE "overflow = \"grow\";", "overflow");
    ck_assert_int_eq(fake_sink_refs(host, SINK, NULL, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event_logging");
    TCase *tc = tcase_create("module");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, whole_line);
    tcase_add_test(tc, empty_record);
    tcase_add_test(tc, variables);
    tcase_add_test(tc, denied_and_shadow);
    tcase_add_loop_test(tc, longest_line, 0, 7);
    tcase_add_test(tc, opened);
    tcase_add_test(tc, edge_replaces_listener);
    tcase_add_test(tc, lost_lines);
    tcase_add_test(tc, settings);
    tcase_add_test(tc, wrong_settings);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
