/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The example ext-auth through the fake host, with a real socket that the test answers on. */
#include <sys/socket.h>
#include <sys/un.h>

#include "example_rig.h"

static int server = -1;
static struct fake_inst *inst;
static pst_conn *conn;
static struct pst_hello hello = { .size = sizeof(hello), .sni = { "www.example.com", 15 } };

static void setup(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    rig_setup("ext-auth", "socket");
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(server, 8), 0);
}

static void teardown(void)
{
    fake_inst_free(inst);
    inst = NULL;
    ck_assert_int_eq(fake_host_tickets(host), 0);
    close(server);
    rig_teardown();
}

static struct fake_inst *make(const char *more)
{
    char config[256];

    snprintf(config, sizeof(config), "socket = \"%s\"; timeout = \"2s\"; %s", path, more);
    return rig_make(config);
}

static int32_t begin(void)
{
    conn = fake_conn_new(host);
    fake_conn_set_ip(conn, "conn.client_ip", "2001:db8::7");
    fake_conn_set_str(conn, "edge.name", "api");
    fake_conn_set_hello(conn, &hello);
    return fake_conn_run(conn, inst, PST_STAGE_ADMIT, NULL);
}

/* The server's end of the question that was just asked, which is read. */
static int accepted(void)
{
    static const char want[] =
        "{\"client\":\"2001:db8::7\",\"sni\":\"www.example.com\",\"edge\":\"api\"}\n";
    char got[512];
    int fd = accept(server, NULL, NULL);
    ssize_t n;

    ck_assert_int_ge(fd, 0);
    n = read(fd, got, sizeof(got) - 1);
    ck_assert_int_gt(n, 0);
    got[n] = '\0';
    ck_assert_str_eq(got, want);
    return fd;
}

/* Tell the module that its socket, whichever it is, has something. */
static void readable(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++) {
        n += fake_host_watch(host, fd, PST_STREAM_READ);
    }
    ck_assert_int_eq(n, 1);
}

static int32_t resumed(void)
{
    int32_t verdict = PST_PENDING;

    fake_conn_resumed(conn, &verdict);
    return verdict;
}

/* The verdict about a connection whose question gets these bytes and then an end. */
static int32_t answered(const char *text, const char *code, const char *reason)
{
    int32_t verdict;
    int fd;

    ck_assert_int_eq(begin(), PST_PENDING);
    fd = accepted();
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    while (resumed() == PST_PENDING) {
        readable();
    }
    verdict = resumed();
    ck_assert_str_eq(fake_conn_deny_code(conn), code);
    ck_assert_msg(strstr(fake_conn_deny_text(conn), reason) != NULL, "%s",
                  fake_conn_deny_text(conn));
    fake_conn_end(conn, NULL);
    return verdict;
}

START_TEST(answers)
{
    inst = make("");
    ck_assert_int_eq(answered("{\"allow\":true}\n", "", ""), PST_NEXT);
    ck_assert_int_eq(answered("{\"allow\":false}\n", "auth-denied", "denied"), PST_DENY);
    ck_assert_int_eq(
        answered("{\"reason\":\"not today\",\"allow\":false}\n", "auth-denied", "not today"),
        PST_DENY);
    ck_assert_int_eq(answered(" { \"v\" : 2 , \"allow\" : true } \r\n", "", ""), PST_NEXT);
    ck_assert_int_eq(fake_host_metric(host, "ext-auth", "allowed"), 2);
    ck_assert_int_eq(fake_host_metric(host, "ext-auth", "denied"), 2);
}
END_TEST

START_TEST(no_answers)
{
    static const char *const wrong[] = { "{\"allow\":\"true\"}\n",
                                         "{\"allow\":true,\"allow\":true}\n",
                                         "{\"allow\":true}\n{\"allow\":true}\n",
                                         "{\"allow\":true,}\n",
                                         "{\"allow\":true} x\n",
                                         "{\"allow\":truex}\n",
                                         "{\"x\":{\"allow\":true},\"allow\":true}\n",
                                         "{\"reason\":1,\"allow\":false}\n",
                                         "{}\n",
                                         "\n",
                                         "true\n" };
    char longer[1100];

    inst = make("");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_int_eq(answered(wrong[i], "auth-failed", "not in the protocol"), PST_DENY);
    }
    ck_assert_int_eq(answered("{\"allow\":true}", "auth-failed", "hung up"), PST_DENY);
    ck_assert_int_eq(answered("", "auth-failed", "hung up"), PST_DENY);
    memset(longer, ' ', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    ck_assert_int_eq(answered(longer, "auth-failed", "too long"), PST_DENY);
    fake_inst_free(inst);
    inst = make("on_error = \"allow\";");
    ck_assert_int_eq(answered("{}\n", "", ""), PST_NEXT);
    ck_assert(fake_host_saw(host, "log warning ext-auth@api conn: no answer"));
    ck_assert_int_eq(fake_host_metric(host, "ext-auth", "failures"), 15);
}
END_TEST

START_TEST(byte_by_byte)
{
    static const char text[] = "{\"allow\":true}\n";
    int fd;

    inst = make("");
    ck_assert_int_eq(begin(), PST_PENDING);
    fd = accepted();
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        ck_assert_int_eq(resumed(), PST_PENDING);
        ck_assert_int_eq(write(fd, text + i, 1), 1);
        readable();
    }
    ck_assert_int_eq(resumed(), PST_NEXT);
    close(fd);
    fake_conn_end(conn, NULL);
}
END_TEST

START_TEST(timeout)
{
    inst = make("");
    ck_assert_int_eq(begin(), PST_PENDING);
    fake_host_advance(host, 1999);
    ck_assert_int_eq(resumed(), PST_PENDING);
    fake_host_advance(host, 1);
    ck_assert_int_eq(resumed(), PST_DENY);
    ck_assert(strstr(fake_conn_deny_text(conn), "took too long") != NULL);
    fake_conn_end(conn, NULL);
}
END_TEST

/* The server sees the end of a question whose client went away. */
START_TEST(cancelled)
{
    char c;
    int fd;

    inst = make("max_in_flight = 1;");
    ck_assert_int_eq(begin(), PST_PENDING);
    fd = accepted();
    fake_conn_end(conn, NULL);
    ck_assert_int_eq(read(fd, &c, 1), 0);
    close(fd);
    ck_assert_int_eq(begin(), PST_PENDING);
    fake_conn_expire(conn);
    fake_conn_end(conn, NULL);
    ck_assert_int_eq(fake_host_advance(host, 10000), 0);
}
END_TEST

START_TEST(bounded)
{
    pst_conn *first, *second;

    inst = make("max_in_flight = 2;");
    ck_assert_int_eq(begin(), PST_PENDING);
    first = conn;
    ck_assert_int_eq(begin(), PST_PENDING);
    second = conn;
    ck_assert_int_eq(begin(), PST_DENY);
    ck_assert(strstr(fake_conn_deny_text(conn), "too many questions") != NULL);
    fake_conn_end(conn, NULL);
    fake_conn_end(first, NULL);
    ck_assert_int_eq(begin(), PST_PENDING);
    fake_conn_end(conn, NULL);
    fake_conn_end(second, NULL);
}
END_TEST

START_TEST(nobody_there)
{
    inst = make("");
    unlink(path);
    ck_assert_int_eq(begin(), PST_DENY);
    ck_assert(strstr(fake_conn_deny_text(conn), "No such file") != NULL);
    fake_conn_end(conn, NULL);
}
END_TEST

START_TEST(wrong_configurations)
{
    char config[300] = "socket = \"/";

    rig_refuses("", "\"socket\" is missing");
    rig_refuses("socket = \"/s\"; on_error = \"maybe\";", "not one of the choices");
    rig_refuses("socket = \"/s\"; timeout = \"0ms\";", "timeout: out of range");
    memset(config + strlen(config), 'x', 200);
    strcat(config, "\";");
    rig_refuses(config, "too long for a unix socket");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ext-auth");
    TCase *t = tcase_create("module");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, answers);
    tcase_add_test(t, no_answers);
    tcase_add_test(t, byte_by_byte);
    tcase_add_test(t, timeout);
    tcase_add_test(t, cancelled);
    tcase_add_test(t, bounded);
    tcase_add_test(t, nobody_there);
    tcase_add_test(t, wrong_configurations);
    return rig_run(s, t);
}
