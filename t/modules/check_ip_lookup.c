/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search of ip-restrictions over thousands of networks against a search one by one. */
#include <check.h>
#include <stdlib.h>

#include "modules/ip-restrictions/lookup.h"

#define NETS 3000

/* How the networks of a case lie. */
enum shape { SPREAD, ONE_PLACE, PLACES_AND_STRAYS, NESTED, SHAPES };

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A network of that shape. Places differ in their first 32 bits, or 16 for IPv4. */
static struct cidr random_net(bool v4, enum shape shape)
{
    unsigned bits = v4 ? 32 : 128, prefix = bits;
    uint64_t place = UINT64_C(0x9e3779b97f4a7c15), hi = next_random(), lo = next_random();

    if (shape == PLACES_AND_STRAYS) {
        place *= 1 + next_random() % 8;
    }
    if (shape == ONE_PLACE || (shape == PLACES_AND_STRAYS && next_random() % 50 > 0)) {
        hi = (place & ~UINT64_C(0xffffffff)) | (hi & 0xffffffff);
        lo = v4 ? (place & 0xffff0000) | (lo & 0xffff) : lo;
    } else if (shape == NESTED) {
        /* Few bits set, any prefix: nearly everything lies in something. */
        hi &= next_random() & next_random();
        lo &= next_random() & next_random();
        prefix = (unsigned)(next_random() % (bits + 1));
    }
    if (shape != NESTED && next_random() % 2 > 0) {
        prefix -= (unsigned)(next_random() % (bits / 4));
    }
    if (v4) {
        return cidr_mask(0, UINT64_C(0xffff00000000) | (uint32_t)lo, (uint8_t)(96 + prefix),
                         PST_AF_INET);
    }
    return cidr_mask(hi, lo, (uint8_t)prefix, PST_AF_INET6);
}

static struct cidr nets[NETS];
static size_t n_nets;
static struct rule_set set;

static void setup(void)
{
    random_state = UINT64_C(88172645463325252);
    set = (struct rule_set){ 0 };
}

static void teardown(void)
{
    rule_set_free(&set);
}

static void agrees_at(uint64_t hi, uint64_t lo, uint8_t family)
{
    const struct cidr addr = { hi, lo, 128, family }, *best = NULL;
    const struct rule *r = rule_set_find(&set, &addr);

    for (size_t i = 0; i < n_nets; i++) {
        if (nets[i].family == family && cidr_contains(&nets[i], hi, lo) &&
            (best == NULL || nets[i].prefix > best->prefix)) {
            best = &nets[i];
        }
    }
    ck_assert_int_eq(r != NULL, best != NULL);
    /* Of equal networks the first counts. */
    ck_assert(r == NULL || r->line == (uint32_t)(best - nets));
}

/* The addresses around the first of a network, and the one with all host bits set. */
static void agrees_around(const struct cidr *net)
{
    bool v4 = net->family == PST_AF_INET;
    uint64_t low = v4 ? UINT64_C(0xffffffff) : UINT64_MAX, fixed = net->lo & ~low;
    struct cidr host = cidr_mask(UINT64_MAX, UINT64_MAX, net->prefix, net->family);

    agrees_at(net->hi, net->lo, net->family);
    agrees_at(net->hi, fixed | ((net->lo + 1) & low), net->family);
    agrees_at(net->hi - (!v4 && net->lo == 0), fixed | ((net->lo - 1) & low), net->family);
    agrees_at(net->hi | ~host.hi, net->lo | ~host.lo, net->family);
}

START_TEST(agrees_with_the_naive_search)
{
    static const size_t sizes[] = { 1, 2, 15, 16, 17, 33, 257, NETS };

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        n_nets = sizes[s];
        for (size_t i = 0; i < n_nets; i++) {
            nets[i] = random_net(_i % 2 > 0, (enum shape)(_i / 2));
            ck_assert_int_eq(rule_set_add(&set, &nets[i], 0, (uint32_t)i), 0);
        }
        ck_assert_int_eq(rule_set_finish(&set), 0);
        for (size_t i = 0; i < n_nets; i += 1 + n_nets / 300) {
            struct cidr other = random_net(_i % 2 > 0, (enum shape)(_i / 2));

            agrees_around(&nets[i]);
            agrees_around(&other);
        }
        agrees_at(0, 0, PST_AF_INET6);
        agrees_at(UINT64_MAX, UINT64_MAX, PST_AF_INET6);
        agrees_at(0, UINT64_C(0xffff00000000), PST_AF_INET);
        agrees_at(0, UINT64_C(0xffffffffffff), PST_AF_INET);
        rule_set_free(&set);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ip-restrictions lookup");
    TCase *t = tcase_create("lookup");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, agrees_with_the_naive_search, 0, 2 * SHAPES);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
