/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seal of session tickets: what it binds, how long it holds, and the change of keys. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tls-termination/term.h"

const struct pst_host *term_host;

static uint64_t clock_us(void)
{
    return UINT64_C(1000000) * 1000000;
}

static const struct pst_host fake = { .size = sizeof(fake), .wall_us = clock_us };

#define NOW  UINT64_C(1000000)
#define LIFE 3600u

struct ticket {
    uint8_t name[16], iv[16], mac[32], body[100];
};

static struct term_tickets policy;

static void setup(void)
{
    term_host = &fake;
    ck_assert_int_eq(tls_lib_init(), PST_OK);
    policy = (struct term_tickets){ .ring = ticket_ring_new(), .lifetime = LIFE };
    memset(policy.policy, 7, sizeof(policy.policy));
    ck_assert_ptr_nonnull(policy.ring);
}

static void teardown(void)
{
    ticket_ring_unref(policy.ring);
    tls_lib_cleanup();
}

static struct ticket sealed(const struct term_tickets *k, uint64_t now)
{
    struct ticket t;

    memset(&t, 0, sizeof(t));
    memset(t.body, 'x', sizeof(t.body));
    ck_assert_int_eq(tickets_crypt(k, t.name, t.iv, t.mac, true, t.body, sizeof(t.body), now),
                     WOLFSSL_TICKET_RET_OK);
    ck_assert_int_ne(t.body[0] == 'x' && t.body[1] == 'x' && t.body[2] == 'x', 1);
    return t;
}

/* `t` is a copy: it is opened in place. */
static int opened(const struct term_tickets *k, struct ticket t, uint64_t now)
{
    int rc = tickets_crypt(k, t.name, t.iv, t.mac, false, t.body, sizeof(t.body), now);

    if (rc == WOLFSSL_TICKET_RET_OK) {
        ck_assert_int_eq(t.body[0], 'x');
        ck_assert_int_eq(t.body[sizeof(t.body) - 1], 'x');
    }
    return rc;
}

START_TEST(what_was_sealed_opens)
{
    ck_assert_int_eq(opened(&policy, sealed(&policy, NOW), NOW), WOLFSSL_TICKET_RET_OK);
}
END_TEST

START_TEST(every_byte_is_sealed)
{
    struct ticket t = sealed(&policy, NOW);
    uint8_t *p = (uint8_t *)&t;

    /* Of the mac field sixteen bytes are used. */
    for (size_t i = 0; i < sizeof(t); i++) {
        if (i >= offsetof(struct ticket, mac) + 16 && i < offsetof(struct ticket, body)) {
            continue;
        }
        p[i] ^= 1;
        ck_assert_msg(opened(&policy, t, NOW) == WOLFSSL_TICKET_RET_REJECT, "byte %zu", i);
        p[i] ^= 1;
    }
    ck_assert_int_eq(opened(&policy, t, NOW), WOLFSSL_TICKET_RET_OK);
}
END_TEST

START_TEST(another_policy_with_the_same_keys_refuses)
{
    struct term_tickets other = policy;
    struct ticket t = sealed(&policy, NOW);

    other.policy[31] ^= 1;
    ck_assert_int_eq(opened(&other, t, NOW), WOLFSSL_TICKET_RET_REJECT);
    ck_assert_int_eq(opened(&policy, t, NOW), WOLFSSL_TICKET_RET_OK);
}
END_TEST

START_TEST(other_keys_refuse)
{
    struct term_tickets other = policy;

    other.ring = ticket_ring_new();
    ck_assert_int_eq(opened(&other, sealed(&policy, NOW), NOW), WOLFSSL_TICKET_RET_REJECT);
    ticket_ring_unref(other.ring);
}
END_TEST

START_TEST(age_is_judged)
{
    struct ticket t = sealed(&policy, NOW);

    ck_assert_int_eq(opened(&policy, t, NOW + LIFE / 2), WOLFSSL_TICKET_RET_OK);
    ck_assert_int_eq(opened(&policy, t, NOW + LIFE / 2 + 1), WOLFSSL_TICKET_RET_CREATE);
    ck_assert_int_eq(opened(&policy, t, NOW + LIFE), WOLFSSL_TICKET_RET_CREATE);
    ck_assert_int_eq(opened(&policy, t, NOW + LIFE + 1), WOLFSSL_TICKET_RET_REJECT);
    ck_assert_int_eq(opened(&policy, t, NOW - 1), WOLFSSL_TICKET_RET_REJECT);
}
END_TEST

START_TEST(keys_change_and_old_ones_hold_as_long_as_their_tickets)
{
    struct ticket a = sealed(&policy, NOW), b = sealed(&policy, NOW + LIFE - 1), c;

    ck_assert_mem_eq(a.name, b.name, sizeof(a.name));
    c = sealed(&policy, NOW + LIFE);
    ck_assert_mem_ne(a.name, c.name, sizeof(a.name));
    ck_assert_int_eq(opened(&policy, b, NOW + LIFE), WOLFSSL_TICKET_RET_OK);
    (void)sealed(&policy, NOW + 2 * LIFE - 2);
    ck_assert_int_eq(opened(&policy, b, NOW + 2 * LIFE - 2), WOLFSSL_TICKET_RET_CREATE);
    (void)sealed(&policy, NOW + 5 * LIFE);
    (void)sealed(&policy, NOW + 6 * LIFE);
    (void)sealed(&policy, NOW + 7 * LIFE);
    ck_assert_int_eq(opened(&policy, c, NOW + LIFE), WOLFSSL_TICKET_RET_REJECT);
}
END_TEST

START_TEST(two_tickets_never_look_alike)
{
    struct ticket a = sealed(&policy, NOW), b = sealed(&policy, NOW);

    ck_assert_mem_ne(a.iv, b.iv, 12);
    ck_assert_mem_ne(a.body, b.body, sizeof(a.body));
}
END_TEST

/* --- keys from a file ------------------------------------------------------------------------- */

#define B48 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v"
#define B80                                                                                        \
    "MDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0" \
    "dXZ3eHl6e3x9fn8="
#define B47 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4="

static const struct {
    const char *text;
    uint32_t n;
    const char *why;
} files[] = {
    { B48 "\n", 1, NULL },
    { B48, 1, NULL },
    { "# first\n\n  " B80 "\t\r\n" B48 "\n", 2, NULL },
    { "", 0, "no key in it" },
    { "# nothing\n\n", 0, "no key in it" },
    { B47 "\n", 0, "not 48 or 80 bytes" },
    { "?" B48 "\n", 0, "not base64" },
    { B48 B80 "\n", 0, "not base64" },
    { B48 "\n" B80 "\n" B48 "\n", 0, "begin alike" },
};

START_TEST(files_of_keys_are_read)
{
    struct ticket_key keys[TICKET_KEYS_MAX];
    const char *why = NULL;
    uint32_t n =
        ticket_keys_parse((const uint8_t *)files[_i].text, strlen(files[_i].text), keys, &why);

    ck_assert_uint_eq(n, files[_i].n);
    if (n == 0) {
        ck_assert_msg(strstr(why, files[_i].why) != NULL, "%s", why);
    } else {
        ck_assert_uint_eq(keys[n - 1].name[0], 0);
        ck_assert_uint_eq(keys[n - 1].name[15], 15);
    }
}
END_TEST

/* What nginx reads and what haproxy reads is the same key when the bytes are the same. */
START_TEST(bytes_and_base64_agree)
{
    struct ticket_key a[TICKET_KEYS_MAX], b[TICKET_KEYS_MAX];
    const char *why = NULL;
    uint8_t bytes[80];

    for (uint8_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i + 48);
    }
    ck_assert_uint_eq(ticket_keys_parse(bytes, 80, a, &why), 1);
    ck_assert_uint_eq(ticket_keys_parse((const uint8_t *)B80, strlen(B80), b, &why), 1);
    ck_assert_mem_eq(&a[0], &b[0], sizeof(a[0]));
    ck_assert_uint_eq(ticket_keys_parse(bytes, 48, b, &why), 1);
    ck_assert_mem_eq(a[0].name, b[0].name, sizeof(a[0].name));
    ck_assert_mem_ne(a[0].key, b[0].key, sizeof(a[0].key));
}
END_TEST

static struct term_tickets with_file(const char *text)
{
    struct ticket_key keys[TICKET_KEYS_MAX];
    const char *why = NULL;
    uint32_t n = ticket_keys_parse((const uint8_t *)text, strlen(text), keys, &why);
    struct term_tickets k = policy;

    ck_assert_uint_gt(n, 0);
    k.ring = ticket_ring_of(keys, n);
    ck_assert_ptr_nonnull(k.ring);
    return k;
}

START_TEST(the_first_key_of_a_file_seals_and_all_open)
{
    struct term_tickets one = with_file(B48 "\n"), both = with_file(B80 "\n" B48 "\n");
    struct term_tickets two = with_file(B80 "\n");
    struct ticket old = sealed(&one, NOW), new = sealed(&both, NOW);

    ck_assert_int_eq(opened(&both, old, NOW), WOLFSSL_TICKET_RET_OK);
    ck_assert_int_eq(opened(&two, new, NOW), WOLFSSL_TICKET_RET_OK);
    ck_assert_int_eq(opened(&two, old, NOW), WOLFSSL_TICKET_RET_REJECT);
    ck_assert_int_eq(opened(&one, new, NOW), WOLFSSL_TICKET_RET_REJECT);
    /* They never change by themselves. */
    (void)sealed(&one, NOW + 10 * LIFE);
    ck_assert_int_eq(opened(&one, old, NOW), WOLFSSL_TICKET_RET_OK);
    ck_assert(!ticket_ring_rotates(one.ring) && ticket_ring_rotates(policy.ring));
    ticket_ring_unref(one.ring);
    ticket_ring_unref(both.ring);
    ticket_ring_unref(two.ring);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls-tickets");
    TCase *t = tcase_create("tls-tickets");
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_was_sealed_opens);
    tcase_add_test(t, every_byte_is_sealed);
    tcase_add_test(t, another_policy_with_the_same_keys_refuses);
    tcase_add_test(t, other_keys_refuse);
    tcase_add_test(t, age_is_judged);
    tcase_add_test(t, keys_change_and_old_ones_hold_as_long_as_their_tickets);
    tcase_add_test(t, two_tickets_never_look_alike);
    tcase_add_loop_test(t, files_of_keys_are_read, 0, (int)(sizeof(files) / sizeof(files[0])));
    tcase_add_test(t, bytes_and_base64_agree);
    tcase_add_test(t, the_first_key_of_a_file_seals_and_all_open);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0 ? 1 : 0;
}
