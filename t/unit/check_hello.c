/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/hello/hello.h"
#include "t/tools/hello_build.h"

#define NAME        "www.a.test"
#define RECORD_HEAD 5
#define COUNT(a)    ((int)(sizeof(a) / sizeof((a)[0])))

static const struct hello_spec usual = { .sni = NAME, .sni_n = 10, .alpn = "h2,http/1.1" };

/* The usual hello as bytes on the wire. */
static struct bytes wire_of(const struct hello_spec *spec, size_t first, size_t each)
{
    struct bytes message = { 0 }, wire = { 0 };

    ck_assert(hello_message(&message, spec));
    hello_records(&wire, message.p, message.n, first, each, false);
    bytes_free(&message);
    return wire;
}

static int feed(struct hello_reader *r, const struct bytes *wire)
{
    hello_init(r);
    return hello_feed(r, wire->p, wire->n);
}

static void expect_usual(const struct hello_reader *r, const struct bytes *wire)
{
    const struct pst_hello *h = &r->out;

    ck_assert_int_eq(r->status, HELLO_DONE);
    ck_assert_uint_eq(r->consumed, wire->n);
    ck_assert_uint_eq(h->size, sizeof(*h));
    ck_assert_uint_eq(h->sni.n, 10);
    ck_assert_mem_eq(h->sni.p, NAME, 10);
    ck_assert_uint_eq(h->n_alpn, 2);
    ck_assert_uint_eq(h->alpn[0].n, 2);
    ck_assert_mem_eq(h->alpn[0].p, "h2", 2);
    ck_assert_uint_eq(h->alpn[1].n, 8);
    ck_assert_mem_eq(h->alpn[1].p, "http/1.1", 8);
    ck_assert_uint_eq(h->n_versions, 2);
    ck_assert_uint_eq(h->versions[0], 0x0304);
    ck_assert_uint_eq(h->versions[1], 0x0303);
    ck_assert_uint_eq(h->n_groups, 3);
    ck_assert_uint_eq(h->groups[0], 0x001d);
    ck_assert_uint_eq(h->n_sigalgs, 8);
    ck_assert_uint_eq(h->sigalgs[7], 0x0601);
    ck_assert_uint_eq(h->legacy_version, 0x0303);
    ck_assert_uint_eq(h->extensions[0], 0);
    ck_assert_uint_eq(h->raw.n, r->msg.len);
}

START_TEST(test_whole)
{
    struct bytes wire = wire_of(&usual, 0, 0);
    struct hello_reader r;

    ck_assert_int_eq(feed(&r, &wire), HELLO_DONE);
    expect_usual(&r, &wire);
    ck_assert_uint_eq(r.out.flags, 0);
    ck_assert_uint_eq(r.out.n_ciphers, 8);
    ck_assert_uint_eq(r.out.ciphers[0], 0x1301);
    ck_assert_uint_eq(r.out.n_extensions, 10);
    ck_assert_uint_eq(r.out.extensions[9], 51);
    hello_free(&r);
    ck_assert_ptr_null(r.lists);
    bytes_free(&wire);
}
END_TEST

/* Two segments, cut everywhere, for the whole message and for records of 50 bytes. */
START_TEST(test_every_split)
{
    struct bytes wire = wire_of(&usual, 0, _i == 0 ? 0 : 50);
    struct hello_reader r;

    for (size_t cut = 0; cut <= wire.n; cut++) {
        hello_init(&r);
        int want = cut == wire.n ? HELLO_DONE : HELLO_MORE;
        ck_assert_int_eq(hello_feed(&r, wire.p, cut), want);
        ck_assert_int_eq(hello_feed(&r, wire.p + cut, wire.n - cut), HELLO_DONE);
        expect_usual(&r, &wire);
        hello_free(&r);
    }
    bytes_free(&wire);
}
END_TEST

START_TEST(test_byte_by_byte)
{
    struct bytes wire = wire_of(&usual, 1, 7);
    struct hello_reader r;

    hello_init(&r);
    for (size_t i = 0; i < wire.n; i++) {
        int want = i + 1 == wire.n ? HELLO_DONE : HELLO_MORE;
        ck_assert_int_eq(hello_feed(&r, wire.p + i, 1), want);
    }
    expect_usual(&r, &wire);
    ck_assert_uint_eq(r.out.flags, PST_HELLO_FRAGMENTED);
    hello_free(&r);
    bytes_free(&wire);
}
END_TEST

static const size_t more_sizes[] = { 65, 100, 127, 128, 200, 255, 256, 1000, 16384 };

START_TEST(test_record_size)
{
    size_t each = _i < 64 ? (size_t)_i + 1 : more_sizes[_i - 64];
    static const size_t firsts[] = { 0, 1, 3, 4, 5, 6, 43 };
    struct hello_reader r;

    for (int i = 0; i < COUNT(firsts); i++) {
        struct bytes wire = wire_of(&usual, firsts[i], each);

        ck_assert_int_eq(feed(&r, &wire), HELLO_DONE);
        expect_usual(&r, &wire);
        hello_free(&r);
        bytes_free(&wire);
    }
}
END_TEST

static const size_t sizes[] = { 200,   201,   211,   212,   213,   232,   233,   255,  256,
                                257,   511,   512,   1024,  1900,  4095,  4096,  7400, 16383,
                                16384, 16385, 16500, 30000, 60000, 65534, 65535, 65536 };

START_TEST(test_size)
{
    struct hello_spec spec = { .sni = "a.b", .sni_n = 3, .size = sizes[_i] };
    static const size_t records[] = { 0, 1, 1337 };
    struct hello_reader r;

    for (int i = 0; i < COUNT(records); i++) {
        struct bytes wire = wire_of(&spec, 0, records[i]);

        ck_assert_uint_le(wire.n, HELLO_WIRE_MAX);
        ck_assert_int_eq(feed(&r, &wire), HELLO_DONE);
        ck_assert_uint_eq(r.out.raw.n, sizes[_i]);
        ck_assert_uint_eq(r.consumed, wire.n);
        ck_assert_mem_eq(r.out.sni.p, "a.b", 4);
        hello_free(&r);
        bytes_free(&wire);
    }
}
END_TEST

/* One byte too many is refused as soon as the length is known, and nothing is allocated by it. */
START_TEST(test_too_large)
{
    struct hello_spec spec = { .sni = "a.b", .sni_n = 3, .size = HELLO_MAX + 1 };
    struct bytes wire = wire_of(&spec, 0, 0);
    struct hello_reader r;

    hello_init(&r);
    ck_assert_int_eq(hello_feed(&r, wire.p, RECORD_HEAD + 3), HELLO_MORE);
    ck_assert_int_eq(hello_feed(&r, wire.p + RECORD_HEAD + 3, 1), HELLO_TOO_LARGE);
    ck_assert_uint_le(r.msg.cap, 1024);
    ck_assert_int_eq(hello_feed(&r, wire.p + RECORD_HEAD + 4, 1), HELLO_TOO_LARGE);
    hello_free(&r);
    bytes_free(&wire);
}
END_TEST

/* A declared 64 KiB of which little arrives costs little. */
START_TEST(test_memory_follows_arrival)
{
    struct hello_spec spec = { .sni = "a.b", .sni_n = 3, .size = HELLO_MAX };
    struct bytes wire = wire_of(&spec, 0, 0);
    struct hello_reader r;

    hello_init(&r);
    ck_assert_int_eq(hello_feed(&r, wire.p, 3000), HELLO_MORE);
    ck_assert_uint_le(r.msg.cap, 8192);
    hello_free(&r);
    bytes_free(&wire);
}
END_TEST

/* What follows the message, in its record or after it, is not looked at. */
START_TEST(test_rest_is_ignored)
{
    struct bytes message = { 0 }, wire = { 0 };
    struct hello_reader r;

    ck_assert(hello_message(&message, &usual));
    size_t hello_n = message.n;
    bytes_add(&message, "early", 5);
    hello_records(&wire, message.p, message.n, 0, 0, false);
    bytes_add(&wire, "\x17\x03\x03\x00\x00", 5);
    ck_assert_int_eq(feed(&r, &wire), HELLO_DONE);
    ck_assert_uint_eq(r.consumed, RECORD_HEAD + hello_n);
    ck_assert_uint_eq(r.out.raw.n, hello_n);
    hello_free(&r);
    bytes_free(&message);
    bytes_free(&wire);
}
END_TEST

/* Names as they are sent, and what becomes of them. */
#define LABEL60 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
static const struct {
    const char *sni;
    size_t n;
    int status;
    const char *want;
} names[] = {
    { "A.Test", 6, HELLO_DONE, "a.test" },
    { "a.test.", 7, HELLO_DONE, "a.test" },
    { "_x.a_b.test", 11, HELLO_DONE, "_x.a_b.test" },
    { "localhost", 9, HELLO_DONE, "localhost" },
    { "", 0, HELLO_BAD, "" },
    { ".", 1, HELLO_BAD_NAME, "" },
    { "a..b", 4, HELLO_BAD_NAME, "" },
    { ".a", 2, HELLO_BAD_NAME, "" },
    { "a.test\0.evil", 12, HELLO_BAD_NAME, "" },
    { "a.test\0", 7, HELLO_BAD_NAME, "" },
    { "a b.test", 8, HELLO_BAD_NAME, "" },
    { "a\n.test", 7, HELLO_BAD_NAME, "" },
    { "*.a.test", 8, HELLO_BAD_NAME, "" },
    { "a/../b", 6, HELLO_BAD_NAME, "" },
    { "b\xc3\xbc"
      "cher.test",
      12, HELLO_BAD_NAME, "" },
    { "::1", 3, HELLO_BAD_NAME, "" },
    { "-a.test", 7, HELLO_BAD_NAME, "" },
    { "a-.test", 7, HELLO_BAD_NAME, "" },
    { LABEL60 "ggg.test", 68, HELLO_DONE, LABEL60 "ggg.test" },
    { LABEL60 "gggg.test", 69, HELLO_BAD_NAME, "" },
    { LABEL60 "." LABEL60 "." LABEL60 "." LABEL60 ".12345678", 252, HELLO_DONE, NULL },
    { LABEL60 "." LABEL60 "." LABEL60 "." LABEL60 ".123456789", 253, HELLO_DONE, NULL },
    { LABEL60 "." LABEL60 "." LABEL60 "." LABEL60 ".1234567890", 254, HELLO_BAD_NAME, "" },
};

START_TEST(test_name)
{
    struct hello_spec spec = { .sni = names[_i].sni, .sni_n = names[_i].n };
    struct bytes wire = wire_of(&spec, 0, 0);
    struct hello_reader r;

    ck_assert_int_eq(feed(&r, &wire), names[_i].status);
    if (names[_i].status == HELLO_DONE) {
        const char *want = names[_i].want ? names[_i].want : names[_i].sni;
        ck_assert_str_eq(r.out.sni.p, want);
        ck_assert_uint_eq(r.out.sni.n, strlen(want));
    } else {
        ck_assert_ptr_nonnull(r.why);
    }
    hello_free(&r);
    bytes_free(&wire);
}
END_TEST

START_TEST(test_optional_parts)
{
    struct hello_spec bare = { .no_extensions = true, .legacy_version = 0x0301 };
    struct hello_spec old = { .sni = NAME, .sni_n = 10, .tls12 = true };
    struct bytes wire = wire_of(&bare, 0, 0);
    struct hello_reader r;

    ck_assert_int_eq(feed(&r, &wire), HELLO_DONE);
    ck_assert_uint_eq(r.out.sni.n, 0);
    ck_assert_uint_eq(r.out.n_extensions, 0);
    ck_assert_uint_eq(r.out.n_alpn, 0);
    ck_assert_uint_eq(r.out.n_versions, 1);
    ck_assert_uint_eq(r.out.versions[0], 0x0301);
    hello_free(&r);
    bytes_free(&wire);

    wire = wire_of(&old, 0, 0);
    ck_assert_int_eq(feed(&r, &wire), HELLO_DONE);
    ck_assert_uint_eq(r.out.n_versions, 1);
    ck_assert_uint_eq(r.out.versions[0], 0x0303);
    ck_assert_uint_eq(r.out.sni.n, 10);
    hello_free(&r);
    bytes_free(&wire);
}
END_TEST

START_TEST(test_ech)
{
    static const uint16_t extensions[] = { 0, 0x0a0a, 0xfe0d, 43 };
    struct hello_spec spec = { .sni = NAME, .sni_n = 10, .extensions = extensions };
    struct hello_reader r;

    spec.n_extensions = 4;
    struct bytes wire = wire_of(&spec, 0, 0);
    ck_assert_int_eq(feed(&r, &wire), HELLO_DONE);
    ck_assert_uint_eq(r.out.flags, PST_HELLO_ECH);
    ck_assert_uint_eq(r.out.n_extensions, 4);
    ck_assert_uint_eq(r.out.extensions[1], 0x0a0a);
    hello_free(&r);
    bytes_free(&wire);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hello");
    TCase *tc = tcase_create("hello");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_whole);
    tcase_add_loop_test(tc, test_every_split, 0, 2);
    tcase_add_test(tc, test_byte_by_byte);
    tcase_add_loop_test(tc, test_record_size, 0, 64 + COUNT(more_sizes));
    tcase_add_loop_test(tc, test_size, 0, COUNT(sizes));
    tcase_add_test(tc, test_too_large);
    tcase_add_test(tc, test_memory_follows_arrival);
    tcase_add_test(tc, test_rest_is_ignored);
    tcase_add_loop_test(tc, test_name, 0, COUNT(names));
    tcase_add_test(tc, test_optional_parts);
    tcase_add_test(tc, test_ech);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
