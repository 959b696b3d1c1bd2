/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wrong configurations and the exact words with which they are refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/conf_priv.h"
#include "t/unit/conf_files.h"

/* One wrong file and everything that must be said about it. */
struct wrong {
    const char *text;
    const char *report;
};

#define AT_TOP(text) text "\n" CONF_LISTENERS CONF_EDGES
#define M1           "main.conf:1: "
#define M2           "main.conf:2: "
#define EDGE(keys, said)                                                                           \
    {                                                                                              \
        CONF_EDGE_WITH(keys), M2 "edges[0]." said "\n"                                             \
    }
#define LISTENER(keys, said)                                                                       \
    {                                                                                              \
        CONF_LISTENER_WITH(keys), M1 "listeners[0]." said "\n"                                     \
    }
#define TOP(keys, said)                                                                            \
    {                                                                                              \
        AT_TOP(keys), M1 said "\n"                                                                 \
    }
#define DOMAIN(z, said)                                                                            \
    {                                                                                              \
        CONF_LISTENERS "edges = ( { name = \"a\"; domains = [ \"" z "\" ]; } );",                  \
            M2 "edges[0].domains[0]: \"" z "\"" said "\n"                                          \
    }

static const struct wrong top[] = {
    { "", "main.conf: listeners: nothing to listen on\nmain.conf: edges: there is no edge\n" },
    { "listeners = ();\n" CONF_EDGES, "main.conf: listeners: nothing to listen on\n" },
    { CONF_LISTENERS "edges = ();", "main.conf: edges: there is no edge\n" },
    TOP("worker = 1;", "worker: unknown key; did you mean \"workers\"?"),
    TOP("zebra = 1;", "zebra: unknown key"),
    TOP("workers = 1025;", "workers: 1025 is out of range: 0 to 1024"),
    TOP("workers = -1;", "workers: -1 is out of range: 0 to 1024"),
    TOP("workers = \"2\";", "workers: expected an integer, found a string"),
    TOP("workers = 1.5;", "workers: expected an integer, found a floating-point number"),
    TOP("workers = true;", "workers: expected an integer, found a boolean"),
    TOP("workers = [ 1 ];", "workers: expected an integer, found an array"),
    TOP("workers = ( 1 );", "workers: expected an integer, found a list"),
    TOP("workers = { };", "workers: expected an integer, found a group"),
    TOP("user = \"\";", "user: cannot be empty"),
    TOP("user = 1;", "user: expected a string, found an integer"),
    TOP("max_connections = 2147483648L;",
        "max_connections: 2147483648 is out of range: 0 to 2147483647"),
    TOP("module_dir = \"\";", "module_dir: a file name cannot be empty"),
    TOP("module_dir = 1;", "module_dir: expected a file name, found an integer"),
    TOP("log = \"stderr\";", "log: expected a group, found a string"),
    TOP("log = { target = \"stdrr\"; };",
        "log.target: \"stdrr\" is not one of \"stderr\", \"syslog\" or a file such as "
        "\"file:/var/log/postern.log\""),
    TOP("log = { level = \"inof\"; };",
        "log.level: \"inof\" is not one of error|warning|notice|info|debug"),
    TOP("log = { level = \"inf\"; };", "log.level: \"inf\" is not one of "
                                       "error|warning|notice|info|debug; did you mean \"info\"?"),
    TOP("timeouts = { idle = 5; };",
        "timeouts.idle: expected a duration, found an integer; durations are strings with a unit: "
        "\"5s\""),
    TOP("timeouts = { idle = true; };",
        "timeouts.idle: expected a duration such as \"3s\", found a boolean"),
    TOP("timeouts = { idle = \"5 m\"; };",
        "timeouts.idle: \"5 m\" is not a duration; write a number with ms, s, m, h or d: \"3s\""),
    TOP("timeouts = { hello = \"0\"; };", "timeouts.hello: \"0\" is out of range: 1ms to 365d"),
    TOP("timeouts = { idle = \"366d\"; };", "timeouts.idle: \"366d\" is out of range: 0ms to 365d"),
    TOP("timeouts = { idel = \"1s\"; };", "timeouts.idel: unknown key"),
    TOP("tcp = { keepalive = \"500ms\"; };",
        "tcp.keepalive: the kernel counts keepalive in seconds: at least \"1s\", or \"0\""),
    TOP("tcp = { keepalive = \"10h\"; };", "tcp.keepalive: \"10h\" is out of range: 0ms to 9h"),
    TOP("tcp = { user_timeout = \"25d\"; };",
        "tcp.user_timeout: \"25d\" is out of range: 0ms to 24d"),
    TOP("tcp = { keepaliv = \"1s\"; };", "tcp.keepaliv: unknown key; did you mean \"keepalive\"?"),
    TOP("resolver = { nameservers = \"127.0.0.1\"; };",
        "resolver.nameservers: expected a list, found a string; write [ \"127.0.0.1\" ]"),
    TOP("resolver = { nameservers = [ \"dns.test:53\" ]; };",
        "resolver.nameservers[0]: \"dns.test:53\" is a host name; write an IP address: "
        "\"127.0.0.1:53\" or \"[::]:53\""),
    TOP("resolver = { nameservers = [ \"unix:/x\" ]; };",
        "resolver.nameservers[0]: \"unix:/x\": an IP address with a port is needed here"),
    TOP("resolver = { min_ttl = \"1h\"; max_ttl = \"1m\"; };",
        "resolver: min_ttl (1h) is greater than max_ttl (1m)"),
    TOP("include_dir = 1;", "include_dir: expected a string, found an integer"),
    TOP("include_dir = \"\";", "include_dir: cannot be empty"),
    TOP("include_dir = \"nowhere\";",
        "include_dir: \"nowhere\" cannot be read: No such file or directory"),
    TOP("ip_policies = { };", "ip_policies: expected a list, found a group; write ( { ... } )"),
};

static const struct wrong listeners[] = {
    { CONF_LISTENER_WITH(""), M1 "listeners[0]: \"address\" is missing\n" },
    LISTENER("address = [ ];", "address: needs at least one address"),
    LISTENER("address = 443;",
             "address: expected an address such as \"[::]:443\" or a list of them, found an "
             "integer"),
    LISTENER("address = [ 443 ];",
             "address[0]: expected an address such as \"127.0.0.1:8080\", found an integer"),
    LISTENER("address = \"*:443\";",
             "address: \"*:443\" is not an address; for all addresses write \"[::]:443\""),
    LISTENER("address = \":443\";",
             "address: \":443\" names no host; for all addresses write \"[::]:443\""),
    LISTENER("address = \"localhost:443\";",
             "address: \"localhost:443\" is a host name; write an IP address: \"127.0.0.1:443\" or "
             "\"[::]:443\""),
    LISTENER("address = \"127.0.0.1\";",
             "address: \"127.0.0.1\" has no port; write \"127.0.0.1:443\""),
    LISTENER("address = \"[::1]\";", "address: \"[::1]\" has no port; write \"[::1]:443\""),
    LISTENER("address = \"::1\";", "address: \"::1\" needs brackets and a port: \"[::1]:443\""),
    LISTENER("address = \"fe80::zz:443\";",
             "address: \"fe80::zz:443\": an IPv6 address stands in brackets: \"[::1]:443\""),
    LISTENER("address = \"127.0.0.1:0\";",
             "address: \"127.0.0.1:0\" has no valid port; ports are 1 to 65535"),
    LISTENER("address = \"127.0.0.1:65536\";",
             "address: \"127.0.0.1:65536\" has no valid port; ports are 1 to 65535"),
    LISTENER("address = \"127.0.0.1:http\";",
             "address: \"127.0.0.1:http\" has no valid port; ports are 1 to 65535"),
    LISTENER("address = \"127.0.0.256:80\";",
             "address: \"127.0.0.256:80\" is not a valid IP address with a port"),
    LISTENER("address = \"[::g]:80\";",
             "address: \"[::g]:80\" is not a valid IP address with a port"),
    LISTENER("address = \"unix:\";", "address: \"unix:\" needs a path: \"unix:/run/app.sock\""),
    LISTENER("address = \"unix:@x\";",
             "address: \"unix:@x\": abstract unix sockets are not supported"),
    LISTENER("address = \"tls://[::]:443\";",
             "address: \"tls://[::]:443\": only upstream targets can have \"tls://\""),
    LISTENER("address = \"https://a.test\";",
             "address: \"https://a.test\" is a URL; write an address: \"host:8080\""),
    LISTENER("address = \"[::1]:1\"; mode = 0660;",
             "mode: expected an octal mode in quotes such as \"0660\", found an integer"),
    LISTENER("address = \"[::1]:1\"; mode = \"0668\";",
             "mode: \"0668\" is not an octal mode; write \"0660\""),
    LISTENER("address = \"[::1]:1\"; mode = \"4755\";",
             "mode: only permission bits are allowed: \"0000\" to \"0777\""),
    LISTENER("address = \"[::1]:1\"; backlog = 0;", "backlog: 0 is out of range: 1 to 65535"),
    LISTENER("address = \"[::1]:1\"; dual_stack = 1;",
             "dual_stack: expected true or false, found an integer"),
    LISTENER("address = \"[::1]:1\"; on_deny = \"drop\";",
             "on_deny: \"drop\" is not one of close|alert|reset"),
    LISTENER("address = \"[::1]:1\"; no_sni = \"b\";",
             "no_sni: \"b\" is neither \"refuse\" nor \"close\" nor the name of an edge; did you "
             "mean \"a\"?"),
    LISTENER("address = \"[::1]:1\"; not_tls = \"refused\";",
             "not_tls: \"refused\" is neither \"refuse\" nor \"close\" nor the name of an edge; "
             "did you mean \"refuse\"?"),
    LISTENER("address = \"[::1]:1\"; unknown_sni = \"elsewhere\";",
             "unknown_sni: \"elsewhere\" is neither \"refuse\" nor \"close\" nor the name of an "
             "edge"),
    LISTENER("address = \"[::1]:1\"; unknown_sni = 1;",
             "unknown_sni: expected a string, found an integer"),
    LISTENER("address = \"[::1]:1\"; timeouts = { idle = \"1s\"; };",
             "timeouts.idle: a listener has only the timeouts hello and pending"),
    LISTENER("address = \"[::1]:1\"; modules = ( \"x\" );",
             "modules[0]: expected a group with the key \"module\", found a string"),
    LISTENER("address = \"[::1]:1\"; modules = ( { x = 1; } );",
             "modules[0]: \"module\" is missing"),
    LISTENER("address = \"[::1]:1\"; modules = ( { module = \"../x\"; } );",
             "modules[0].module: \"../x\" is not a name; names are 1 to 64 letters, digits, \".\", "
             "\"_\" or \"-\""),
    LISTENER("address = \"[::1]:1\"; modules = ( { module = \"..\"; } );",
             "modules[0].module: the name of a module cannot begin with a dot"),
    LISTENER("address = \"[::1]:1\"; modules = ( { module = \"x\"; enabled = 0; } );",
             "modules[0].enabled: expected true or false, found an integer"),
    LISTENER("address = \"[::1]:1\"; modules = ( { module = \"x\"; enforce = \"no\"; } );",
             "modules[0].enforce: expected true or false, found a string"),
    { "listeners = ( { name = \"l\"; address = \"[::1]:1\"; },\n"
      "{ name = \"l\"; address = \"[::1]:2\"; } );\n" CONF_EDGES,
      M2 "listeners[1].name: another listener is called \"l\" (main.conf:1)\n" },
    { "listeners = ( { name = \"l\"; address = \"[::1]:1\"; },\n"
      "{ name = \"m\"; address = [ \"[::1]:2\", \"[0::1]:1\" ]; } );\n" CONF_EDGES,
      M2 "listeners[1].address: \"[::1]:1\" is already used by listener \"l\" (main.conf:1)\n" },
    { "listeners = ( { name = \"l\"; address = \"[::]:1\"; },\n"
      "{ name = \"m\"; address = \"0.0.0.0:1\"; } );\n" CONF_EDGES,
      M2 "listeners[1].address: \"0.0.0.0:1\" is already used by listener \"l\" (main.conf:1)\n" },
    { "listeners = 5;\n" CONF_EDGES,
      M1 "listeners: expected a list, found an integer; write [ ... ]\n" },
    { "listeners = ( 5 );\n" CONF_EDGES, M1 "listeners[0]: expected a group, found an integer\n" },
};

static const struct wrong edges[] = {
    { CONF_LISTENERS "edges = ( { domains = [ \"a.test\" ]; } );",
      M2 "edges[0]: \"name\" is missing\n" },
    { CONF_LISTENERS "edges = ( { name = \"a b\"; domains = [ \"a.test\" ]; } );",
      M2 "edges[0].name: \"a b\" is not a name; names are 1 to 64 letters, digits, \".\", \"_\" or "
         "\"-\"\n" },
    { CONF_LISTENERS "edges = ( { name = \"close\"; domains = [ \"a.test\" ]; } );",
      M2 "edges[0].name: an edge cannot be called \"close\": the word has a meaning in no_sni, "
         "unknown_sni and not_tls\n" },
    { CONF_LISTENERS "edges = ( { name = \"a\"; } );",
      M2 "edges[0]: the edge can never be reached: it has no domains, and no listener names it in "
         "no_sni, unknown_sni or not_tls\n" },
    { CONF_LISTENERS "edges = ( { name = \"a\"; domains = \"a.test\"; } );",
      M2 "edges[0].domains: expected a list, found a string; write [ \"a.test\" ]\n" },
    DOMAIN("1.2.3.4", " is an IP address, which a TLS client never sends as a name; use no_sni of "
                      "the listener"),
    DOMAIN("::1", " is an IP address, which a TLS client never sends as a name; use no_sni of the "
                  "listener"),
    DOMAIN("[::1]", " is an IP address, which a TLS client never sends as a name; use no_sni of "
                    "the listener"),
    DOMAIN("\xc2\xb9.2.3.4", " is an IP address, which a TLS client never sends as a name; use "
                             "no_sni of the listener"),
    DOMAIN("a.test:443", ": a domain has no port"),
    DOMAIN("https://a.test", " is a URL; write the host name alone"),
    DOMAIN("a.*.test", ": \"*\" can only be the whole first label: \"*.example.com\""),
    DOMAIN("*a.test", ": \"*\" can only be the whole first label: \"*.example.com\""),
    DOMAIN("*.*.test", ": \"*\" can only be the whole first label: \"*.example.com\""),
    DOMAIN("", " is not a domain name"),
    DOMAIN("a..test", " is not a domain name"),
    DOMAIN("-a.test", " is not a domain name"),
    { CONF_LISTENERS "edges = ( { name = \"a\"; domains = [ \"a.test\" ]; },\n"
                     "{ name = \"b\"; domains = [ \"b.test\", \"A.TEST.\" ]; } );",
      "main.conf:3: edges[1].domains[1]: \"a.test\" is already served by edge \"a\" "
      "(main.conf:2)\n" },
    { CONF_LISTENERS "edges = ( { name = \"a\"; domains = [ \"a.test\" ]; alpn = [ \"x\", \"y\" ]; "
                     "},\n{ name = \"b\"; domains = [ \"a.test\" ]; alpn = [ \"z\", \"y\" ]; } );",
      "main.conf:3: edges[1].domains[0]: \"a.test\" with ALPN \"y\" is already served by edge "
      "\"a\" (main.conf:2)\n" },
    { CONF_LISTENERS "edges = ( { name = \"a\"; domains = [ \"a.test\", \"a.test\" ]; } );",
      M2 "edges[0].domains[1]: \"a.test\" is listed twice\n" },
    EDGE("alpn = [ \"h2\", \"h2\" ];", "domains[0]: \"a.test\" with ALPN \"h2\" is listed twice"),
    { CONF_LISTENERS "edges = ( { name = \"a\"; domains = [ \"a.test\" ]; },\n"
                     "{ name = \"a\"; domains = [ \"b.test\" ]; } );",
      "main.conf:3: edges[1].name: another edge is called \"a\" (main.conf:2)\n" },
    EDGE("alpn = [ \"\" ];", "alpn[0]: an ALPN protocol has 1 to 255 bytes"),
    EDGE("alpn = [ ];", "alpn: needs at least one protocol"),
    EDGE("max_pending = 0;", "max_pending: 0 is out of range: 1 to 10000000"),
    EDGE("upsteam = \"h:1\";", "upsteam: unknown key; did you mean \"upstream\"?"),
    EDGE("upstream = 80;", "upstream: expected an address, a list of them, or a group with "
                           "\"targets\", found an integer"),
    EDGE("upstream = \"h\";", "upstream: \"h\" has no port; write \"h:443\""),
    EDGE("upstream = \"h h:1\";", "upstream: \"h h\" is not a host name"),
    EDGE("upstream = \"a.\xc2\xb2:1\";", "upstream: \"a.\xc2\xb2\" is not a host name"),
    EDGE("upstream = \"*.h:1\";", "upstream: \"*.h\" is not a host name"),
    EDGE("upstream = \"tls://unix:/s\";",
         "upstream: \"tls://unix:/s\": a unix socket has no name that its certificate could be "
         "checked for; add the module upstream-tls with \"server_name\""),
    EDGE("upstream = \"http://h\";",
         "upstream: \"http://h\" is a URL; write an address: \"host:8080\""),
    EDGE("upstream = ();", "upstream: needs at least one target"),
    EDGE("upstream = ( 1 );",
         "upstream[0]: expected an address or a group with the key \"address\", found an integer"),
    EDGE("upstream = { };", "upstream: \"targets\" is missing"),
    EDGE("upstream = { targets = \"h:1\"; };",
         "upstream.targets: expected a list, found a string; write [ \"h:1\" ]"),
    EDGE("upstream = { targets = ( { weight = 1; } ); };",
         "upstream.targets[0]: \"address\" is missing"),
    EDGE("upstream = { targets = ( { address = \"h:1\"; weight = 0; } ); };",
         "upstream.targets[0].weight: 0 is out of range: 1 to 256"),
    EDGE("upstream = { targets = [ \"h:1\" ]; balance = \"roundrobin\"; };",
         "upstream.balance: \"roundrobin\" is not one of round-robin|least-conn|source-hash; did "
         "you mean \"round-robin\"?"),
    EDGE("upstream = { targets = [ \"h:1\" ]; fail_timeout = \"0\"; };",
         "upstream.fail_timeout: \"0\" is out of range: 1ms to 1d"),
    EDGE("modules = { };", "modules: expected a list, found a group; write ( { ... } )"),
    EDGE("tcp = ();", "tcp: expected a group, found a list"),
    { CONF_EDGE_WITH("timeouts = { drain = \"1s\"; hello = \"1s\"; };"),
      "warning: " M2 "edges[0].timeouts.drain: has no effect at an edge; set it in the top-level "
      "timeouts\n"
      "warning: " M2 "edges[0].timeouts.hello: has no effect at an edge, which is chosen by the "
      "hello; set it at the listener or at the top level\n" },
};

#define POLICY(rule) AT_TOP("ip_policies = ( { name = \"p\"; rules = ( " rule " ); } );")
#define RULE         M1 "ip_policies[0].rules[0]"

static const struct wrong policies[] = {
    { AT_TOP("ip_policies = ( 1 );"),
      M1 "ip_policies[0]: expected a group with the keys \"name\" and \"rules\", found an "
         "integer\n" },
    { AT_TOP("ip_policies = ( { } );"),
      M1 "ip_policies[0]: \"name\" is missing\n" M1 "ip_policies[0]: \"rules\" is missing\n" },
    { AT_TOP("ip_policies = ( { name = \"p\"; rules = (); }, { name = \"p\"; rules = (); } );"),
      M1 "ip_policies[1].name: another policy is called \"p\" (main.conf:1)\n" },
    { POLICY("{ cidr = \"10.0.0.1/8\"; action = \"allow\"; }"),
      RULE ".cidr: \"10.0.0.1/8\" has host bits set; did you mean 10.0.0.0/8?\n" },
    { POLICY("{ cidr = \"10.0.0.0/33\"; action = \"allow\"; }"),
      RULE ".cidr: \"10.0.0.0/33\" is not a network; write \"10.0.0.0/8\", \"2001:db8::/32\" or "
           "one address\n" },
    { POLICY("{ cidr = \"10.0.0.0/8\"; action = \"alow\"; }"),
      RULE ".action: \"alow\" is not one of allow|deny; did you mean \"allow\"?\n" },
    { POLICY("{ action = \"allow\"; }"), RULE ": \"cidr\" is missing\n" },
    { POLICY("\"10.0.0.0/8\""), RULE ": expected a group, found a string\n" },
    { POLICY("{ cidr = \"::/0\"; action = \"deny\"; descripton = \"x\"; }"),
      RULE ".descripton: unknown key; did you mean \"description\"?\n" },
};

static void refuse(const struct wrong *w)
{
    conf_files_refuse(w->text, w->report);
}

START_TEST(top_level)
{
    refuse(&top[_i]);
}
END_TEST

START_TEST(in_listeners)
{
    refuse(&listeners[_i]);
}
END_TEST

START_TEST(in_edges)
{
    refuse(&edges[_i]);
}
END_TEST

START_TEST(in_policies)
{
    refuse(&policies[_i]);
}
END_TEST

/* Values are quoted in errors: they must not forge lines, nor be of any length. */
START_TEST(texts_are_disarmed_and_bounded)
{
    struct conf_errors *errors = conf_errors_new();
    char *report, *big = malloc(100001);

    ck_assert_ptr_nonnull(errors);
    ck_assert_ptr_nonnull(big);
    memset(big, 'x', 100000);
    big[100000] = '\0';
    conf_error_add(errors, "f", 3, "w", "a\nb\033[1m%s", "\x7f");
    conf_error_add(errors, NULL, 0, NULL, "alone");
    conf_error_add(errors, NULL, 7, NULL, "line only");
    conf_warning_add(errors, "f", 0, NULL, "file only");
    conf_error_add(errors, NULL, 0, NULL, "%s", big);
    ck_assert_uint_eq(conf_errors_count(errors), 4);
    report = conf_files_report(errors);
    ck_assert_int_eq(strncmp(report,
                             "f:3: w: a?b?[1m?\nalone\nline 7: line only\n"
                             "warning: f: file only\nxxxxx",
                             strlen("f:3: w: a?b?[1m?\nalone\nline 7: line only\n"
                                    "warning: f: file only\nxxxxx")),
                     0);
    ck_assert_uint_lt(strlen(report), 2000);
    ck_assert_str_eq(report + strlen(report) - 5, "x...\n");
    free(report);
    free(big);
    conf_errors_free(errors);
}
END_TEST

/* Paths of settings that are nested or named beyond reason keep their end. */
START_TEST(long_paths_keep_their_end)
{
    struct conf_errors *errors = conf_errors_new();
    char text[2048] = "workers = ", *report;
    struct conf *c;

    ck_assert_ptr_nonnull(errors);
    strcat(text, "1;\nlog = ( ( ( ( { ");
    memset(text + strlen(text), 'n', 400);
    strcat(text, " = 1; } ) ) ) );\n");
    c = conf_load_text(text, errors);
    ck_assert_ptr_nonnull(c);
    conf_fail(c->priv, config_lookup(&c->priv->files->cfg, "log.[0].[0].[0].[0].[0]"), "here");
    report = conf_files_report(errors);
    ck_assert_ptr_nonnull(strstr(report, "line 2: ...nnnn"));
    ck_assert_ptr_nonnull(strstr(report, "nnn: here\n"));
    free(report);
    conf_free(c);
    conf_errors_free(errors);
}
END_TEST

#define LOOP(tc, test, table)                                                                      \
    tcase_add_loop_test(tc, test, 0, (int)(sizeof(table) / sizeof(table[0])))

int main(void)
{
    Suite *s = suite_create("conf_errors");
    TCase *tc = tcase_create("refused");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(tc, conf_files_begin, conf_files_end);
    LOOP(tc, top_level, top);
    LOOP(tc, in_listeners, listeners);
    LOOP(tc, in_edges, edges);
    LOOP(tc, in_policies, policies);
    tcase_add_test(tc, texts_are_disarmed_and_bounded);
    tcase_add_test(tc, long_paths_keep_their_end);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
