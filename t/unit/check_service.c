/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services between modules of one chain, and the order in which users and publishers end. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/module/chain.h"
#include "core/module/load.h"
#include "core/module/service.h"

struct table {
    uint32_t size;
    uint32_t index;
};

static struct table tables[8];
static char transcript[256];
static char text[512];
static uint32_t flags;
static bool fail_first;
static struct conf_errors *errors;
static struct loop *loop;
static struct chain *chain;
static const struct pst_host host = { .size = sizeof(host) };

static void note(const char *what, uint32_t index)
{
    char line[32];

    snprintf(line, sizeof(line), "%s%u ", what, (unsigned)index);
    strncat(transcript, line, sizeof(transcript) - strlen(transcript) - 1);
}

static void found(void *arg, const void *table)
{
    (void)arg;
    note("found", ((const struct table *)table)->index);
}

static int32_t publisher_init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct instance *i = (struct instance *)self;
    struct table *t = &tables[i->index];

    (void)cfg;
    *inst = self;
    *t = (struct table){ sizeof(*t), i->index };
    ck_assert_int_eq(service_publish(self, "no revision", t, 0), PST_ERR_INVALID);
    ck_assert_int_eq(service_publish(self, "x/", t, 0), PST_ERR_INVALID);
    ck_assert_int_eq(service_publish(self, "/1", t, 0), PST_ERR_INVALID);
    ck_assert_int_eq(service_publish(self, "x/1", NULL, 0), PST_ERR_INVALID);
    ck_assert_int_eq(service_publish(self, "x/1", t, 0x80), PST_ERR_INVALID);
    ck_assert_int_eq(service_publish(self, "tls.client-auth/1", t, flags), PST_OK);
    ck_assert_int_eq(service_find_each(self, "tls.client-auth/1", found, NULL), PST_ERR_STATE);
    return fail_first && i->index == 0 ? PST_ERR : PST_OK;
}

static int32_t publisher_link(void *inst)
{
    ck_assert_int_eq(service_publish(inst, "x/1", tables, 0), PST_ERR_STATE);
    return PST_OK;
}

static int32_t user_init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    (void)cfg;
    *inst = self;
    return PST_OK;
}

static int32_t user_link(void *inst)
{
    int32_t n = service_find_each(inst, "tls.client-auth/1", found, NULL);

    ck_assert_int_ge(n, 0);
    ck_assert_int_eq(service_find_each(inst, "tls.client-auth/2", found, NULL), 0);
    note("n", (uint32_t)n);
    return PST_OK;
}

static void on_fini(void *inst)
{
    note("fini", ((const struct instance *)inst)->index);
}

static const struct pst_hooks publisher_hooks = {
    .size = sizeof(publisher_hooks),
    .init = publisher_init,
    .link = publisher_link,
    .fini = on_fini,
};
static const struct pst_hooks user_hooks = {
    .size = sizeof(user_hooks),
    .init = user_init,
    .link = user_link,
    .fini = on_fini,
};
static const struct pst_module publisher = {
    PST_MODULE_HEAD(0, 0),     .name = "pub", .version = "1", .scopes = PST_SCOPE_EDGE,
    .hooks = &publisher_hooks,
};
static const struct pst_module user = {
    PST_MODULE_HEAD(0, 0),    .name = "user",       .version = "1",
    .scopes = PST_SCOPE_EDGE, .hooks = &user_hooks,
};

static void setup(void)
{
    char why[256];

    ck_assert_ptr_nonnull(module_register_static(&publisher, &host, why, sizeof(why)));
    ck_assert_ptr_nonnull(module_register_static(&user, &host, why, sizeof(why)));
    errors = conf_errors_new();
    loop = loop_new();
    flags = 0;
    fail_first = false;
    transcript[0] = text[0] = '\0';
}

static void teardown(void)
{
    chain_free(chain);
    conf_errors_free(errors);
    loop_free(loop);
    module_unload_all();
}

/* Make and link a chain: one letter per module, p or u. */
static int build(const char *letters)
{
    static struct conf_module mods[8];
    static char where[8][48];
    size_t n = strlen(letters);

    for (size_t i = 0; i < n; i++) {
        snprintf(where[i], sizeof(where[i]), "edges[3].modules[%zu]", i);
        mods[i] =
            (struct conf_module){ letters[i] == 'p' ? "pub" : "user", where[i], NULL, true, NULL };
    }
    chain = chain_new("edge", PST_SCOPE_EDGE, mods, n, "/nonexistent", &host, 0, errors);
    ck_assert_ptr_nonnull(chain);
    int rc = chain_init(chain, loop, errors);
    int linked = chain_link(chain, errors);
    return rc != ERR_OK ? rc : linked;
}

static void end(void)
{
    chain_free(chain);
    chain = NULL;
}

static void last_text(void *arg, bool warning, const char *entry)
{
    (void)arg;
    ck_assert(!warning);
    snprintf(text, sizeof(text), "%s", entry);
}

START_TEST(all_publishers_in_list_order)
{
    ck_assert_int_eq(build("pup"), ERR_OK);
    ck_assert_str_eq(transcript, "found0 found2 n2 ");
    struct table other = { sizeof(other), 9 };
    pst_instance *self = (pst_instance *)&chain->instances[0];
    ck_assert_int_eq(service_publish(self, "x/1", &other, 0), PST_ERR_STATE);
    ck_assert_int_eq(service_find_each(self, "x/1", found, NULL), PST_ERR_STATE);
}
END_TEST

START_TEST(nobody_has_to_use_it)
{
    ck_assert_int_eq(build("p"), ERR_OK);
}
END_TEST

START_TEST(must_be_consumed)
{
    flags = PST_SERVICE_MUST_BE_CONSUMED;
    ck_assert_int_eq(build("p"), ERR_CONFIG);
    ck_assert_uint_eq(conf_errors_count(errors), 1);
    conf_errors_each(errors, last_text, NULL);
    ck_assert_str_eq(text, "edges[3].modules[0]: pub is listed but nothing uses its "
                           "\"tls.client-auth/1\": add the module that does, or take pub out");
}
END_TEST

START_TEST(consumed_is_fine_wherever_it_stands)
{
    flags = PST_SERVICE_MUST_BE_CONSUMED;
    ck_assert_int_eq(build("up"), ERR_OK);
    ck_assert_uint_eq(conf_errors_count(errors), 0);
}
END_TEST

START_TEST(failed_publisher_is_not_found)
{
    flags = PST_SERVICE_MUST_BE_CONSUMED;
    fail_first = true;
    ck_assert_int_eq(build("pup"), ERR_CONFIG);
    ck_assert_str_eq(transcript, "found2 n1 ");
    /* The failed init() alone is reported. */
    ck_assert_uint_eq(conf_errors_count(errors), 1);
}
END_TEST

START_TEST(users_end_before_publishers)
{
    ck_assert_int_eq(build("pup"), ERR_OK);
    transcript[0] = '\0';
    end();
    ck_assert_str_eq(transcript, "fini1 fini2 fini0 ");
    ck_assert_int_eq(build("uup"), ERR_OK);
    transcript[0] = '\0';
    end();
    ck_assert_str_eq(transcript, "fini1 fini0 fini2 ");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("service");
    TCase *t = tcase_create("service");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, all_publishers_in_list_order);
    tcase_add_test(t, nobody_has_to_use_it);
    tcase_add_test(t, must_be_consumed);
    tcase_add_test(t, consumed_is_fine_wherever_it_stands);
    tcase_add_test(t, failed_publisher_is_not_found);
    tcase_add_test(t, users_end_before_publishers);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
