/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The defaults that the tables of keys tell are those that a configuration without them has. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/conf_priv.h"
#include "t/unit/conf_files.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Groups whose first member must be there are written by the caller, as are lists. */
static void write_defaults(FILE *out, const struct conf_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct pst_option *o = &keys[i].o;
        bool bare = o->type == PST_OPT_U64 || o->type == PST_OPT_BOOL;

        ck_assert_ptr_nonnull(o->help);
        if (o->def != NULL) {
            fprintf(out, bare ? "%s = %s;" : "%s = \"%s\";", o->name, o->def);
        } else if (o->sub != NULL && o->flags == 0 && (o->sub->flags & PST_OPT_REQUIRED) == 0) {
            fprintf(out, "%s = {", o->name);
            write_defaults(out, (const struct conf_key *)o->sub, o->n_sub);
            fprintf(out, "};");
        }
    }
}

/* Every default written down; or, without them, what must amount to the same. */
static char *configuration(bool defaults)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    ck_assert_ptr_nonnull(out);
    if (defaults) {
        write_defaults(out, conf_top_keys, COUNT(conf_top_keys));
    }
    fprintf(out, "metrics = { address = \"127.0.0.1:1\";");
    if (defaults) {
        write_defaults(out, conf_metrics_keys, COUNT(conf_metrics_keys));
    }
    fprintf(out, "};\nlisteners = ( { name = \"l\"; address = \"127.0.0.1:1443\";");
    if (defaults) {
        write_defaults(out, conf_listener_keys, COUNT(conf_listener_keys));
    }
    fprintf(out, "} );\nedges = ( { name = \"a\"; domains = [ \"a.test\" ];");
    if (defaults) {
        write_defaults(out, conf_edge_keys, COUNT(conf_edge_keys));
    }
    fprintf(out, "upstream = { targets = ( \"127.0.0.1:1\" );");
    if (defaults) {
        write_defaults(out, conf_upstream_keys, COUNT(conf_upstream_keys));
    }
    fprintf(out, "}; modules = ( { module = \"m\";");
    if (defaults) {
        write_defaults(out, conf_entry_keys, COUNT(conf_entry_keys));
    }
    fprintf(out, "} ); } );\n");
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

static void same_listener(const struct conf_listener *a, const struct conf_listener *b)
{
    ck_assert(a->dual_stack == b->dual_stack);
    ck_assert_uint_eq(a->unix_mode, b->unix_mode);
    ck_assert_uint_eq(a->backlog, b->backlog);
    ck_assert_int_eq(a->no_sni.outcome, b->no_sni.outcome);
    ck_assert_int_eq(a->unknown_sni.outcome, b->unknown_sni.outcome);
    ck_assert_int_eq(a->not_tls.outcome, b->not_tls.outcome);
    ck_assert_int_eq(a->on_deny, b->on_deny);
}

static void same_edge(const struct conf_edge *a, const struct conf_edge *b)
{
    ck_assert_int_eq(a->upstream.balance, b->upstream.balance);
    ck_assert_uint_eq(a->upstream.max_fails, b->upstream.max_fails);
    ck_assert_uint_eq(a->upstream.fail_timeout, b->upstream.fail_timeout);
    ck_assert_uint_eq(a->upstream.tries, b->upstream.tries);
    ck_assert_int_eq(a->on_deny, b->on_deny);
    ck_assert_uint_eq(a->max_pending, b->max_pending);
    ck_assert_uint_eq(a->n_modules, 1);
    ck_assert(a->modules[0].enforce == b->modules[0].enforce);
}

START_TEST(defaults)
{
    char *written = configuration(true), *left_out = configuration(false);
    struct conf_errors *errors_a = NULL, *errors_b = NULL;
    struct conf *a = conf_files_good(written, &errors_a);
    struct conf *b = conf_files_good(left_out, &errors_b);

    ck_assert_uint_gt(strlen(written), strlen(left_out) + 500);
    ck_assert_uint_eq(a->workers, b->workers);
    ck_assert_int_eq(a->log_target, b->log_target);
    ck_assert_int_eq(a->log_level, b->log_level);
    ck_assert_uint_eq(a->max_connections, b->max_connections);
    ck_assert_mem_eq(&a->timeouts, &b->timeouts, sizeof(a->timeouts));
    ck_assert_uint_eq(a->timeouts.half_close, 60000);
    ck_assert_mem_eq(&a->tcp, &b->tcp, sizeof(a->tcp));
    ck_assert_uint_eq(a->resolver.min_ttl, b->resolver.min_ttl);
    ck_assert_uint_eq(a->resolver.max_ttl, b->resolver.max_ttl);
    ck_assert_uint_eq(a->resolver.timeout, b->resolver.timeout);
    ck_assert(a->sandbox.enabled == b->sandbox.enabled);
    ck_assert(a->control.enabled == b->control.enabled);
    ck_assert_uint_eq(a->control.mode, b->control.mode);
    ck_assert_uint_eq(a->metrics.unix_mode, b->metrics.unix_mode);
    same_listener(&a->listeners[0], &b->listeners[0]);
    same_edge(&a->edges[0], &b->edges[0]);
    conf_free(a);
    conf_free(b);
    conf_errors_free(errors_a);
    conf_errors_free(errors_b);
    free(written);
    free(left_out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conf_keys");
    TCase *t = tcase_create("conf_keys");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, conf_files_begin, conf_files_end);
    tcase_add_test(t, defaults);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
