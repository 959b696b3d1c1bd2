/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables: names and who may declare them, lazy getters, the cache, notes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/module/load.h"
#include "core/module/vars.h"

static struct arena arena;
static struct var_cache cache;
static struct pst_value answer; /* what get_answer() gives */
static int asked;
static int32_t code;
static pst_conn *const conn = (pst_conn *)&arena;

static int32_t get_answer(void *ctx, pst_conn *c, struct pst_value *value)
{
    ck_assert_ptr_eq(ctx, &answer);
    ck_assert_ptr_eq(c, conn);
    ck_assert_uint_eq(value->type, PST_VALUE_NONE);
    asked++;
    *value = answer;
    return code;
}

static void setup(void)
{
    vars_reset();
    arena_init(&arena);
    cache = (struct var_cache){ 0 };
    memset(&answer, 0, sizeof(answer));
    asked = 0;
    code = PST_OK;
}

static void teardown(void)
{
    arena_free(&arena);
    vars_reset();
    module_unload_all();
}

static int32_t core_var(const char *name, uint32_t type)
{
    return vars_register_core(name, type, get_answer, &answer);
}

static int32_t note_var(const char *module, const char *name, uint32_t type)
{
    return vars_register(module, name, type, NULL, NULL);
}

static int32_t get(int32_t id, struct pst_value *v)
{
    return vars_get(&cache, &arena, conn, id, v);
}

static int32_t set(int32_t id, const struct pst_value *v)
{
    return vars_note(&cache, &arena, id, v);
}

static struct pst_value text(const char *z)
{
    struct pst_value v = { .type = PST_VALUE_STR };

    v.u.str = pst_str_of(z);
    return v;
}

static void ck_text(int32_t id, const char *z)
{
    struct pst_value v;

    ck_assert_int_eq(get(id, &v), PST_OK);
    ck_assert_uint_eq(v.type, PST_VALUE_STR);
    ck_assert_uint_eq(v.u.str.n, strlen(z));
    ck_assert_mem_eq(v.u.str.p, z, strlen(z));
}

START_TEST(names_and_ids)
{
    int32_t sni = core_var("conn.tls.sni", PST_VALUE_STR);
    int32_t id = core_var("conn.id", PST_VALUE_U64);

    ck_assert_int_ge(sni, 0);
    ck_assert_int_ne(sni, id);
    ck_assert_int_eq(vars_id("conn.id"), id);
    ck_assert_int_eq(vars_id("conn.idx"), PST_ERR_NOT_FOUND);
    ck_assert_int_eq(vars_id(NULL), PST_ERR_INVALID);
    ck_assert(vars_wanted(id));
    ck_assert(!vars_wanted(sni));
    ck_assert(!vars_wanted(-1));
    ck_assert(!vars_wanted(99));
    ck_assert_int_eq(core_var("conn.id", PST_VALUE_U64), PST_ERR_STATE);
    ck_assert_int_eq(core_var("Conn", PST_VALUE_U64), PST_ERR_INVALID);
    ck_assert_int_eq(core_var("", PST_VALUE_U64), PST_ERR_INVALID);
    ck_assert_int_eq(core_var("x", PST_VALUE_NONE), PST_ERR_INVALID);
    ck_assert_int_eq(core_var("x", 77), PST_ERR_INVALID);
}
END_TEST

START_TEST(suggestions)
{
    core_var("conn.tls.sni", PST_VALUE_STR);
    core_var("conn.client_ip", PST_VALUE_ADDR);
    ck_assert_str_eq(vars_suggest("conn.tls.sin"), "conn.tls.sni");
    ck_assert_str_eq(vars_suggest("conn.clientip"), "conn.client_ip");
    ck_assert_ptr_null(vars_suggest("something.else"));
}
END_TEST

START_TEST(registry_has_a_limit)
{
    char name[32];
    int32_t rc = 0;
    int n = 0;

    while (rc >= 0 && n < 10000) {
        snprintf(name, sizeof(name), "m.v%d", n++);
        rc = note_var("m", name, PST_VALUE_U64);
    }
    ck_assert_int_eq(rc, PST_ERR_LIMIT);
    ck_assert_int_ge(vars_id("m.v0"), 0);
}
END_TEST

START_TEST(modules_declare_under_their_name)
{
    static const struct pst_module tls = {
        PST_MODULE_HEAD(0, 0),    .name = "tls-termination",          .version = "1",
        .scopes = PST_SCOPE_EDGE, .roles = PST_ROLE_CLIENT_TRANSPORT,
    };
    char why[128];

    ck_assert_int_ge(note_var("geo", "geo.country", PST_VALUE_STR), 0);
    ck_assert_int_ge(note_var("ip-x", "ip-x.rule", PST_VALUE_STR), 0);
    ck_assert_int_eq(note_var("geo", "country", PST_VALUE_STR), PST_ERR_INVALID);
    ck_assert_int_eq(note_var("geo", "geo", PST_VALUE_STR), PST_ERR_INVALID);
    ck_assert_int_eq(note_var("geo", "geo.", PST_VALUE_STR), PST_ERR_INVALID);
    ck_assert_int_eq(note_var("geo", "geographic.x", PST_VALUE_STR), PST_ERR_INVALID);
    ck_assert_int_eq(note_var(NULL, "geo.x", PST_VALUE_STR), PST_ERR_INVALID);

    ck_assert_int_eq(note_var("geo", "conn.tls.version", PST_VALUE_STR), PST_ERR_INVALID);
    ck_assert_int_eq(note_var("tls-termination", "conn.tls.version", PST_VALUE_STR),
                     PST_ERR_INVALID);
    ck_assert_ptr_nonnull(module_register_static(&tls, NULL, why, sizeof(why)));
    int32_t id = note_var("tls-termination", "conn.tls.version", PST_VALUE_STR);
    ck_assert_int_ge(id, 0);
    ck_assert_int_eq(note_var("tls-termination", "conn.peer", PST_VALUE_STR), PST_ERR_INVALID);
    /* A second terminator leaves notes under the same name, of the same type only. */
    ck_assert_int_eq(note_var("tls-termination", "conn.tls.version", PST_VALUE_STR), id);
    ck_assert_int_eq(note_var("tls-termination", "conn.tls.version", PST_VALUE_U64), PST_ERR_STATE);
    ck_assert_int_eq(note_var("tls-termination", "upstream.tls.version", PST_VALUE_STR),
                     PST_ERR_INVALID);
    core_var("conn.tls.sni", PST_VALUE_STR);
    ck_assert_int_eq(note_var("tls-termination", "conn.tls.sni", PST_VALUE_STR), PST_ERR_STATE);
}
END_TEST

START_TEST(asked_once_and_copied)
{
    char bytes[] = "value";
    int32_t id = core_var("conn.x", PST_VALUE_STR);
    struct pst_value v;

    ck_assert_int_eq(get(id, &v), PST_OK);
    ck_assert_uint_eq(v.type, PST_VALUE_NONE);
    ck_assert_ptr_null(cache.values);
    answer = text(bytes);
    ck_text(id, "value");
    memset(bytes, '?', sizeof(bytes) - 1);
    ck_text(id, "value");
    ck_assert_int_eq(asked, 2); /* NONE is not remembered, the value is */
}
END_TEST

START_TEST(numbers_and_addresses)
{
    int32_t n = core_var("conn.n", PST_VALUE_U64);
    struct pst_value v;

    answer.type = PST_VALUE_U64;
    answer.u.u64 = UINT64_MAX;
    ck_assert_int_eq(get(n, &v), PST_OK);
    ck_assert_uint_eq(v.type, PST_VALUE_U64);
    ck_assert_uint_eq(v.u.u64, UINT64_MAX);

    int32_t a = core_var("conn.a", PST_VALUE_ADDR);
    memset(&answer, 0, sizeof(answer));
    answer.type = PST_VALUE_ADDR;
    answer.u.addr = (struct pst_addr){ .family = PST_AF_INET, .port = 7, .ip = { 10, 0, 0, 1 } };
    ck_assert_int_eq(get(a, &v), PST_OK);
    ck_assert_mem_eq(&v.u.addr, &answer.u.addr, sizeof(v.u.addr));
    /* The first one survived that the cache grew for a variable registered later. */
    ck_assert_int_eq(get(n, &v), PST_OK);
    ck_assert_uint_eq(v.u.u64, UINT64_MAX);
    ck_assert_int_eq(asked, 2);
}
END_TEST

START_TEST(large_values_are_not_copied)
{
    char *big = calloc(1, 65536);
    int32_t id = core_var("conn.tls.hello", PST_VALUE_BYTES);
    struct pst_value v;

    ck_assert_ptr_nonnull(big);
    answer.type = PST_VALUE_BYTES;
    answer.u.str = (struct pst_str){ big, 65536 };
    ck_assert_int_eq(get(id, &v), PST_OK);
    ck_assert_ptr_eq(v.u.str.p, big);
    ck_assert_ptr_null(cache.values);
    free(big);
}
END_TEST

START_TEST(failing_getters)
{
    int32_t id = core_var("conn.x", PST_VALUE_STR);
    struct pst_value v;

    code = PST_ERR;
    answer = text("half done");
    ck_assert_int_eq(get(id, &v), PST_ERR);
    ck_assert_uint_eq(v.type, PST_VALUE_NONE);
    code = PST_OK;
    answer.type = PST_VALUE_U64;
    ck_assert_int_eq(get(id, &v), PST_ERR);
    ck_assert_uint_eq(v.type, PST_VALUE_NONE);
    ck_assert_int_eq(get(99, &v), PST_ERR_NOT_FOUND);
    ck_assert_int_eq(get(-1, &v), PST_ERR_NOT_FOUND);
}
END_TEST

START_TEST(notes)
{
    int32_t id = note_var("m", "m.note", PST_VALUE_STR);
    char bytes[] = "one";
    struct pst_value v = text(bytes);

    struct pst_value out;
    ck_assert_int_eq(get(id, &out), PST_OK);
    ck_assert_uint_eq(out.type, PST_VALUE_NONE);
    ck_assert_int_eq(set(id, &v), PST_OK);
    bytes[0] = '?';
    ck_text(id, "one");
    v = text("another");
    ck_assert_int_eq(set(id, &v), PST_OK);
    ck_text(id, "another");
    v = text("");
    ck_assert_int_eq(set(id, &v), PST_OK);
    ck_text(id, "");
    v = (struct pst_value){ .type = PST_VALUE_NONE };
    ck_assert_int_eq(set(id, &v), PST_OK);
    ck_assert_int_eq(get(id, &out), PST_OK);
    ck_assert_uint_eq(out.type, PST_VALUE_NONE);
}
END_TEST

START_TEST(same_note_costs_no_memory)
{
    int32_t id = note_var("m", "m.note", PST_VALUE_STR);
    struct pst_value v = text("same"), a, b;

    ck_assert_int_eq(set(id, &v), PST_OK);
    ck_assert_int_eq(get(id, &a), PST_OK);
    ck_assert_int_eq(set(id, &v), PST_OK);
    ck_assert_int_eq(get(id, &b), PST_OK);
    ck_assert_ptr_eq(a.u.str.p, b.u.str.p);
}
END_TEST

START_TEST(notes_that_are_refused)
{
    int32_t note = note_var("m", "m.note", PST_VALUE_STR);
    int32_t core = core_var("conn.x", PST_VALUE_STR);
    struct pst_value v = text("x");

    ck_assert_int_eq(set(core, &v), PST_ERR_INVALID);
    ck_assert_int_eq(set(99, &v), PST_ERR_NOT_FOUND);
    v.u.str.n = 65537;
    ck_assert_int_eq(set(note, &v), PST_ERR_LIMIT);
    v.type = PST_VALUE_U64;
    ck_assert_int_eq(set(note, &v), PST_ERR_INVALID);
    struct pst_value out;
    ck_assert_int_eq(get(note, &out), PST_OK);
    ck_assert_uint_eq(out.type, PST_VALUE_NONE);
}
END_TEST

START_TEST(core_replaces_what_is_cached)
{
    int32_t id = core_var("conn.x", PST_VALUE_STR);
    struct pst_value v = text("new"), none = { .type = PST_VALUE_NONE };

    answer = text("old");
    ck_text(id, "old");
    ck_assert_int_eq(vars_set(&cache, &arena, id, &v), PST_OK);
    ck_text(id, "new");
    ck_assert_int_eq(asked, 1);
    ck_assert_int_eq(vars_set(&cache, &arena, id, &none), PST_OK);
    ck_text(id, "old");
    ck_assert_int_eq(asked, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vars");
    TCase *t = tcase_create("vars");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names_and_ids);
    tcase_add_test(t, suggestions);
    tcase_add_test(t, registry_has_a_limit);
    tcase_add_test(t, modules_declare_under_their_name);
    tcase_add_test(t, asked_once_and_copied);
    tcase_add_test(t, numbers_and_addresses);
    tcase_add_test(t, large_values_are_not_copied);
    tcase_add_test(t, failing_getters);
    tcase_add_test(t, notes);
    tcase_add_test(t, same_note_costs_no_memory);
    tcase_add_test(t, notes_that_are_refused);
    tcase_add_test(t, core_replaces_what_is_cached);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
