/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/hash.h"

#define NAMES 100000

/* From the reference implementation: key 00 01 .. 0f, input 00 01 .. of n bytes. */
static const struct {
    size_t n;
    uint64_t hash;
} vectors[] = {
    { 0, 0x726fdb47dd0e0e31u }, { 1, 0x74f839c593dc67fdu },  { 2, 0x0d6c8009d9a94f5au },
    { 3, 0x85676696d7fb7e2du }, { 7, 0xab0200f58b01d137u },  { 8, 0x93f5f5799a932462u },
    { 9, 0x9e0082df0ba9e4b0u }, { 15, 0xa129ca6149be45e5u },
};

START_TEST(test_vectors)
{
    uint8_t key[16], in[16];

    for (uint8_t i = 0; i < 16; i++) {
        key[i] = in[i] = i;
    }
    ck_assert_uint_eq(hash_sip(key, in, vectors[_i].n), vectors[_i].hash);
}
END_TEST

START_TEST(test_process_key)
{
    uint8_t zero[16] = { 0 };

    ck_assert_uint_eq(hash_bytes("a.test", 6), hash_bytes("a.test", 6));
    ck_assert_uint_ne(hash_bytes("a.test", 6), hash_bytes("b.test", 6));
    ck_assert_uint_ne(hash_bytes("a.test", 6), hash_sip(zero, "a.test", 6));
}
END_TEST

START_TEST(test_map)
{
    struct map *m = map_new(0);
    int one, two;

    ck_assert_ptr_nonnull(m);
    ck_assert_ptr_null(map_get(m, "a", 1));
    ck_assert_int_eq(map_put(m, "a", 1, &one), 0);
    ck_assert_int_eq(map_put(m, "a", 1, &two), ERR_EXISTS);
    ck_assert_ptr_eq(map_get(m, "a", 1), &one);
    ck_assert_ptr_null(map_get(m, "ab", 2));
    ck_assert_ptr_null(map_get(m, "", 0));
    ck_assert_int_eq(map_put(m, "", 0, &two), 0);
    ck_assert_ptr_eq(map_get(m, NULL, 0), &two);
    ck_assert_int_eq(map_put(m, "a\0b", 3, &two), 0);
    ck_assert_ptr_eq(map_get(m, "a", 1), &one);
    ck_assert_uint_eq(map_count(m), 3);
    map_free(m);
    map_free(NULL);
}
END_TEST

/* Grown from nothing, and sized in advance. */
START_TEST(test_map_many)
{
    static char names[NAMES][16];
    struct map *m = map_new(_i == 0 ? 0 : NAMES);

    ck_assert_ptr_nonnull(m);
    for (int i = 0; i < NAMES; i++) {
        int n = snprintf(names[i], sizeof(names[i]), "n%d.test", i);
        ck_assert_int_eq(map_put(m, names[i], (size_t)n, names[i]), 0);
    }
    ck_assert_uint_eq(map_count(m), NAMES);
    for (int i = 0; i < NAMES; i++) {
        ck_assert_ptr_eq(map_get(m, names[i], strlen(names[i])), names[i]);
    }
    ck_assert_ptr_null(map_get(m, "n100000.test", 12));
    map_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hash");
    TCase *tc = tcase_create("hash");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_vectors, 0, (int)(sizeof(vectors) / sizeof(vectors[0])));
    tcase_add_test(tc, test_process_key);
    tcase_add_test(tc, test_map);
    tcase_add_loop_test(tc, test_map_many, 0, 2);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
