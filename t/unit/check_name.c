/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/name.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define L(z)     z, sizeof(z) - 1
#define L60      "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
#define L240     L60 "." L60 "." L60 "." L60 /* 243 bytes */

static const struct {
    const char *in;
    size_t n;
    const char *out; /* NULL: refused */
    int status;
} names[] = {
    { L("a.test"), "a.test", 0 },
    { L("WWW.Example.COM"), "www.example.com", 0 },
    { L("a.test."), "a.test", 0 },
    { L("localhost"), "localhost", 0 },
    { L("_acme-challenge.a.test"), "_acme-challenge.a.test", 0 },
    { L("a_b.test"), "a_b.test", 0 },
    { L("xn--bcher-kva.test"), "xn--bcher-kva.test", 0 },
    { L("xn--"), NULL, ERR_INVALID },
    { L("1.2.3.4"), "1.2.3.4", 0 },
    { L("a--b.test"), "a--b.test", 0 },
    { L(L60 "123.test"), L60 "123.test", 0 },
    { L(L60 "1234.test"), NULL, ERR_INVALID },
    { L(L240 ".123456789"), L240 ".123456789", 0 },
    { L(L240 ".123456789."), L240 ".123456789", 0 },
    { L(L240 ".1234567890"), NULL, ERR_LIMIT },
    { L(""), NULL, ERR_INVALID },
    { L("."), NULL, ERR_INVALID },
    { L(".."), NULL, ERR_INVALID },
    { L("a.test.."), NULL, ERR_INVALID },
    { L(".a.test"), NULL, ERR_INVALID },
    { L("a..test"), NULL, ERR_INVALID },
    { L("-a.test"), NULL, ERR_INVALID },
    { L("a-.test"), NULL, ERR_INVALID },
    { L("a.-"), NULL, ERR_INVALID },
    { L("a.test\0"), NULL, ERR_INVALID },
    { L("a\0.test"), NULL, ERR_INVALID },
    { L("a test"), NULL, ERR_INVALID },
    { L("a.test\n"), NULL, ERR_INVALID },
    { L("*.test"), NULL, ERR_INVALID },
    { L("a:443"), NULL, ERR_INVALID },
    { L("a@b"), NULL, ERR_INVALID },
    { L("a/b"), NULL, ERR_INVALID },
    { L("b\xc3\xbc"
        "cher.test"),
      NULL, ERR_INVALID },
};

START_TEST(test_normalise)
{
    char out[NAME_MAX_LEN + 1];
    size_t n = 999;
    int rc = name_normalise(names[_i].in, names[_i].n, out, &n);

    ck_assert_int_eq(rc, names[_i].status);
    if (rc == 0) {
        ck_assert_str_eq(out, names[_i].out);
        ck_assert_uint_eq(n, strlen(out));
        /* Normal names stay as they are. */
        char again[NAME_MAX_LEN + 1];
        ck_assert_int_eq(name_normalise(out, n, again, &n), 0);
        ck_assert_str_eq(again, out);
    }
}
END_TEST

static const struct {
    const char *in;
    size_t n;
    const char *out; /* NULL: refused */
    bool wildcard;
} patterns[] = {
    { L("A.Test"), "a.test", false },
    { L("*.A.Test."), "a.test", true },
    { L("*"), "", true },
    { L("*.test"), "test", true },
    { L("_x.a.test"), "_x.a.test", false },
    { L("*._x.test"), "_x.test", true },
    { L("xn--BCHER-kva.test"), "xn--bcher-kva.test", false },
    { L("xn--zz--broken--.x"), NULL, false },
    { L("b\xc3\xbc"
        "cher.test"),
      "xn--bcher-kva.test", false },
    { L("B\xc3\x9c"
        "CHER.Test."),
      "xn--bcher-kva.test", false },
    { L("*.b\xc3\xbc"
        "cher.test"),
      "xn--bcher-kva.test", true },
    { L("_sip.b\xc3\xbc"
        "cher.test"),
      "_sip.xn--bcher-kva.test", false },
    { L("stra\xc3\x9f"
        "e.test"),
      "xn--strae-oqa.test", false }, /* non-transitional: sharp s stays */
    { L("\xe4\xbe\x8b\xe3\x81\x88.test"), "xn--r8jz45g.test", false },
    { L("\xe4\xbe\x8b\xe3\x80\x82test"), "xn--fsq.test", false }, /* ideographic full stop */
    { L(""), NULL, false },
    { L("*."), NULL, true },
    { L("**.test"), NULL, true },
    { L("*a.test"), NULL, true },
    { L("*.*.test"), NULL, true },
    { L("a.*.test"), NULL, false },
    { L("a b\xc3\xbc.test"), NULL, false },
    { L("b\xc3\xbc\0.test"), NULL, false },
    { L("b\xc3.test"), NULL, false },                  /* not UTF-8           */
    { L("\xef\xbc\x8a.b\xc3\xbc.test"), NULL, false }, /* a fullwidth asterisk */
};

START_TEST(test_pattern)
{
    char out[NAME_MAX_LEN + 1];
    size_t n = 999;
    bool wildcard = !patterns[_i].wildcard;
    int rc = name_normalise_pattern(patterns[_i].in, patterns[_i].n, out, &n, &wildcard);

    if (!patterns[_i].out) {
        ck_assert_int_lt(rc, 0);
        return;
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_str_eq(out, patterns[_i].out);
    ck_assert_uint_eq(n, strlen(out));
    ck_assert(wildcard == patterns[_i].wildcard);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("name");
    TCase *tc = tcase_create("name");

    tcase_add_loop_test(tc, test_normalise, 0, COUNT(names));
    tcase_add_loop_test(tc, test_pattern, 0, COUNT(patterns));
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
