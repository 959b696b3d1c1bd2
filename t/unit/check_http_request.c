/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/http_request.h"
#include "plugin-api/postern_module.h"

static struct http_request r;

static enum http_status parse(const char *z)
{
    return http_request_parse(z, strlen(z), &r);
}

static void is(struct pst_str s, const char *z)
{
    ck_assert_msg(s.n == strlen(z) && memcmp(s.p, z, s.n) == 0, "%.*s is not %s", (int)s.n, s.p, z);
}

START_TEST(good)
{
    static const char whole[] =
        "GET /metrics?a=b HTTP/1.1\r\nHost: x\r\nAUTHORIZATION: \t Basic eA== \r\n"
        "Empty:\r\n\r\nbody";

    ck_assert_int_eq(parse(whole), HTTP_DONE);
    is(r.method, "GET");
    is(r.path, "/metrics");
    is(r.credentials, "Basic eA==");
    ck_assert(!r.is_1_0);
    /* Every beginning of it is only a beginning. */
    for (size_t n = 0; n < strlen(whole) - strlen("body"); n++) {
        ck_assert_int_eq(http_request_parse(whole, n, &r), HTTP_MORE);
    }
    ck_assert_int_eq(parse("HEAD / HTTP/1.0\n\n"), HTTP_DONE);
    is(r.method, "HEAD");
    ck_assert(r.is_1_0);
    ck_assert_ptr_null(r.credentials.p);
    ck_assert_int_eq(parse("X-Y / HTTP/1.9\r\n\r\n"), HTTP_DONE);
}
END_TEST

START_TEST(bad)
{
    static const char *const lines[] = {
        "\n",
        " GET / HTTP/1.1\n",
        "GET\n",
        "GET \n",
        "GET /\n",
        "GET / \n",
        "GET / HTTP/1.\n",
        "GET / HTTP/1.x\n",
        "GET / HTTP/1.10\n",
        "GET / HTTP/0.9\n",
        "GET  / HTTP/1.1\n",
        "GET * HTTP/1.1\n",
        "GET http://x/ HTTP/1.1\n",
        "GET /\x7f HTTP/1.1\n",
        "GET /\t HTTP/1.1\n",
        "G\x80T / HTTP/1.1\n",
        "GET / HTTP/1.1\n: x\n",
        "GET / HTTP/1.1\nname\n",
        "GET / HTTP/1.1\nna me: x\n",
        "GET / HTTP/1.1\nname : x\n",
        "GET / HTTP/1.1\n folded\n",
        "GET / HTTP/1.1\nAuthorization: a\nauthorization: a\n",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_msg(parse(lines[i]) == HTTP_BAD, "%s", lines[i]);
    }
    ck_assert_int_eq(http_request_parse("GET /\0 HTTP/1.1\n", 16, &r), HTTP_BAD);
    ck_assert_int_eq(http_request_parse("G\0T / HTTP/1.1\n", 15, &r), HTTP_BAD);
}
END_TEST

START_TEST(credentials)
{
    /* RFC 7617 section 2. */
    static const struct {
        const char *user, *password, *text;
    } known[] = {
        { "Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" },
        { "test", "123\xc2\xa3", "Basic dGVzdDoxMjPCow==" },
        { "a", "b", "Basic YTpi" },
        { "a", "bc", "Basic YTpiYw==" },
        { "a", "bcd", "Basic YTpiY2Q=" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char *text = http_basic(known[i].user, known[i].password);
        char other[128];

        ck_assert_str_eq(text, known[i].text);
        ck_assert(http_credentials_equal(pst_str_of(text), text));
        strcpy(other, text);
        memcpy(other, "BASIC", 5);
        ck_assert(http_credentials_equal(pst_str_of(other), text));
        other[8] ^= 1;
        ck_assert(!http_credentials_equal(pst_str_of(other), text));
        ck_assert(!http_credentials_equal((struct pst_str){ text, strlen(text) - 1 }, text));
        strcpy(other, text);
        strcat(other, "=");
        ck_assert(!http_credentials_equal(pst_str_of(other), text));
        free(text);
    }
    ck_assert(!http_credentials_equal((struct pst_str){ NULL, 0 }, "Basic YTpi"));
    ck_assert(!http_credentials_equal((struct pst_str){ "", 0 }, "Basic YTpi"));
    ck_assert(!http_credentials_equal(pst_str_of("Basic"), "Basic YTpi"));
    ck_assert(!http_credentials_equal(pst_str_of("Basic "), "Basic YTpi"));
    ck_assert(!http_credentials_equal(pst_str_of("Digest YTpi"), "Basic YTpi"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http_request");
    TCase *tc = tcase_create("http_request");

    tcase_add_test(tc, good);
    tcase_add_test(tc, bad);
    tcase_add_test(tc, credentials);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
