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
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0 ? 1 : 0;
}
