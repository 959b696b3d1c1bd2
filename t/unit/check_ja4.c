/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JA4 against the example of its specification (FoxIO technical_details/JA4.md) and against the
 * published results for the captures of the same repository (python/test/testdata): a hello is
 * rebuilt from the raw lists of JA4_ro, the answer must be JA4.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/hello/hello.h"
#include "core/hello/ja4.h"
#include "t/tools/hello_build.h"

#define LIST_MAX 512
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

struct vector {
    const char *ja4;
    const char *alpn;
    const char *ciphers, *extensions, *sigalgs;
};

static const struct vector vectors[] = {
    /* The example of the specification. */
    { "t13d1516h2_8daaf6152771_e5627efa2ab1", "h2",
      "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
      "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015",
      "0403,0804,0401,0503,0805,0501,0806,0601" },
    /* Captures. */
    { "t13d1615h2_46e7e9700bed_45f260be83e2", "h2",
      "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035,000a",
      "0000,0017,ff01,000a,000b,0023,0010,0005,000d,0012,0033,002d,002b,001b,0015",
      "0403,0804,0401,0503,0805,0501,0806,0601,0201" },
    { "t10d230100_6a57a6f57151_000000000000", NULL,
      "0039,0038,0035,0016,0013,000a,0033,0032,002f,009a,0099,0096,0005,0004,0015,0012,0009,0014,"
      "0011,0008,0006,0003,00ff",
      "0000", "" },
    { "t12d4605h2_85626a9a5f7f_aaf95bb78ec9", "h2",
      "c030,c02c,c028,c024,c014,c00a,009f,006b,0039,cca9,cca8,ccaa,ff85,00c4,0088,0081,009d,003d,"
      "0035,00c0,0084,c02f,c02b,c027,c023,c013,c009,009e,0067,0033,00be,0045,009c,003c,002f,00ba,"
      "0041,c011,c007,0005,0004,c012,c008,0016,000a,00ff",
      "0000,000b,000a,000d,0010",
      "0601,0603,efef,0501,0503,0401,0403,eeee,eded,0301,0303,0201,0203" },
    { "t12d190800_d83cc789557e_7af1ed941c26", NULL,
      "c02c,c02b,c030,c02f,c024,c023,c028,c027,c00a,c009,c014,c013,009d,009c,003d,003c,0035,002f,"
      "000a",
      "0000,0005,000a,000b,000d,0023,0017,ff01",
      "0804,0805,0806,0401,0501,0201,0403,0503,0203,0202,0601,0603" },
    { "t12d1909h2_d83cc789557e_7af1ed941c26", "h2",
      "c02c,c02b,c030,c02f,c024,c023,c028,c027,c00a,c009,c014,c013,009d,009c,003d,003c,0035,002f,"
      "000a",
      "0000,0005,000a,000b,000d,0023,0010,0017,ff01",
      "0804,0805,0806,0401,0501,0201,0403,0503,0203,0202,0601,0603" },
    { "t13d1516h2_8daaf6152771_9b887d9acb53", "h2",
      "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
      "000d,0010,0000,000b,0023,4469,ff01,0033,000a,002d,002b,0005,0017,0012,001b,0029",
      "0403,0804,0401,0503,0805,0501,0806,0601" },
    { "t13d2613h2_2802a3db6c62_845d286b0d67", "h2",
      "1301,1302,1303,c02c,c02b,c024,c023,c00a,c009,cca9,c030,c02f,c028,c027,c014,c013,cca8,009d,"
      "009c,003d,003c,0035,002f,c008,c012,000a",
      "ff01,0000,0017,000d,0005,0012,0010,000b,0033,002d,002b,000a,0015",
      "0403,0804,0401,0503,0203,0805,0805,0501,0806,0601,0201" },
    { "t13d1516h1_8daaf6152771_e5627efa2ab1", "http/1.1",
      "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
      "000d,0033,0000,ff01,002b,0023,002d,0005,0012,000b,0017,4469,0010,001b,000a,0015",
      "0403,0804,0401,0503,0805,0501,0806,0601" },
    { "t13d151400_8daaf6152771_de4a06bb82e3", NULL,
      "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
      "0033,002b,001b,0000,0012,002d,000d,000a,0005,0023,0017,ff01,000b,0015",
      "0403,0804,0401,0503,0805,0501,0806,0601" },
    { "t13d1517h1_8daaf6152771_6cdcb247c39b", "http/1.1",
      "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
      "0000,0017,0005,002b,0012,0023,000a,0033,0010,002d,001b,4469,000b,000d,ff01,0015,0029",
      "0403,0804,0401,0503,0805,0501,0806,0601" },
    { "t13d1515h2_8daaf6152771_f37e75b10bcc", "h2",
      "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
      "0005,001b,0033,002d,4469,000a,000d,0012,ff01,000b,0023,002b,0000,0017,0010",
      "0403,0804,0401,0503,0805,0501,0806,0601" },
    { "t13d1715h2_5b57614c22b0_3d5424432f57", "h2",
      "1301,1303,1302,c02b,c02f,cca9,cca8,c02c,c030,c00a,c009,c013,c014,009c,009d,002f,0035",
      "0000,0017,ff01,000a,000b,0023,0010,0005,0022,0033,002b,000d,002d,001c,0015",
      "0403,0503,0603,0804,0805,0806,0401,0501,0601,0203,0201" },
};

static size_t list_parse(const char *text, uint16_t *out)
{
    size_t n = 0;

    while (*text != '\0') {
        char *end;

        out[n++] = (uint16_t)strtoul(text, &end, 16);
        text = *end == ',' ? end + 1 : end;
    }
    return n;
}

static void expect_spec(const struct hello_spec *spec, const char *ja4)
{
    struct bytes message = { 0 }, wire = { 0 };
    struct hello_reader r;
    char got[JA4_LEN + 1];

    hello_init(&r);
    ck_assert(hello_message(&message, spec));
    hello_records(&wire, message.p, message.n, 0, 0, false);
    ck_assert_int_eq(hello_feed(&r, wire.p, wire.n), HELLO_DONE);
    ck_assert_int_eq(ja4_compute(&r.out, got), 0);
    ck_assert_str_eq(got, ja4);
    hello_free(&r);
    bytes_free(&message);
    bytes_free(&wire);
}

static uint16_t legacy_of(const char *ja4)
{
    return ja4[1] == '1' && ja4[2] == '0' ? 0x0301 : 0x0303;
}

static void expect_vector(const struct vector *v)
{
    uint16_t ciphers[LIST_MAX], extensions[LIST_MAX], sigalgs[LIST_MAX];
    struct hello_spec spec = {
        .sni = "a.test",
        .sni_n = 6,
        .alpn = v->alpn,
        .legacy_version = legacy_of(v->ja4),
        .ciphers = ciphers,
        .extensions = extensions,
        .sigalgs = sigalgs,
    };

    spec.n_ciphers = list_parse(v->ciphers, ciphers);
    spec.n_extensions = list_parse(v->extensions, extensions);
    spec.n_sigalgs = list_parse(v->sigalgs, sigalgs);
    expect_spec(&spec, v->ja4);

    /* GREASE in every list changes nothing. */
    ciphers[spec.n_ciphers++] = 0x5a5a;
    extensions[spec.n_extensions++] = 0xfafa;
    extensions[spec.n_extensions++] = 0x0a0a;
    if (spec.n_sigalgs > 0) {
        sigalgs[spec.n_sigalgs++] = 0x8a8a;
    }
    expect_spec(&spec, v->ja4);
}

START_TEST(test_published)
{
    expect_vector(&vectors[_i]);
}
END_TEST

/* Hashes are kept by lists: other lists in between, even in the same place, do no harm. */
START_TEST(test_kept_hashes)
{
    for (uint16_t seed = 0; seed < 300; seed++) {
        uint16_t list[] = { (uint16_t)(0x1000 + seed), 0x1301 };
        const struct pst_hello h = {
            .ciphers = list, .n_ciphers = 2, .extensions = list, .n_extensions = 2
        };
        char before[JA4_LEN + 1], after[JA4_LEN + 1];

        ck_assert_int_eq(ja4_compute(&h, before), ERR_OK);
        expect_vector(&vectors[seed % COUNT(vectors)]);
        ck_assert_int_eq(ja4_compute(&h, after), ERR_OK);
        ck_assert_str_eq(before, after);
    }
}
END_TEST

static void expect_hello(const struct pst_hello *h, const char *ja4)
{
    char got[JA4_LEN + 1];

    ck_assert_int_eq(ja4_compute(h, got), 0);
    ck_assert_str_eq(got, ja4);
}

/* "If there are no signature algorithms": the second hash example of the specification. */
START_TEST(test_no_sigalgs)
{
    static const uint16_t extensions[] = { 0x0005, 0x000a, 0x000b, 0x000d, 0x0012, 0x0015, 0x0017,
                                           0x001b, 0x0023, 0x002b, 0x002d, 0x0033, 0x4469, 0xff01 };
    static const uint16_t version = 0x0304;
    const struct pst_hello h = {
        .versions = &version, .n_versions = 1, .extensions = extensions, .n_extensions = 14
    };

    expect_hello(&h, "t13i001400_000000000000_6d807ffa2a79");
}
END_TEST

START_TEST(test_empty_lists)
{
    static const uint16_t versions[] = { 0x3a3a, 0x0302, 0x0301 };
    static const uint16_t grease[] = { 0x0a0a, 0xfafa };
    const struct pst_hello h = {
        .versions = versions,
        .n_versions = 3,
        .ciphers = grease,
        .n_ciphers = 2,
        .extensions = grease,
        .n_extensions = 2,
    };

    expect_hello(&h, "t11i000000_000000000000_000000000000");
}
END_TEST

START_TEST(test_counts_are_capped)
{
    static uint16_t many[LIST_MAX];
    const struct pst_hello h = { .extensions = many, .n_extensions = 150 };
    char got[JA4_LEN + 1];

    for (uint16_t i = 0; i < LIST_MAX; i++) {
        many[i] = (uint16_t)(0x1000 + i);
    }
    ck_assert_int_eq(ja4_compute(&h, got), 0);
    got[10] = '\0';
    ck_assert_str_eq(got, "t00i009900");
}
END_TEST

static const struct {
    const char *alpn;
    size_t n;
    const char *want;
} protocols[] = {
    { "h2", 2, "h2" },
    { "http/1.1", 8, "h1" },
    { "x", 1, "xx" },
    { "\xab", 1, "ab" },
    { "\x20", 1, "20" },
    { "\xab\xcd", 2, "ad" },
    { "\x20\x61", 2, "21" },
    { "\x30\xab", 2, "3b" },
    { "\x61\x20", 2, "60" },
    { "\x30\x31\xab\xcd", 4, "3d" },
    { "\x30\xab\xcd\x31", 4, "01" },
};

START_TEST(test_alpn)
{
    const struct pst_str name = { protocols[_i].alpn, protocols[_i].n };
    const struct pst_hello h = { .alpn = &name, .n_alpn = 1 };
    char got[JA4_LEN + 1];

    ck_assert_int_eq(ja4_compute(&h, got), 0);
    got[10] = '\0';
    ck_assert_str_eq(got + 8, protocols[_i].want);
}
END_TEST

static const struct {
    uint16_t version;
    const char *want;
} versions[] = {
    { 0x0304, "13" }, { 0x0303, "12" }, { 0x0302, "11" }, { 0x0301, "10" }, { 0x0300, "s3" },
    { 0x0002, "s2" }, { 0xfeff, "d1" }, { 0xfefd, "d2" }, { 0xfefc, "d3" }, { 0x7f1c, "00" },
};

START_TEST(test_version)
{
    const struct pst_hello h = { .versions = &versions[_i].version, .n_versions = 1 };
    char got[JA4_LEN + 1];

    ck_assert_int_eq(ja4_compute(&h, got), 0);
    got[3] = '\0';
    ck_assert_str_eq(got + 1, versions[_i].want);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ja4");
    TCase *tc = tcase_create("ja4");

    tcase_add_loop_test(tc, test_published, 0, COUNT(vectors));
    tcase_add_test(tc, test_kept_hashes);
    tcase_add_test(tc, test_no_sigalgs);
    tcase_add_test(tc, test_empty_lists);
    tcase_add_test(tc, test_counts_are_capped);
    tcase_add_loop_test(tc, test_alpn, 0, COUNT(protocols));
    tcase_add_loop_test(tc, test_version, 0, COUNT(versions));
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
