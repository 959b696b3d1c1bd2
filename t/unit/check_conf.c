/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Good configurations: every default, every key, inheritance, files that include files. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/config/conf_reader.h"
#include "t/unit/conf_files.h"

static struct conf_errors *errors;

static void done(struct conf *c)
{
    conf_free(c);
    conf_errors_free(errors);
}

START_TEST(every_default)
{
    struct conf *c = conf_files_good(CONF_LISTENERS CONF_EDGES, &errors);
    const struct conf_listener *l = &c->listeners[0];
    const struct conf_edge *e = &c->edges[0];

    ck_assert_str_eq(c->path, "main.conf");
    ck_assert_uint_eq(c->workers, 0);
    ck_assert_ptr_null(c->user);
    ck_assert_ptr_null(c->group);
    ck_assert_int_eq(c->log_target, LOG_STDERR);
    ck_assert_ptr_null(c->log_path);
    ck_assert_int_eq(c->log_level, PST_LOG_INFO);
    ck_assert_uint_eq(c->max_connections, 0);
    ck_assert_ptr_null(c->module_dir);
    ck_assert_uint_eq(c->timeouts.hello, 3000);
    ck_assert_uint_eq(c->timeouts.handshake, 10000);
    ck_assert_uint_eq(c->timeouts.connect, 5000);
    ck_assert_uint_eq(c->timeouts.idle, 300000);
    ck_assert_uint_eq(c->timeouts.half_close, 60000);
    ck_assert_uint_eq(c->timeouts.drain, 30000);
    ck_assert_uint_eq(c->timeouts.pending, 10000);
    ck_assert_uint_eq(c->tcp.keepalive, 0);
    ck_assert_uint_eq(c->tcp.user_timeout, 0);
    ck_assert_uint_eq(c->resolver.n_servers, 0);
    ck_assert_uint_eq(c->resolver.min_ttl, 5000);
    ck_assert_uint_eq(c->resolver.max_ttl, 300000);
    ck_assert_uint_eq(c->resolver.timeout, 2000);

    ck_assert_uint_eq(c->n_listeners, 1);
    ck_assert_str_eq(l->name, "l");
    ck_assert_str_eq(l->where, "listeners[0]");
    ck_assert_uint_eq(l->n_addrs, 1);
    ck_assert_int_eq(l->addrs[0].kind, CONF_ADDR_IP);
    ck_assert_str_eq(l->addrs[0].text, "127.0.0.1:1443");
    ck_assert_uint_eq(l->addrs[0].ip.port, 1443);
    ck_assert(l->dual_stack);
    ck_assert_uint_eq(l->unix_mode, 0660);
    ck_assert_uint_eq(l->backlog, 4096);
    ck_assert_int_eq(l->no_sni.outcome, CONF_REFUSE);
    ck_assert_int_eq(l->unknown_sni.outcome, CONF_REFUSE);
    ck_assert_int_eq(l->not_tls.outcome, CONF_REFUSE);
    ck_assert_int_eq(l->on_deny, CONF_DENY_CLOSE);
    ck_assert_uint_eq(l->timeouts.hello, 3000);
    ck_assert_uint_eq(l->n_modules, 0);

    ck_assert_uint_eq(c->n_edges, 1);
    ck_assert_str_eq(e->name, "a");
    ck_assert_str_eq(e->where, "edges[0]");
    ck_assert_uint_eq(e->n_domains, 1);
    ck_assert_str_eq(e->domains[0], "a.test");
    ck_assert_uint_eq(e->n_alpn, 0);
    ck_assert(e->has_upstream);
    ck_assert_uint_eq(e->upstream.n_targets, 1);
    ck_assert_str_eq(e->upstream.targets[0].where, "edges[0].upstream");
    ck_assert_uint_eq(e->upstream.targets[0].weight, 1);
    ck_assert(!e->upstream.targets[0].backup);
    ck_assert_int_eq(e->upstream.balance, CONF_ROUND_ROBIN);
    ck_assert_uint_eq(e->upstream.max_fails, 3);
    ck_assert_uint_eq(e->upstream.fail_timeout, 10000);
    ck_assert_uint_eq(e->upstream.tries, 0);
    ck_assert_int_eq(e->on_deny, CONF_DENY_CLOSE);
    ck_assert_uint_eq(e->max_pending, 10000);
    ck_assert_uint_eq(e->timeouts.idle, 300000);
    ck_assert_uint_eq(e->n_modules, 0);
    done(c);
}
END_TEST

START_TEST(every_top_level_key)
{
    char cwd[256], path[300];
    struct conf *c = conf_files_good(
        "workers = 1024; user = \"postern\"; group = \"daemon\"; max_connections = 5000;\n"
        "log = { target = \"file:logs/p.log\"; level = \"debug\"; };\n"
        "module_dir = \"mods\";\n"
        "timeouts = { hello = \"1s\"; handshake = \"2s\"; connect = \"3s\"; idle = \"0\";\n"
        "  half_close = \"0\"; drain = \"6s\"; pending = \"7500ms\"; };\n"
        "tcp = { keepalive = \"1m\"; user_timeout = \"90s\"; };\n"
        "resolver = { nameservers = [ \"127.0.0.1\", \"[::1]:5353\", \"::1\" ]; min_ttl = \"1s\";\n"
        "  max_ttl = \"1h\"; timeout = \"250ms\"; };\n" CONF_LISTENERS CONF_EDGES,
        &errors);

    ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
    ck_assert_uint_eq(c->workers, 1024);
    ck_assert_str_eq(c->user, "postern");
    ck_assert_str_eq(c->group, "daemon");
    ck_assert_uint_eq(c->max_connections, 5000);
    ck_assert_int_eq(c->log_target, LOG_FILE);
    snprintf(path, sizeof(path), "%s/logs/p.log", cwd);
    ck_assert_str_eq(c->log_path, path);
    ck_assert_int_eq(c->log_level, PST_LOG_DEBUG);
    snprintf(path, sizeof(path), "%s/mods", cwd);
    ck_assert_str_eq(c->module_dir, path);
    ck_assert_uint_eq(c->timeouts.hello, 1000);
    ck_assert_uint_eq(c->timeouts.handshake, 2000);
    ck_assert_uint_eq(c->timeouts.connect, 3000);
    ck_assert_uint_eq(c->timeouts.idle, 0);
    ck_assert_uint_eq(c->timeouts.half_close, 0);
    ck_assert_uint_eq(c->timeouts.drain, 6000);
    ck_assert_uint_eq(c->timeouts.pending, 7500);
    ck_assert_uint_eq(c->tcp.keepalive, 60000);
    ck_assert_uint_eq(c->tcp.user_timeout, 90000);
    ck_assert_uint_eq(c->resolver.n_servers, 3);
    ck_assert_str_eq(c->resolver.servers[0], "127.0.0.1:53");
    ck_assert_str_eq(c->resolver.servers[1], "[::1]:5353");
    ck_assert_str_eq(c->resolver.servers[2], "[::1]:53");
    ck_assert_uint_eq(c->resolver.min_ttl, 1000);
    ck_assert_uint_eq(c->resolver.max_ttl, 3600000);
    ck_assert_uint_eq(c->resolver.timeout, 250);
    done(c);
}
END_TEST

START_TEST(log_targets)
{
    struct conf *c = conf_files_good("log = { target = \"syslog\"; level = \"error\"; };\n" //
                                     CONF_LISTENERS CONF_EDGES,
                                     &errors);
    ck_assert_int_eq(c->log_target, LOG_SYSLOG);
    ck_assert_int_eq(c->log_level, PST_LOG_ERROR);
    done(c);
    c = conf_files_good("log = { target = \"/var/log/p.log\"; level = \"warning\"; };\n" //
                        CONF_LISTENERS CONF_EDGES,
                        &errors);
    ck_assert_int_eq(c->log_target, LOG_FILE);
    ck_assert_str_eq(c->log_path, "/var/log/p.log");
    ck_assert_int_eq(c->log_level, PST_LOG_WARNING);
    done(c);
}
END_TEST

START_TEST(every_listener_key)
{
    struct conf *c = conf_files_good(
        "timeouts = { hello = \"9s\"; idle = \"8s\"; };\n"
        "tcp = { keepalive = \"1m\"; user_timeout = \"2m\"; };\n"
        "listeners = (\n"
        "  { name = \"one\"; address = ( \"[::]:443\", \"unix:/run/p.sock\", \"1.2.3.4:5\" );\n"
        "    dual_stack = false; mode = \"0600\"; backlog = 128; no_sni = \"a\";\n"
        "    unknown_sni = \"close\"; not_tls = \"refuse\"; on_deny = \"reset\";\n"
        "    tcp = { user_timeout = \"3m\"; }; timeouts = { pending = \"5s\"; };\n"
        "    modules = ( { module = \"m1\"; }, { module = \"off\"; enabled = false; x = 1; },\n"
        "                { module = \"m2\"; enforce = false; } ); },\n"
        "  { name = \"two\"; address = [ \"[::1]:443\" ]; on_deny = \"alert\"; }\n"
        ");\n" CONF_EDGES,
        &errors);
    const struct conf_listener *l = &c->listeners[0];

    ck_assert_uint_eq(c->n_listeners, 2);
    ck_assert_uint_eq(l->n_addrs, 3);
    ck_assert_str_eq(l->addrs[0].text, "[::]:443");
    ck_assert_int_eq(l->addrs[1].kind, CONF_ADDR_UNIX);
    ck_assert_str_eq(l->addrs[1].text, "unix:/run/p.sock");
    ck_assert_str_eq(l->addrs[1].path, "/run/p.sock");
    ck_assert_int_eq(l->addrs[1].ip.family, PST_AF_UNIX);
    ck_assert_str_eq(l->addrs[2].text, "1.2.3.4:5");
    ck_assert(!l->dual_stack);
    ck_assert_uint_eq(l->unix_mode, 0600);
    ck_assert_uint_eq(l->backlog, 128);
    ck_assert_int_eq(l->no_sni.outcome, CONF_ROUTE);
    ck_assert_str_eq(l->no_sni.edge, "a");
    ck_assert_int_eq(l->unknown_sni.outcome, CONF_CLOSE);
    ck_assert_int_eq(l->not_tls.outcome, CONF_REFUSE);
    ck_assert_int_eq(l->on_deny, CONF_DENY_RESET);
    ck_assert_uint_eq(l->tcp.keepalive, 60000);
    ck_assert_uint_eq(l->tcp.user_timeout, 180000);
    ck_assert_uint_eq(l->timeouts.hello, 9000);
    ck_assert_uint_eq(l->timeouts.pending, 5000);
    ck_assert_uint_eq(l->timeouts.idle, 8000);
    ck_assert_uint_eq(l->n_modules, 2);
    ck_assert_str_eq(l->modules[0].name, "m1");
    ck_assert_str_eq(l->modules[0].where, "listeners[0].modules[0]");
    ck_assert(l->modules[0].enforce);
    ck_assert_str_eq(l->modules[1].name, "m2");
    ck_assert_str_eq(l->modules[1].where, "listeners[0].modules[2]");
    ck_assert(!l->modules[1].enforce);
    ck_assert_ptr_nonnull(l->modules[1].cfg);
    ck_assert_int_eq(c->listeners[1].on_deny, CONF_DENY_ALERT);
    ck_assert_uint_eq(c->listeners[1].tcp.user_timeout, 120000);
    done(c);
}
END_TEST

START_TEST(every_edge_key)
{
    struct conf *c = conf_files_good(
        "edges = ( { name = \"e-1.x_Y\"; domains = [ \"A.Test.\", \"*.b.test\", \"*\",\n"
        "    \"b\xc3\xbc"
        "cher.test\" ];\n"
        "  alpn = [ \"h2\", \"acme-tls/1\" ]; on_deny = \"alert\"; max_pending = 7;\n"
        "  tcp = { keepalive = \"1s\"; };\n"
        "  timeouts = { handshake = \"1s\"; connect = \"2s\"; idle = \"1h\"; half_close = \"4s\";\n"
        "    pending = \"5s\"; };\n"
        "  upstream = { targets = ( \"127.0.0.1:8080\", { address = \"Db.Internal.:5433\";\n"
        "      weight = 256; backup = true; }, \"unix:app.sock\", \"[::1]:8080\" );\n"
        "    balance = \"source-hash\"; max_fails = 0; fail_timeout = \"1s\"; tries = 2; };\n"
        "  modules = ( { module = \"ip-restrictions\"; allow = [ \"10.0.0.0/8\" ]; } ); } );\n" //
        "timeouts = { drain = \"1m\"; };\n" CONF_LISTENERS,
        &errors);
    const struct conf_edge *e = &c->edges[0];
    const struct conf_target *t = e->upstream.targets;

    ck_assert_str_eq(e->name, "e-1.x_Y");
    ck_assert_uint_eq(e->n_domains, 4);
    ck_assert_str_eq(e->domains[0], "a.test");
    ck_assert_str_eq(e->domains[1], "*.b.test");
    ck_assert_str_eq(e->domains[2], "*");
    ck_assert_str_eq(e->domains[3], "xn--bcher-kva.test");
    ck_assert_uint_eq(e->n_alpn, 2);
    ck_assert_str_eq(e->alpn[1], "acme-tls/1");
    ck_assert_int_eq(e->on_deny, CONF_DENY_ALERT);
    ck_assert_uint_eq(e->max_pending, 7);
    ck_assert_uint_eq(e->tcp.keepalive, 1000);
    ck_assert_uint_eq(e->timeouts.handshake, 1000);
    ck_assert_uint_eq(e->timeouts.idle, 3600000);
    ck_assert_uint_eq(e->timeouts.drain, 60000);
    ck_assert_uint_eq(e->upstream.n_targets, 4);
    ck_assert_int_eq(t[0].addr.kind, CONF_ADDR_IP);
    ck_assert_str_eq(t[0].where, "edges[0].upstream.targets[0]");
    ck_assert_int_eq(t[1].addr.kind, CONF_ADDR_HOST);
    ck_assert_str_eq(t[1].addr.host, "db.internal");
    ck_assert_str_eq(t[1].addr.text, "db.internal:5433");
    ck_assert_uint_eq(t[1].addr.ip.port, 5433);
    ck_assert_uint_eq(t[1].weight, 256);
    ck_assert(t[1].backup);
    ck_assert_int_eq(t[2].addr.kind, CONF_ADDR_UNIX);
    ck_assert_int_eq(t[2].addr.path[0], '/');
    ck_assert_ptr_nonnull(strstr(t[2].addr.path, "/app.sock"));
    ck_assert_str_eq(t[3].addr.text, "[::1]:8080");
    ck_assert_int_eq(e->upstream.balance, CONF_SOURCE_HASH);
    ck_assert_uint_eq(e->upstream.max_fails, 0);
    ck_assert_uint_eq(e->upstream.fail_timeout, 1000);
    ck_assert_uint_eq(e->upstream.tries, 2);
    ck_assert_uint_eq(e->n_modules, 1);
    ck_assert_str_eq(e->modules[0].where, "edges[0].modules[0]");
    done(c);
}
END_TEST

START_TEST(upstream_forms)
{
    struct conf *c = conf_files_good(
        CONF_LISTENERS
        "edges = ( { name = \"a\"; domains = [ \"a.test\" ]; upstream = [ \"h:1\", \"h:2\" ]; },\n"
        "  { name = \"b\"; domains = [ \"b.test\" ]; upstream = ( { address = \"h:3\"; } ); },\n"
        "  { name = \"c\"; domains = [ \"c.test\" ]; } );\n",
        &errors);

    ck_assert_uint_eq(c->edges[0].upstream.n_targets, 2);
    ck_assert_str_eq(c->edges[0].upstream.targets[1].where, "edges[0].upstream[1]");
    ck_assert_str_eq(c->edges[1].upstream.targets[0].addr.text, "h:3");
    ck_assert(!c->edges[2].has_upstream);
    done(c);
}
END_TEST

/* "tls://" is the module upstream-tls at the end of the list, unless the list has it. */
START_TEST(tls_targets)
{
    struct conf *c = conf_files_good(
        CONF_LISTENERS
        "edges = ( { name = \"a\"; domains = [ \"a.test\" ]; upstream = \"tls://H.:1\"; },\n"
        "  { name = \"b\"; domains = [ \"b.test\" ]; upstream = [ \"h:1\", \"tls://[::1]:2\" ];\n"
        "    modules = ( { module = \"m\"; } ); },\n"
        "  { name = \"c\"; domains = [ \"c.test\" ]; upstream = [ \"tls://unix:/s\" ];\n"
        "    modules = ( { module = \"upstream-tls\"; server_name = \"x\"; } ); },\n"
        "  { name = \"d\"; domains = [ \"d.test\" ]; upstream = \"tls://h:1\"; modules = []; } "
        ");\n",
        &errors);
    const struct conf_edge *e = c->edges;
    struct pst_str s;

    ck_assert_str_eq(e[0].upstream.targets[0].addr.text, "tls://h:1");
    ck_assert(e[0].upstream.targets[0].addr.tls);
    ck_assert_uint_eq(e[0].n_modules, 1);
    ck_assert_str_eq(e[0].modules[0].name, "upstream-tls");
    ck_assert_str_eq(e[0].modules[0].where, "edges[0].modules[0]");
    ck_assert(e[0].modules[0].enforce);
    ck_assert_int_eq(conf_reader_str(e[0].modules[0].cfg, "targets", &s), PST_OK);
    ck_assert_str_eq(s.p, "tls");
    ck_assert_uint_eq(conf_reader_count(e[0].modules[0].cfg), 1);
    ck_assert(!e[1].upstream.targets[0].addr.tls);
    ck_assert_str_eq(e[1].upstream.targets[1].addr.text, "tls://[::1]:2");
    ck_assert_uint_eq(e[1].n_modules, 2);
    ck_assert_str_eq(e[1].modules[0].name, "m");
    ck_assert_str_eq(e[1].modules[1].name, "upstream-tls");
    ck_assert_str_eq(e[1].modules[1].where, "edges[1].modules[1]");
    ck_assert_uint_eq(e[2].n_modules, 1);
    ck_assert_int_eq(conf_reader_str(e[2].modules[0].cfg, "targets", &s), PST_ERR_NOT_FOUND);
    ck_assert_str_eq(e[2].upstream.targets[0].addr.text, "tls://unix:/s");
    ck_assert_uint_eq(e[3].n_modules, 1);
    done(c);
}
END_TEST

/* The same domain may be served twice when the protocols differ; a fallback needs no domain. */
START_TEST(domains_that_do_not_collide)
{
    struct conf *c = conf_files_good(
        "listeners = ( { name = \"l\"; address = \"[::1]:1\"; no_sni = \"d\"; } );\n"
        "edges = ( { name = \"a\"; domains = [ \"a.test\", \"*.a.test\" ]; },\n"
        "  { name = \"b\"; domains = [ \"a.test\" ]; alpn = [ \"acme-tls/1\" ]; },\n"
        "  { name = \"c\"; domains = [ \"a.test\" ]; alpn = [ \"h2\" ]; },\n"
        "  { name = \"d\"; } );\n",
        &errors);
    ck_assert_uint_eq(c->n_edges, 4);
    ck_assert_uint_eq(c->edges[3].n_domains, 0);
    done(c);
}
END_TEST

START_TEST(include_dir_in_order)
{
    struct conf *c;
    char *report, path[300], cwd[256];

    ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
    conf_files_write("etc/main.conf",
                     "include_dir = \"conf.d\";\n" CONF_LISTENERS
                     "edges = ( { name = \"first\"; domains = [ \"f.test\" ]; } );");
    conf_files_write("etc/conf.d/20-b.conf", "edges = ( { name = \"b\"; domains = [ \"b.test\" ];\n"
                                             "upstream = \"unix:b.sock\"; } );\n");
    conf_files_write("etc/conf.d/10-a.conf",
                     "listeners = ( { name = \"m\"; address = \"127.0.0.1:2\"; } );\n"
                     "ip_policies = ( { name = \"p\"; rules = (); } );\n"
                     "edges = ( { name = \"a\"; domains = [ \"a.test\" ]; } );\n");
    conf_files_write("etc/conf.d/.hidden.conf", "nonsense");
    conf_files_write("etc/conf.d/x.conf~", "nonsense");
    conf_files_write("etc/conf.d/x.conf.dpkg-old", "nonsense");
    conf_files_write("etc/conf.d/.conf", "nonsense");
    c = conf_files_load("etc/main.conf", &errors);
    report = conf_files_report(errors);
    ck_assert_str_eq(report, "");
    free(report);
    ck_assert_uint_eq(c->n_listeners, 2);
    ck_assert_str_eq(c->listeners[1].name, "m");
    ck_assert_uint_eq(c->n_edges, 3);
    ck_assert_str_eq(c->edges[0].name, "first");
    ck_assert_str_eq(c->edges[1].name, "a");
    ck_assert_str_eq(c->edges[2].name, "b");
    ck_assert_str_eq(c->edges[2].where, "edges[0]");
    /* Relative to the file that names it. */
    snprintf(path, sizeof(path), "%s/etc/conf.d/b.sock", cwd);
    ck_assert_str_eq(c->edges[2].upstream.targets[0].addr.path, path);
    done(c);
}
END_TEST

START_TEST(at_include_is_relative_to_the_file)
{
    struct conf *c;
    char *report;

    conf_files_write("etc/main.conf", "@include \"parts/edges.inc\"\n" CONF_LISTENERS);
    conf_files_write("etc/parts/edges.inc", CONF_EDGES);
    c = conf_files_load("etc/main.conf", &errors);
    report = conf_files_report(errors);
    ck_assert_str_eq(report, "");
    free(report);
    ck_assert_str_eq(c->edges[0].name, "a");
    done(c);
}
END_TEST

START_TEST(one_hundred_thousand_edges)
{
    struct timespec from, to;
    struct conf *c;
    FILE *f = fopen("big.conf", "w");
    double seconds;
    char *report;

    ck_assert_ptr_nonnull(f);
    fputs(CONF_LISTENERS "edges = (\n", f);
    for (int i = 0; i < 100000; i++) {
        fprintf(f,
                "%s{ name = \"e%d\"; domains = [ \"e%d.test\", \"*.e%d.test\" ];\n"
                "  upstream = \"10.0.0.1:80\"; modules = ( { module = \"m\"; } ); }\n",
                i > 0 ? "," : "", i, i, i);
    }
    fputs(");\n", f);
    ck_assert_int_eq(fclose(f), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    c = conf_files_load("big.conf", &errors);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    report = conf_files_report(errors);
    ck_assert_str_eq(report, "");
    free(report);
    ck_assert_uint_eq(c->n_edges, 100000);
    ck_assert_str_eq(c->edges[99999].modules[0].where, "edges[99999].modules[0]");
    seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    /* What is quadratic takes minutes; the bar leaves room for sanitizers and slow machines. */
    ck_assert_double_lt(seconds, 30);
    done(c);
}
END_TEST

START_TEST(sample_is_good)
{
    const char *top = getenv("top_srcdir");
    char path[4096];
    char *report;
    struct conf *c;

    snprintf(path, sizeof(path), "%s/etc/postern.conf.sample", top != NULL ? top : ".");
    c = conf_files_load(path, &errors);
    report = conf_files_report(errors);
    ck_assert_str_eq(report, "");
    free(report);
    ck_assert_uint_gt(c->n_listeners, 0);
    ck_assert_uint_gt(c->n_edges, 0);
    done(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conf");
    TCase *files = tcase_create("files"), *sample = tcase_create("sample");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(files, conf_files_begin, conf_files_end);
    tcase_set_timeout(files, 120);
    tcase_add_test(files, every_default);
    tcase_add_test(files, every_top_level_key);
    tcase_add_test(files, log_targets);
    tcase_add_test(files, every_listener_key);
    tcase_add_test(files, every_edge_key);
    tcase_add_test(files, upstream_forms);
    tcase_add_test(files, tls_targets);
    tcase_add_test(files, domains_that_do_not_collide);
    tcase_add_test(files, include_dir_in_order);
    tcase_add_test(files, at_include_is_relative_to_the_file);
    tcase_add_test(files, one_hundred_thousand_edges);
    tcase_add_test(sample, sample_is_good);
    suite_add_tcase(s, files);
    suite_add_tcase(s, sample);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
