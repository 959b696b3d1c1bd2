/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The members of the host table that need no connection, called as a module calls them. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/metrics.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/module/chain.h"
#include "core/module/host.h"
#include "core/module/load.h"
#include "core/module/sink.h"
#include "core/module/vars.h"
#include "core/module/watch.h"

static struct pst_host host;
static struct loop *loop;
static struct conf_errors *errors;
static struct chain *chain;
static pst_instance *self;
static struct watch_scope *the_scope;
static char log_text[65536];
static int fired;

static int32_t load(const struct pst_host *h)
{
    h->log(NULL, NULL, PST_LOG_WARNING, "from load", 9);
    return h->var_register("tm", "tm.x", PST_VALUE_U64, NULL, NULL) < 0;
}

static int32_t init(pst_instance *me, const pst_cfg *cfg, void **inst)
{
    (void)cfg;
    *inst = me;
    /* Nothing to read from: an entry without a node. */
    ck_assert_ptr_null(host.cfg_shared(me, "ip_policies", "x"));
    return PST_OK;
}

static const struct pst_hooks hooks = { .size = sizeof(hooks), .init = init };
static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),    .name = "tm",    .version = "1",
    .scopes = PST_SCOPE_EDGE, .hooks = &hooks, .load = load,
};

static struct watch_scope *scope_of_conn(pst_conn *conn)
{
    ck_assert_ptr_eq(conn, &host);
    return the_scope;
}

static uint64_t id_of_conn(pst_conn *conn)
{
    ck_assert_ptr_eq(conn, &host);
    return 4711;
}

/* Run fn with standard error in a file; log_text is what was written. */
static void capture(void (*fn)(void))
{
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    int kept = dup(STDERR_FILENO);
    ck_assert_int_ge(kept, 0);
    ck_assert_int_ge(dup2(fileno(f), STDERR_FILENO), 0);
    fn();
    ck_assert_int_ge(dup2(kept, STDERR_FILENO), 0);
    close(kept);
    rewind(f);
    log_text[fread(log_text, 1, sizeof(log_text) - 1, f)] = '\0';
    fclose(f);
}

static void ck_says(const char *part)
{
    ck_assert_msg(strstr(log_text, part) != NULL, "no %s in: %s", part, log_text);
}

static void make_chain(void)
{
    static struct conf_module mod = { "tm", "edges[0].modules[0]", NULL, true, NULL };
    char why[256] = "";

    ck_assert_msg(module_register_static(&module, &host, why, sizeof(why)) != NULL, "%s", why);
    chain = chain_new("api", PST_SCOPE_EDGE, &mod, 1, "/nonexistent", &host, 1, errors);
    ck_assert_ptr_nonnull(chain);
    ck_assert_int_eq(chain_init(chain, loop, errors), ERR_OK);
    ck_assert_int_eq(chain_link(chain, errors), ERR_OK);
    self = (pst_instance *)&chain->instances[0];
}

static void setup(void)
{
    log_init();
    log_set_level(PST_LOG_INFO);
    host_fill(&host);
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    errors = conf_errors_new();
    fired = 0;
    capture(make_chain);
}

static void teardown(void)
{
    chain_free(chain);
    watch_scope_free(the_scope);
    the_scope = NULL;
    ck_assert(offload_stop(60000));
    loop_free(loop);
    conf_errors_free(errors);
    module_unload_all();
    vars_reset();
    metrics_free();
}

START_TEST(table)
{
    ck_assert_uint_eq(host.size, sizeof(struct pst_host));
    ck_assert_uint_eq(host.minor, PST_ABI_MINOR);
    ck_assert(PST_HAS(&host, log) && PST_HAS(&host, cfg_warn) && PST_HAS(&host, wall_us));
    /* What core/conn fills in later is not there, rather than something that cannot work. */
    ck_assert(!PST_HAS(&host, suspend));
    ck_assert_ptr_null(host.get_service("postern.dns/1"));
    ck_assert_ptr_nonnull(host.get_service(PST_LOG_SINK));
    ck_assert_int_ge(host.var_id("tm.x"), 0);
    ck_assert_uint_gt(host.wall_us(), UINT64_C(1600000000000000));
    uint64_t now = host.now_ns();
    ck_assert_uint_ge(host.now_ns(), now);
}
END_TEST

START_TEST(instance_info)
{
    struct pst_str name;
    uint32_t scope;

    ck_assert_int_eq(host.instance_info(self, &name, &scope), PST_OK);
    ck_assert_uint_eq(name.n, 3);
    ck_assert_mem_eq(name.p, "api", 3);
    ck_assert_uint_eq(scope, PST_SCOPE_EDGE);
    ck_assert_int_eq(host.instance_info(self, NULL, NULL), PST_OK);
    ck_assert_int_eq(host.instance_info(NULL, &name, &scope), PST_ERR_INVALID);
}
END_TEST

START_TEST(metrics)
{
    int32_t id = host.metric_define("ip-x", "denied_total", "Denied", PST_METRIC_COUNTER);

    ck_assert_int_ge(id, 0);
    ck_assert_int_eq(metric_define("ip_x_denied_total", "Denied", METRIC_COUNTER), id);
    ck_assert_int_eq(host.metric_define("ip-x", "denied_total", "Denied", PST_METRIC_COUNTER), id);
    host.metric_add(id, 3);
    ck_assert_int_eq(metric_sum(id), 3);
    ck_assert_int_eq(host.metric_define("ip-x", "n", "h", 9), PST_ERR_INVALID);
    ck_assert_int_eq(host.metric_define("ip-x", "A", "h", PST_METRIC_GAUGE), PST_ERR_INVALID);
    ck_assert_int_eq(host.metric_define(NULL, "a", "h", PST_METRIC_GAUGE), PST_ERR_INVALID);
}
END_TEST

static void say_things(void)
{
    char nul[] = { 'a', '\0', 'b' };
    char line[] = "line\nbreak";
    static char big[5000];

    host.log(self, NULL, PST_LOG_ERROR, "plain", 5);
    host.log(self, (pst_conn *)&host, PST_LOG_INFO, "with conn", 9);
    host.log(self, NULL, PST_LOG_DEBUG, "not this one", 12);
    host.log(self, NULL, 0, "level nought", 12);
    host.log(self, NULL, PST_LOG_INFO, nul, sizeof(nul));
    host.log(self, NULL, PST_LOG_INFO, line, strlen(line));
    host.log(NULL, NULL, PST_LOG_INFO, "nobody", 6);
    memset(big, 'B', sizeof(big));
    host.log(self, NULL, PST_LOG_INFO, big, sizeof(big));
    host.log(self, NULL, PST_LOG_INFO, NULL, 0);
}

START_TEST(log_lines)
{
    ck_says("msg=\"from load\" module=tm");
    host_set_conn_id(id_of_conn);
    capture(say_things);
    ck_says("level=error msg=\"plain\" module=tm edge=api\n");
    ck_says("level=info msg=\"with conn\" module=tm edge=api conn=4711\n");
    ck_says("level=error msg=\"level nought\"");
    ck_says("msg=\"a b\"");
    ck_says("msg=\"nobody\"\n");
    ck_says("BBBBBBBB");
    ck_assert_ptr_null(strstr(log_text, "not this one"));
    ck_assert_ptr_null(strstr(log_text, "line\nbreak"));
    ck_assert_int_eq(host.log_enabled(PST_LOG_INFO), 1);
    ck_assert_int_eq(host.log_enabled(PST_LOG_DEBUG), 0);
    ck_assert_int_eq(host.log_enabled(99), 0);
    host_set_conn_id(NULL);
}
END_TEST

static void chatter(void)
{
    char line[64];

    for (int i = 0; i < 1000; i++) {
        int n = snprintf(line, sizeof(line), "the same old story, number %d", i);
        host.log(self, NULL, PST_LOG_INFO, line, (size_t)n);
    }
    host.log(self, NULL, PST_LOG_INFO, "something else", 14);
}

START_TEST(log_is_limited_per_site)
{
    size_t lines = 0;

    capture(chatter);
    for (const char *p = log_text; (p = strstr(p, "same old")) != NULL; p++) {
        lines++;
    }
    ck_assert_uint_ge(lines, 1);
    ck_assert_uint_le(lines, 40); /* the ten seconds may end in between */
    ck_says("something else");
}
END_TEST

static void fire(void *arg)
{
    (void)arg;
    fired++;
    loop_stop(loop);
}

static void job(void *arg)
{
    *(int *)arg = 1;
}

static void done(void *arg, int32_t status)
{
    ck_assert_int_eq(status, PST_OK);
    ck_assert_int_eq(*(int *)arg, 1);
    loop_stop(loop);
}

static void ready(void *arg, uint32_t events)
{
    (void)events;
    fire(arg);
}

/* A timer, a watch and a job in this scope. */
static void use_scope(struct pst_scope scope)
{
    int fds[2], flag = 0;

    pst_timer *t = host.timer_new(scope, fire, NULL);
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(host.timer_start(t, 1), PST_OK);
    ck_assert_int_ge(loop_run(loop), 0);
    ck_assert_int_eq(fired, 1);
    host.timer_free(t);

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    pst_watch *w = host.watch_new(scope, fds[1], PST_STREAM_WRITE, ready, NULL);
    ck_assert_ptr_nonnull(w);
    ck_assert_int_ge(loop_run(loop), 0);
    ck_assert_int_eq(fired, 2);
    ck_assert_int_eq(host.watch_change(w, 0), PST_OK);
    host.watch_free(w);
    close(fds[0]);
    close(fds[1]);

    ck_assert_int_eq(host.offload(scope, job, done, &flag), PST_OK);
    ck_assert_int_ge(loop_run(loop), 0);
}

START_TEST(scope_of_an_instance)
{
    use_scope(PST_OF_INSTANCE(self));
    ck_assert_ptr_nonnull(chain->instances[0].scope);
}
END_TEST

START_TEST(scope_of_a_worker)
{
    struct instance_worker *iw = &chain->instances[0].workers[0];

    ck_assert_ptr_null(host.timer_new(PST_OF_WORKER((pst_worker *)iw), fire, NULL));
    ck_assert_int_eq(chain_worker_init(chain, 0, loop), ERR_OK);
    use_scope(PST_OF_WORKER((pst_worker *)iw));
    chain_worker_fini(chain, 0);
    ck_assert_ptr_null(iw->scope);
}
END_TEST

START_TEST(scope_of_a_connection)
{
    pst_conn *conn = (pst_conn *)&host;

    ck_assert_ptr_null(host.timer_new(PST_OF_CONN(conn), fire, NULL));
    host_set_conn_scope(scope_of_conn);
    the_scope = watch_scope_new(loop);
    use_scope(PST_OF_CONN(conn));
    host_set_conn_scope(NULL);
}
END_TEST

START_TEST(scopes_that_are_none)
{
    struct pst_scope odd = { 77, 0, &host };
    struct pst_scope empty = { PST_OWNER_INSTANCE, 0, NULL };

    ck_assert_ptr_null(host.timer_new(odd, fire, NULL));
    ck_assert_ptr_null(host.timer_new(empty, fire, NULL));
    ck_assert_ptr_null(host.timer_new(PST_OF_INSTANCE(self), NULL, NULL));
    ck_assert_ptr_null(host.watch_new(odd, 0, 0, ready, NULL));
    ck_assert_int_eq(host.offload(odd, job, done, NULL), PST_ERR_STATE);
    ck_assert_int_eq(host.offload(PST_OF_INSTANCE(self), NULL, done, NULL), PST_ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("host");
    TCase *t = tcase_create("host");

    tcase_set_timeout(t, 20);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, table);
    tcase_add_test(t, instance_info);
    tcase_add_test(t, metrics);
    tcase_add_test(t, log_lines);
    tcase_add_test(t, log_is_limited_per_site);
    tcase_add_test(t, scope_of_an_instance);
    tcase_add_test(t, scope_of_a_worker);
    tcase_add_test(t, scope_of_a_connection);
    tcase_add_test(t, scopes_that_are_none);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
