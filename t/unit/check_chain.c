/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains of modules that are linked into the test; what their hooks do is read from a transcript.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/module/chain.h"
#include "core/module/load.h"

#define DIR "/nonexistent"

static char transcript[1024];
static char texts[4096];
static struct conf_errors *errors;
static struct loop *loop;
static const struct pst_host host = { .size = sizeof(host) };

/* The module of this name fails in the hook of this name. */
static const char *fail_module, *fail_hook;

static int32_t note(const char *hook, const struct instance *inst)
{
    char line[64];

    snprintf(line, sizeof(line), "%s:%s%u ", hook, inst->module->name, (unsigned)inst->index);
    strncat(transcript, line, sizeof(transcript) - strlen(transcript) - 1);
    bool fails = fail_hook && !strcmp(fail_hook, hook) && !strcmp(fail_module, inst->module->name);
    return fails ? PST_ERR : PST_OK;
}

static int32_t on_init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    (void)cfg;
    *inst = self;
    return note("init", *inst);
}

static int32_t on_link(void *inst)
{
    return note("link", inst);
}

static int32_t on_adopt(void *inst, void *prev)
{
    const struct instance *old = prev;
    char hook[32];

    snprintf(hook, sizeof(hook), "adopt(%u)", (unsigned)old->index);
    int32_t rc = note(hook, inst);
    return fail_hook && !strcmp(fail_hook, "adopt") ? PST_ERR : rc;
}

static int32_t on_worker_init(void *inst, pst_worker *worker, void **state)
{
    const struct instance_worker *iw = (const struct instance_worker *)worker;

    ck_assert_ptr_eq(iw->instance, inst);
    ck_assert_ptr_eq(iw->loop, loop);
    *state = inst;
    return note("winit", inst);
}

static void on_worker_fini(void *inst, void *state)
{
    ck_assert_ptr_eq(inst, state);
    note("wfini", inst);
}

static void on_retire(void *inst)
{
    note("retire", inst);
}

static void on_fini(void *inst)
{
    note("fini", inst);
}

static int32_t next_one(struct pst_call *k)
{
    (void)k;
    return PST_NEXT;
}

static int32_t next_two(struct pst_call *k)
{
    (void)k;
    return PST_NEXT;
}

static const struct pst_hooks life = {
    .size = sizeof(life),
    .init = on_init,
    .link = on_link,
    .adopt = on_adopt,
    .worker_init = on_worker_init,
    .worker_fini = on_worker_fini,
    .on_accept = next_one,
    .on_admit = next_one,
    .on_close = next_one,
    .conn_fini = next_one,
    .retire = on_retire,
    .fini = on_fini,
};
static const struct pst_hooks late = {
    .size = sizeof(late),
    .on_admit = next_two,
    .on_established = next_two,
    .conn_fini = next_two,
};

static const char *const list_a[] = { "a", NULL };
static const char *const list_x[] = { "x", NULL };

#define BOTH         (PST_SCOPE_LISTENER | PST_SCOPE_EDGE)
#define MODULE(n, s) PST_MODULE_HEAD(0, 0), .name = (n), .version = "1", .scopes = (s)

static const struct pst_module modules[] = {
    { MODULE("a", BOTH), .hooks = &life, .conn_state_size = 1 },
    { MODULE("b", BOTH), .hooks = &life, .conn_state_size = 17 },
    { MODULE("late", PST_SCOPE_EDGE), .hooks = &late },
    { MODULE("after-a", BOTH), .after_list = list_a },
    { MODULE("needs-a", BOTH), .requires_list = list_a },
    { MODULE("hates-a", BOTH), .conflicts_list = list_a },
    { MODULE("x", BOTH), .conflicts_list = list_x },
    { MODULE("listener-only", PST_SCOPE_LISTENER) },
    { MODULE("tls", PST_SCOPE_EDGE), .roles = PST_ROLE_CLIENT_TRANSPORT },
    { MODULE("tls2", PST_SCOPE_EDGE), .roles = PST_ROLE_CLIENT_TRANSPORT },
    { PST_MODULE_HEAD(0, PST_FLAG_DECIDES), .name = "judge", .version = "1", .scopes = BOTH },
};

static void setup(void)
{
    char why[256] = "";

    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        const struct module *m = module_register_static(&modules[i], &host, why, sizeof(why));
        ck_assert_msg(m != NULL, "%s: %s", modules[i].name, why);
    }
    errors = conf_errors_new();
    loop = loop_new();
    transcript[0] = texts[0] = '\0';
    fail_module = fail_hook = NULL;
}

static void teardown(void)
{
    conf_errors_free(errors);
    loop_free(loop);
    module_unload_all();
}

static void collect(void *arg, bool warning, const char *text)
{
    (void)arg;
    (void)warning;
    strncat(texts, text, sizeof(texts) - strlen(texts) - 2);
    strcat(texts, "\n");
}

/* A chain of an edge whose list has these names, separated by spaces; "!x" has enforce = false. */
static struct chain *make_in(uint32_t scope, const char *names)
{
    static struct conf_module mods[8];
    static char store[8][24], where[8][48], copy[128];
    size_t n = 0;

    snprintf(copy, sizeof(copy), "%s", names);
    for (char *z = strtok(copy, " "); z != NULL; z = strtok(NULL, " "), n++) {
        snprintf(store[n], sizeof(store[n]), "%s", z + (*z == '!'));
        snprintf(where[n], sizeof(where[n]), "edges[0].modules[%zu]", n);
        mods[n] = (struct conf_module){ store[n], where[n], NULL, *z != '!', NULL };
    }
    struct chain *c = chain_new("edge", scope, mods, n, DIR, &host, 2, errors);
    ck_assert_ptr_nonnull(c);
    texts[0] = '\0';
    conf_errors_each(errors, collect, NULL);
    return c;
}

static struct chain *make(const char *names)
{
    return make_in(PST_SCOPE_EDGE, names);
}

static struct chain *linked(const char *names)
{
    struct chain *c = make(names);
    ck_assert_str_eq(texts, "");
    ck_assert_int_eq(chain_init(c, loop, errors), ERR_OK);
    ck_assert_int_eq(chain_link(c, errors), ERR_OK);
    return c;
}

/* Making a chain of these names reports just this text; nothing when it is NULL. */
static void reports(const char *names, const char *text)
{
    conf_errors_free(errors);
    errors = conf_errors_new();
    struct chain *c = make(names);
    ck_assert_str_eq(texts, text ? text : "");
    ck_assert_int_eq(c->broken, text != NULL);
    chain_free(c);
}

START_TEST(life_of_a_chain)
{
    struct chain *c = linked("a b a");
    ck_assert_int_eq(chain_worker_init(c, 1, loop), ERR_OK);
    chain_retire(c);
    chain_worker_fini(c, 1);
    chain_free(c);
    ck_assert_str_eq(transcript, "init:a0 init:b1 init:a2 link:a0 link:b1 link:a2 "
                                 "winit:a0 winit:b1 winit:a2 retire:a0 retire:b1 retire:a2 "
                                 "wfini:a2 wfini:b1 wfini:a0 fini:a2 fini:b1 fini:a0 ");
}
END_TEST

START_TEST(empty_chain)
{
    struct chain *c = linked("");
    ck_assert_int_eq(chain_worker_init(c, 0, loop), ERR_OK);
    for (unsigned i = 0; i < CHAIN_STAGES; i++) {
        ck_assert_uint_eq(c->n_steps[i], 0);
    }
    ck_assert(!chain_has_role(c, PST_ROLE_UPSTREAM));
    chain_worker_fini(c, 0);
    chain_free(c);
    chain_free(NULL);
}
END_TEST

START_TEST(state_is_aligned_and_apart)
{
    struct chain *c = linked("a b late a");
    ck_assert_uint_eq(c->instances[0].state_offset, 0);
    ck_assert_uint_eq(c->instances[1].state_offset, 16);
    ck_assert_uint_eq(c->instances[2].state_offset, 48);
    ck_assert_uint_eq(c->instances[3].state_offset, 48);
    ck_assert_uint_eq(c->state_size, 64);
    chain_free(c);
}
END_TEST

START_TEST(steps_per_stage)
{
    struct chain *c = linked("late a late");
    ck_assert_uint_eq(c->n_steps[PST_STAGE_ACCEPT], 0); /* a listener's, this is an edge */
    ck_assert_uint_eq(c->n_steps[PST_STAGE_ADMIT], 3);
    const struct chain_step *admit = c->steps[PST_STAGE_ADMIT];
    ck_assert(admit[0].fn == next_two && admit[0].instance == &c->instances[0]);
    ck_assert(admit[1].fn == next_one && admit[1].instance == &c->instances[1]);
    ck_assert(admit[2].fn == next_two && admit[2].instance == &c->instances[2]);
    ck_assert_uint_eq(c->n_steps[PST_STAGE_UPSTREAM], 0);
    ck_assert_uint_eq(c->n_steps[PST_STAGE_ESTABLISHED], 2);
    ck_assert_uint_eq(c->n_steps[PST_STAGE_CLOSE], 1);
    const struct chain_step *fini = c->steps[PST_STAGE_CONN_FINI];
    ck_assert_uint_eq(c->n_steps[PST_STAGE_CONN_FINI], 3);
    ck_assert_ptr_eq(fini[0].instance, &c->instances[2]);
    ck_assert_ptr_eq(fini[2].instance, &c->instances[0]);
    chain_free(c);

    c = make_in(PST_SCOPE_LISTENER, "a");
    ck_assert_int_eq(chain_init(c, loop, errors), ERR_OK);
    ck_assert_int_eq(chain_link(c, errors), ERR_OK);
    ck_assert_uint_eq(c->n_steps[PST_STAGE_ACCEPT], 1);
    ck_assert_uint_eq(c->n_steps[PST_STAGE_ADMIT], 0);
    ck_assert_uint_eq(c->n_steps[PST_STAGE_CLOSE], 1);
    chain_free(c);
}
END_TEST

START_TEST(constraints)
{
    reports("a after-a", NULL);
    reports("after-a", NULL);
    reports("after-a a", "edges[0].modules[0]: after-a must stand after a (edges[0].modules[1])\n");
    reports("a after-a a",
            "edges[0].modules[1]: after-a must stand after a (edges[0].modules[2])\n");
    reports("needs-a a", NULL);
    reports("needs-a b", "edges[0].modules[0]: needs-a requires a in the same list\n");
    reports("b hates-a", NULL);
    reports("a hates-a",
            "edges[0].modules[1]: hates-a cannot be used together with a (edges[0].modules[0])\n");
    reports("x", NULL);
    reports("a a", NULL);
}
END_TEST

START_TEST(place)
{
    reports("listener-only", "edges[0].modules[0]: listener-only can be attached to listeners "
                             "only, this is an edge\n");
    reports("!a", "edges[0].modules[0]: a decides nothing, so \"enforce\" cannot be false for "
                  "it\n");
    reports("!judge judge", NULL);
    struct chain *c = make("!judge");
    ck_assert(!c->instances[0].enforce);
    chain_free(c);
}
END_TEST

START_TEST(one_client_transport)
{
    reports("tls a", NULL);
    reports("tls a tls2", "edges[0].modules[2]: tls2 would be the second transport to the client, "
                          "after tls (edges[0].modules[0])\n");
    reports("tls tls", "edges[0].modules[1]: tls would be the second transport to the client, "
                       "after tls (edges[0].modules[0])\n");
    struct chain *c = make("tls");
    ck_assert(chain_has_role(c, PST_ROLE_CLIENT_TRANSPORT));
    ck_assert(!chain_has_role(c, PST_ROLE_UPSTREAM));
    chain_free(c);
}
END_TEST

START_TEST(refused_module_is_one_error)
{
    /* It counts as present: what requires it is not reported too. */
    struct chain *c = make("Needs nope needs-a a");
    ck_assert_uint_eq(conf_errors_count(errors), 2);
    ck_assert_ptr_nonnull(strstr(texts, "edges[0].modules[0]: module \"Needs\": a module's name"));
    ck_assert_ptr_nonnull(strstr(texts, "edges[0].modules[1]: module \"nope\": /nonexistent"));
    ck_assert_uint_eq(c->n, 2);
    ck_assert_uint_eq(c->instances[1].index, 3);
    ck_assert_int_eq(chain_init(c, loop, errors), ERR_CONFIG);
    ck_assert_int_eq(chain_link(c, errors), ERR_CONFIG);
    ck_assert_uint_eq(conf_errors_count(errors), 2);
    chain_free(c);
}
END_TEST

START_TEST(all_are_initialised_even_when_one_fails)
{
    fail_module = "a";
    fail_hook = "init";
    struct chain *c = make("a b");
    ck_assert_int_eq(chain_init(c, loop, errors), ERR_CONFIG);
    ck_assert_uint_eq(conf_errors_count(errors), 1);
    ck_assert_int_eq(chain_link(c, errors), ERR_CONFIG);
    chain_free(c);
    ck_assert_str_eq(transcript, "init:a0 init:b1 link:b1 fini:b1 ");
}
END_TEST

START_TEST(link_failure)
{
    fail_module = "b";
    fail_hook = "link";
    struct chain *c = make("b a");
    ck_assert_int_eq(chain_init(c, loop, errors), ERR_OK);
    ck_assert_int_eq(chain_link(c, errors), ERR_CONFIG);
    ck_assert_uint_eq(conf_errors_count(errors), 1);
    chain_free(c);
    ck_assert_str_eq(transcript, "init:b0 init:a1 link:b0 link:a1 fini:a1 fini:b0 ");
}
END_TEST

START_TEST(worker_failure_ends_those_before)
{
    struct chain *c = linked("a b a");
    fail_module = "b";
    fail_hook = "winit";
    transcript[0] = '\0';
    ck_assert_int_eq(chain_worker_init(c, 0, loop), ERR_MODULE);
    ck_assert_str_eq(transcript, "winit:a0 winit:b1 wfini:a0 ");
    chain_free(c);
}
END_TEST

START_TEST(adopt_pairs_by_module_and_ordinal)
{
    struct chain *old = linked("a b a late");
    struct chain *c = linked("b a a a");
    transcript[0] = '\0';
    ck_assert_int_eq(chain_adopt(c, old, errors), ERR_OK);
    ck_assert_str_eq(transcript, "adopt(1):b0 adopt(0):a1 adopt(2):a2 ");
    ck_assert_int_eq(chain_adopt(c, NULL, errors), ERR_OK);
    fail_hook = "adopt";
    fail_module = "";
    ck_assert_int_eq(chain_adopt(c, old, errors), ERR_CONFIG);
    ck_assert_uint_eq(conf_errors_count(errors), 3);
    chain_free(old);
    chain_free(c);
}
END_TEST

/* Read a configuration file and make the chain of its first edge. */
static struct conf *load_conf(const char *modules_value, struct chain **c)
{
    char path[] = "check_chain-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    FILE *f = fdopen(fd, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f,
            "listeners = ( { name = \"l\"; address = \"127.0.0.1:1\"; } );\n"
            "edges = ( { name = \"e\"; domains = [ \"a.test\" ]; upstream = \"127.0.0.1:2\";\n"
            "  modules = (\n%s); } );\n",
            modules_value);
    ck_assert_int_eq(fclose(f), 0);
    struct conf *conf = conf_load(path, errors);
    unlink(path);
    ck_assert_ptr_nonnull(conf);
    conf_errors_each(errors, collect, NULL);
    ck_assert_str_eq(texts, "");
    const struct conf_edge *e = &conf->edges[0];
    *c = chain_new(e->name, PST_SCOPE_EDGE, e->modules, e->n_modules, DIR, &host, 1, errors);
    ck_assert_ptr_nonnull(*c);
    return conf;
}

START_TEST(errors_carry_file_and_line)
{
    struct chain *c;
    fail_module = "b";
    fail_hook = "link";
    struct conf *conf = load_conf("{ module = \"a\"; typo = 1; },\n"
                                  "{ module = \"after-a\"; },\n"
                                  "{ module = \"b\"; enforce = false; },\n"
                                  "{ module = \"a\"; }\n",
                                  &c);
    ck_assert_int_eq(chain_init(c, loop, errors), ERR_CONFIG);
    ck_assert_int_eq(chain_link(c, errors), ERR_CONFIG);
    conf_errors_each(errors, collect, NULL);
    ck_assert_ptr_nonnull(strstr(texts, ":4: edges[0].modules[0]"));
    ck_assert_ptr_nonnull(strstr(texts, "typo"));
    ck_assert_ptr_nonnull(strstr(texts, ":5: edges[0].modules[1]: after-a must stand after a "
                                        "(edges[0].modules[3])"));
    ck_assert_ptr_nonnull(strstr(texts, ":6: edges[0].modules[2]: b decides nothing"));
    ck_assert_ptr_nonnull(strstr(texts, ":6: edges[0].modules[2]: b could not be put to work"));
    ck_assert_uint_eq(conf_errors_count(errors), 4);
    /* The one with the unknown key is not asked to start on it. */
    ck_assert_str_eq(transcript, "init:b2 init:a3 link:b2 link:a3 ");
    chain_free(c);
    conf_free(conf);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chain");
    TCase *t = tcase_create("chain");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, life_of_a_chain);
    tcase_add_test(t, empty_chain);
    tcase_add_test(t, state_is_aligned_and_apart);
    tcase_add_test(t, steps_per_stage);
    tcase_add_test(t, constraints);
    tcase_add_test(t, place);
    tcase_add_test(t, one_client_transport);
    tcase_add_test(t, refused_module_is_one_error);
    tcase_add_test(t, all_are_initialised_even_when_one_fails);
    tcase_add_test(t, link_failure);
    tcase_add_test(t, worker_failure_ends_those_before);
    tcase_add_test(t, adopt_pairs_by_module_and_ordinal);
    tcase_add_test(t, errors_carry_file_and_line);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
