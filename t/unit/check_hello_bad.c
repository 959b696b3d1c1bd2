/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every way in which a hello is refused, with the answer expected. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/hello/hello.h"
#include "t/tools/hello_build.h"

#define RECORD_HEAD 5
#define COUNT(a)    ((int)(sizeof(a) / sizeof((a)[0])))

static int feed(struct hello_reader *r, const struct bytes *wire)
{
    hello_init(r);
    return hello_feed(r, wire->p, wire->n);
}

/* Wrong records: bytes on the wire, the answer, and the byte at which it must be known. */
static const struct {
    const char *bytes;
    size_t n;
    int status;
} records[] = {
    { "G", 1, HELLO_NOT_TLS },
    { "\x15", 1, HELLO_NOT_TLS },
    { "\x17", 1, HELLO_NOT_TLS },
    { "\x80", 1, HELLO_NOT_TLS },
    { "\0", 1, HELLO_NOT_TLS },
    { "\x16\x02", 2, HELLO_BAD },
    { "\x16\x04", 2, HELLO_BAD },
    { "\x16\x03\x01\x00\x00", 5, HELLO_BAD },
    { "\x16\x03\x01\x40\x01", 5, HELLO_BAD },
    { "\x16\x03\x01\x41", 4, HELLO_BAD },
    { "\x16\x03\x01\x00\x05\x02", 6, HELLO_BAD },                      /* no ClientHello    */
    { "\x16\x03\x01\x00\x05\x00", 6, HELLO_BAD },                      /* HelloRequest      */
    { "\x16\x03\x01\x00\x01\x01\x17", 7, HELLO_BAD },                  /* data in between   */
    { "\x16\x03\x01\x00\x01\x01\x15", 7, HELLO_BAD },                  /* alert in between  */
    { "\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x00", 11, HELLO_BAD }, /* empty in between  */
    { "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9, HELLO_BAD },          /* empty message     */
    { "\x16\x03\x01\x00\x04\x01\x00\xff\xfd", 9, HELLO_TOO_LARGE },    /* 64 KiB + 1        */
    { "\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9, HELLO_TOO_LARGE },
};

START_TEST(test_wrong_record)
{
    struct hello_reader r;

    hello_init(&r);
    for (size_t i = 0; i < records[_i].n; i++) {
        int want = i + 1 == records[_i].n ? records[_i].status : HELLO_MORE;
        const uint8_t byte = (uint8_t)records[_i].bytes[i];

        ck_assert_int_eq(hello_feed(&r, &byte, 1), want);
    }
    ck_assert_ptr_nonnull(r.why);
    hello_free(&r);
}
END_TEST

START_TEST(test_zero_fragment)
{
    struct bytes message = { 0 }, wire = { 0 };
    struct hello_reader r;

    const struct hello_spec usual = { .sni = "a.test", .sni_n = 6 };
    ck_assert(hello_message(&message, &usual));
    hello_records(&wire, message.p, message.n, 10, 50, true);
    ck_assert_int_eq(feed(&r, &wire), HELLO_BAD);
    ck_assert_uint_eq(r.consumed, RECORD_HEAD + 10 + RECORD_HEAD);
    hello_free(&r);
    bytes_free(&message);
    bytes_free(&wire);
}
END_TEST

/* Extension blocks, as the bytes behind a sound beginning of a hello. */
#define SNI_A     "\x00\x00\x00\x06\x00\x04\x00\x00\x01"
#define EXT(body) body, sizeof(body) - 1
static const struct {
    const char *block;
    size_t n;
    int status;
} blocks[] = {
    { EXT("\x00\x00"), HELLO_DONE },                                 /* an empty block         */
    { EXT("\x00"), HELLO_BAD },                                      /* half a length          */
    { EXT("\x00\x01\x00"), HELLO_BAD },                              /* half a type            */
    { EXT("\x00\x03\x00\x17\x00"), HELLO_BAD },                      /* half a length inside   */
    { EXT("\x00\x04\x00\x17\x00\x01"), HELLO_BAD },                  /* body missing           */
    { EXT("\x00\x05\x00\x17\x00\x00"), HELLO_BAD },                  /* block cut short        */
    { EXT("\x00\x04\x00\x17\x00\x00\x00"), HELLO_BAD },              /* bytes left over        */
    { EXT("\x00\x08\x00\x17\x00\x00\x00\x17\x00\x00"), HELLO_BAD },  /* twice                  */
    { EXT("\x00\x08\x0a\x0a\x00\x00\x0a\x0a\x00\x00"), HELLO_BAD },  /* GREASE twice           */
    { EXT("\x00\x08\x0a\x0a\x00\x00\x1a\x1a\x00\x00"), HELLO_DONE }, /* two GREASE values      */
    /* server_name */
    { EXT("\x00\x0a" SNI_A "a"), HELLO_DONE },
    { EXT("\x00\x14" SNI_A "a" SNI_A "a"), HELLO_BAD_NAME },
    { EXT("\x00\x04\x00\x00\x00\x00"), HELLO_BAD },                     /* no list         */
    { EXT("\x00\x06\x00\x00\x00\x02\x00\x00"), HELLO_BAD },             /* empty list      */
    { EXT("\x00\x07\x00\x00\x00\x03\x00\x01\x00"), HELLO_BAD },         /* type only       */
    { EXT("\x00\x09\x00\x00\x00\x05\x00\x03\x00\x00\x00"), HELLO_BAD }, /* empty name      */
    { EXT("\x00\x0a\x00\x00\x00\x06\x00\x04\x00\x00\x02"
          "a"),
      HELLO_BAD }, /* name cut short  */
    { EXT("\x00\x0a\x00\x00\x00\x06\x00\x05\x00\x00\x01"
          "a"),
      HELLO_BAD }, /* list cut short  */
    { EXT("\x00\x0b\x00\x00\x00\x07\x00\x04\x00\x00\x01"
          "ab"),
      HELLO_BAD }, /* rest           */
    { EXT("\x00\x0a\x00\x00\x00\x06\x00\x04\x01\x00\x01"
          "a"),
      HELLO_BAD_NAME }, /* type 1     */
    { EXT("\x00\x0e\x00\x00\x00\x0a\x00\x08\x00\x00\x01"
          "a\x00\x00\x01"
          "b"),
      HELLO_BAD_NAME },
    { EXT("\x00\x0e\x00\x00\x00\x0a\x00\x08\x00\x00\x01"
          "a\x07\x00\x01"
          "b"),
      HELLO_BAD_NAME },
    /* ALPN */
    { EXT("\x00\x08\x00\x10\x00\x04\x00\x02\x01"
          "h"),
      HELLO_DONE },
    { EXT("\x00\x04\x00\x10\x00\x00"), HELLO_BAD },
    { EXT("\x00\x06\x00\x10\x00\x02\x00\x00"), HELLO_BAD },     /* empty list      */
    { EXT("\x00\x07\x00\x10\x00\x03\x00\x01\x00"), HELLO_BAD }, /* empty protocol  */
    { EXT("\x00\x08\x00\x10\x00\x04\x00\x02\x02"
          "h"),
      HELLO_BAD }, /* cut short       */
    { EXT("\x00\x09\x00\x10\x00\x05\x00\x02\x01"
          "hh"),
      HELLO_BAD }, /* rest            */
    /* supported_groups, signature_algorithms, supported_versions */
    { EXT("\x00\x08\x00\x0a\x00\x04\x00\x02\x00\x1d"), HELLO_DONE },
    { EXT("\x00\x06\x00\x0a\x00\x02\x00\x00"), HELLO_BAD },
    { EXT("\x00\x07\x00\x0a\x00\x03\x00\x01\x1d"), HELLO_BAD },
    { EXT("\x00\x09\x00\x0a\x00\x05\x00\x02\x00\x1d\x00"), HELLO_BAD },
    { EXT("\x00\x08\x00\x0d\x00\x04\x00\x02\x04\x03"), HELLO_DONE },
    { EXT("\x00\x06\x00\x0d\x00\x02\x00\x00"), HELLO_BAD },
    { EXT("\x00\x08\x00\x0d\x00\x04\x00\x04\x04\x03"), HELLO_BAD },
    { EXT("\x00\x07\x00\x2b\x00\x03\x02\x03\x04"), HELLO_DONE },
    { EXT("\x00\x05\x00\x2b\x00\x01\x00"), HELLO_BAD },
    { EXT("\x00\x06\x00\x2b\x00\x02\x01\x03"), HELLO_BAD },
};

START_TEST(test_block)
{
    static const uint8_t body[] = { 0, 2, 0x13, 1, 1, 0 }; /* one cipher, no compression */
    struct bytes message = { 0 }, wire = { 0 };
    struct hello_reader r;

    bytes_number(&message, 1, 1);
    size_t at = bytes_open(&message, 3);
    bytes_number(&message, 2, 0x0303);
    for (int i = 0; i < 33; i++) {
        bytes_number(&message, 1, 0); /* random, and an empty session id */
    }
    bytes_add(&message, body, sizeof(body));
    bytes_add(&message, blocks[_i].block, blocks[_i].n);
    bytes_close(&message, at, 3);
    hello_records(&wire, message.p, message.n, 0, 0, false);
    ck_assert_int_eq(feed(&r, &wire), blocks[_i].status);
    hello_free(&r);
    bytes_free(&message);
    bytes_free(&wire);
}
END_TEST

/* The part before the extensions: session id, ciphers, compression. */
static const struct {
    const char *part;
    size_t n;
    int status;
} parts[] = {
    { EXT("\x00\x00\x02\x13\x01\x01\x00"), HELLO_DONE },
    { EXT(""), HELLO_BAD },
    { EXT("\x01"), HELLO_BAD },                             /* session id cut short */
    { EXT("\x00\x00\x00\x01\x00"), HELLO_BAD },             /* no ciphers           */
    { EXT("\x00\x00\x03\x13\x01\x13\x01\x00"), HELLO_BAD }, /* an odd length     */
    { EXT("\x00\x00\x04\x13\x01"), HELLO_BAD },             /* ciphers cut short    */
    { EXT("\x00\x00\x02\x13\x01"), HELLO_BAD },             /* compression missing  */
    { EXT("\x00\x00\x02\x13\x01\x00"), HELLO_BAD },         /* compression empty    */
    { EXT("\x00\x00\x02\x13\x01\x02\x00"), HELLO_BAD },     /* compression cut short */
    { EXT("\x20"
          "0123456789abcdef0123456789abcdef\x00\x02\x13\x01\x01\x00"),
      HELLO_DONE },
    { EXT("\x21"
          "0123456789abcdef0123456789abcdefX\x00\x02\x13\x01\x01\x00"),
      HELLO_BAD },
};

START_TEST(test_part)
{
    struct hello_reader r;
    struct bytes message = { 0 }, wire = { 0 };

    bytes_number(&message, 1, 1);
    size_t at = bytes_open(&message, 3);
    bytes_number(&message, 2, 0x0303);
    bytes_add(&message, "0123456789abcdef0123456789abcdef", 32);
    bytes_add(&message, parts[_i].part, parts[_i].n);
    bytes_close(&message, at, 3);
    hello_records(&wire, message.p, message.n, 0, 0, false);
    ck_assert_int_eq(feed(&r, &wire), parts[_i].status);
    hello_free(&r);
    bytes_free(&message);
    bytes_free(&wire);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hello_bad");
    TCase *tc = tcase_create("hello");

    tcase_add_loop_test(tc, test_wrong_record, 0, COUNT(records));
    tcase_add_test(tc, test_zero_fragment);
    tcase_add_loop_test(tc, test_block, 0, COUNT(blocks));
    tcase_add_loop_test(tc, test_part, 0, COUNT(parts));
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
