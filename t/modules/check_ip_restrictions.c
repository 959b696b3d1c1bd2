/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built module through the fake host. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "fake_host.h"

static struct fake_host *host;
static struct fake_module *module;
static char dir[] = "/tmp/postern-ipr-XXXXXX";
static char path[128];

static void setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR");

    snprintf(so, sizeof(so), "%s/ip-restrictions.so", modules != NULL ? modules : ".");
    host = fake_host_new();
    module = fake_module_load(host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(host));
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/list", dir);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    fake_host_free(host);
}

static void write_list(const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    fclose(f);
}

static struct fake_inst *make(const char *config)
{
    struct fake_inst *i = fake_inst_new(module, PST_SCOPE_EDGE, "api", config);

    ck_assert_msg(i != NULL, "%s", fake_host_transcript(host));
    return i;
}

/* The configuration is refused, and the reason contains `text`. */
static void refuses(const char *config, const char *text)
{
    fake_host_forget(host);
    ck_assert_ptr_null(fake_inst_new(module, PST_SCOPE_EDGE, "api", config));
    ck_assert_msg(fake_host_saw(host, text), "no \"%s\" in: %s", text, fake_host_transcript(host));
}

static int passes(struct fake_inst *i, const char *ip)
{
    pst_conn *c = fake_conn_new(host);
    int32_t verdict;

    fake_conn_set_ip(c, "conn.client_ip", ip);
    verdict = fake_conn_run(c, i, PST_STAGE_ADMIT, NULL);
    ck_assert(verdict == PST_NEXT || verdict == PST_DENY);
    ck_assert_str_eq(fake_conn_var(c, "ip-restrictions.decision"),
                     verdict == PST_NEXT ? "allow" : "block");
    fake_conn_end(c, NULL);
    return verdict == PST_NEXT;
}

START_TEST(descriptor)
{
    const struct pst_module *d = fake_module_desc(module);

    ck_assert_str_eq(d->name, "ip-restrictions");
    ck_assert_uint_eq(d->scopes, PST_SCOPE_LISTENER | PST_SCOPE_EDGE);
    ck_assert_uint_eq(d->flags, PST_FLAG_DECIDES);
}
END_TEST

START_TEST(allow_and_deny)
{
    struct fake_inst *i = make("deny = [\"203.0.113.66\", \"2001:db8:bad::/48\"];"
                               "allow = [\"203.0.113.0/24\", \"2001:db8::/32\"];");

    ck_assert(passes(i, "203.0.113.0"));
    ck_assert(passes(i, "203.0.113.255"));
    ck_assert(!passes(i, "203.0.113.66"));
    ck_assert(!passes(i, "203.0.112.255"));
    ck_assert(!passes(i, "203.0.114.0"));
    ck_assert(passes(i, "2001:db8::1"));
    ck_assert(!passes(i, "2001:db8:bad::1"));
    ck_assert(!passes(i, "2001:db9::"));
    ck_assert(!passes(i, "unix"));
    ck_assert_int_eq(fake_host_metric(host, "ip-restrictions", "allowed"), 3);
    ck_assert_int_eq(fake_host_metric(host, "ip-restrictions", "denied"), 6);
    fake_inst_free(i);
}
END_TEST

START_TEST(enforced)
{
    struct fake_inst *i = make("deny = [\"10.0.0.0/8\"]; default = \"allow\";");

    for (int shadow = 0; shadow < 2; shadow++) {
        pst_conn *c = fake_conn_new(host);

        fake_conn_set_ip(c, "conn.client_ip", "10.1.2.3");
        ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_ADMIT, NULL), PST_DENY);
        ck_assert_str_eq(fake_conn_var(c, "ip-restrictions.decision"), "block");
        ck_assert_str_eq(fake_conn_var(c, "ip-restrictions.enforced"), shadow ? "0" : "1");
        fake_conn_end(c, NULL);
        fake_inst_shadow(i);
    }
    fake_inst_free(i);
}
END_TEST

/* A narrower allow does not open what a wider deny closed. */
START_TEST(deny_wins)
{
    struct fake_inst *i = make("allow = [\"10.1.2.3\", \"0.0.0.0/0\", \"::/0\"];"
                               "deny = [\"10.0.0.0/8\"];");

    ck_assert(!passes(i, "10.1.2.3"));
    ck_assert(passes(i, "11.0.0.1"));
    ck_assert(passes(i, "::1"));
    fake_inst_free(i);
}
END_TEST

START_TEST(default_allow)
{
    struct fake_inst *i = make("deny = [\"10.0.0.0/8\", \"fc00::/7\"]; default = \"allow\";");

    ck_assert(!passes(i, "10.255.255.255"));
    ck_assert(!passes(i, "fd00::1"));
    ck_assert(passes(i, "9.255.255.255"));
    ck_assert(passes(i, "11.0.0.0"));
    ck_assert(passes(i, "unix"));
    fake_inst_free(i);
}
END_TEST

START_TEST(mapped_is_ipv4)
{
    struct fake_inst *i = make("allow = [\"::ffff:10.0.0.0/104\", \"2001:db8::/32\"];");

    ck_assert(passes(i, "10.1.1.1"));
    ck_assert(passes(i, "::ffff:10.1.1.1"));
    ck_assert(!passes(i, "::ffff:11.1.1.1"));
    fake_inst_free(i);
    i = make("allow = [\"::/0\"];");
    ck_assert(!passes(i, "10.1.1.1"));
    ck_assert(!passes(i, "::ffff:10.1.1.1"));
    ck_assert(passes(i, "::1"));
    fake_inst_free(i);
}
END_TEST

START_TEST(listener_judges_after_the_preface)
{
    struct fake_inst *i =
        fake_inst_new(module, PST_SCOPE_LISTENER, "public", "allow = [\"10.0.0.0/8\"];");
    pst_conn *c = fake_conn_new(host);

    ck_assert_ptr_nonnull(i);
    fake_conn_set_ip(c, "conn.client_ip", "192.0.2.1");
    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    fake_conn_set_ip(c, "conn.client_ip", "10.0.0.1");
    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_CLIENT_HELLO, NULL), PST_NEXT);
    fake_conn_set_ip(c, "conn.client_ip", "192.0.2.1");
    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_CLIENT_HELLO, NULL), PST_DENY);
    fake_conn_end(c, NULL);
    fake_inst_free(i);
}
END_TEST

static void decides(struct fake_inst *i, const char *ip, const char *code, const char *text,
                    const char *net, const char *rule)
{
    pst_conn *c = fake_conn_new(host);

    fake_conn_set_ip(c, "conn.client_ip", ip);
    fake_conn_run(c, i, PST_STAGE_ADMIT, NULL);
    ck_assert_str_eq(fake_conn_deny_code(c), code);
    ck_assert_str_eq(fake_conn_deny_text(c), text);
    ck_assert_str_eq(fake_conn_var(c, "ip-restrictions.matched_cidr"), net);
    ck_assert_str_eq(fake_conn_var(c, "ip-restrictions.rule"), rule);
    fake_conn_end(c, NULL);
}

START_TEST(says_which_rule)
{
    static const char list[] = "# list\r\n\r\n  198.51.100.0/24 # here\r\n";
    char config[512], rule[256];
    struct fake_inst *i;

    fake_host_shared(host, "ip_policies = ({ name = \"office\"; rules = ("
                           "{ cidr = \"203.0.113.66\"; action = \"deny\"; description = \"HQ\"; },"
                           "{ cidr = \"203.0.113.0/24\"; action = \"allow\"; }); });");
    write_list(list, sizeof(list) - 1);
    snprintf(config, sizeof(config),
             "policies = [\"office\"]; allow = [\"10.0.0.0/8\", \"10.9.0.0/16\"];"
             "allow_file = \"%s\";",
             path);
    i = make(config);
    decides(i, "203.0.113.66", "ip-denied",
            "203.0.113.66 matches deny 203.0.113.66/32 (policy office: HQ)", "203.0.113.66/32",
            "policy office");
    decides(i, "203.0.113.1", "", "", "203.0.113.0/24", "policy office");
    decides(i, "10.9.1.1", "", "", "10.9.0.0/16", "allow[1]");
    decides(i, "10.8.1.1", "", "", "10.0.0.0/8", "allow[0]");
    snprintf(rule, sizeof(rule), "allow_file %s:3", path);
    decides(i, "198.51.100.7", "", "", "198.51.100.0/24", rule);
    decides(i, "2001:db8::1", "ip-not-allowed", "2001:db8::1 matches no allow rule", "", "default");
    decides(i, "unix", "ip-not-allowed", "a client without IP address matches no allow rule", "",
            "default");
    fake_inst_free(i);
}
END_TEST

START_TEST(wrong_configurations)
{
    fake_host_shared(host, "ip_policies = ({ name = \"p\"; rules = ("
                           "{ cidr = \"10.0.0.1/8\"; action = \"allow\"; }); },"
                           "{ name = \"q\"; rules = ({ cidr = \"10.0.0.0/8\"; }); },"
                           "{ name = \"r\"; rules = ({ cidr = \"10.0.0.0/8\"; action = \"x\"; });"
                           "});");
    refuses("", "there are no rules");
    refuses("deny = [\"10.0.0.0/8\"];", "nothing is allowed");
    refuses("allow = [\"10.0.0.0/33\"];", "allow[0]");
    refuses("allow = [\"10.0.0.0/8\", \"x\"];", "allow[1]");
    refuses("allow = [\"::1\"]; default = \"maybe\";", "default");
    refuses("alow = [\"::1\"];", "unknown key");
    refuses("policies = [\"nobody\"];", "there is no policy \"nobody\"");
    refuses("policies = [\"p\"];", "host bits");
    refuses("policies = [\"q\"];", "a rule needs \"action\"");
    refuses("policies = [\"r\"];", "neither");
    refuses("allow_file = \"/nonexistent/list\";", "/nonexistent/list: No such file or directory");
    refuses("allow_file = \"/tmp\";", "/tmp: Is a directory");
}
END_TEST

START_TEST(wrong_lines_of_a_file)
{
    char config[256], text[4096] = "10.0.0.1/8\n::/0\nfoo\n1.2.3.4/40\n1.2.3.4 5\n";

    snprintf(config, sizeof(config), "allow_file = \"%s\";", path);
    write_list(text, strlen(text));
    refuses(config, ":1: \"10.0.0.1/8\" has host bits set; did you mean 10.0.0.0/8?");
    refuses(config, ":3: \"foo\" is not a network");
    refuses(config, ":4: \"1.2.3.4/40\" is not a network: the prefix length is wrong");
    refuses(config, ":5: \"1.2.3.4 5\" is not a network");
    memset(text, 0, sizeof(text));
    for (int i = 0; i < 33; i++) {
        strcat(text, "bad\n");
    }
    write_list(text, strlen(text));
    refuses(config, "and 13 more");
    ck_assert(fake_host_saw(host, ":20:"));
    ck_assert(!fake_host_saw(host, ":21:"));
    write_list("1.2.3.4\0\n", 9);
    refuses(config, ":1: \"1.2.3.4?\" is not a network");
}
END_TEST

START_TEST(warnings)
{
    const struct {
        const char *config, *text;
    } cases[] = {
        { "allow = [\"10.0.0.0/8\"];", "warning allow: only IPv4 networks are allowed" },
        { "allow = [\"fc00::/7\"];", "warning allow: only IPv6 networks are allowed" },
        { "allow = [\"10.0.0.0/8\", \"fc00::/7\"]; deny = [\"10.0.0.1\"];",
          "warning deny: only IPv4 networks are denied" },
        { "deny = [\"fc00::/7\"]; default = \"allow\";",
          "warning deny: only IPv6 networks are denied" },
        { "allow = [];", "warning allow: no network is allowed" },
        { "allow = [\"::1\"]; default = \"allow\";", "warning allow: default" },
    };

    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        fake_host_forget(host);
        fake_inst_free(make(cases[n].config));
        ck_assert_msg(fake_host_saw(host, cases[n].text), "%s: %s", cases[n].config,
                      fake_host_transcript(host));
    }
    fake_host_forget(host);
    fake_inst_free(make("allow = [\"10.0.0.0/8\", \"fc00::/7\"];"));
    ck_assert_str_eq(fake_host_transcript(host), "");
}
END_TEST

struct net {
    uint8_t ip[16];
    unsigned family, prefix;
};

static int naive_contains(const struct net *n, const uint8_t *ip, unsigned family)
{
    if (n->family != family) {
        return 0;
    }
    for (unsigned b = 0; b < n->prefix; b++) {
        if (((n->ip[b / 8] ^ ip[b / 8]) & (0x80u >> b % 8)) != 0) {
            return 0;
        }
    }
    return 1;
}

/* Few distinct bits, so that networks nest and addresses hit. */
static struct net random_net(unsigned *seed)
{
    struct net n = { .family = rand_r(seed) % 2 ? 4 : 6 };
    unsigned bits = n.family == 4 ? 32 : 128;

    n.prefix = (unsigned)rand_r(seed) % (bits + 1);
    for (unsigned i = 0; i < bits / 8; i++) {
        n.ip[i] = rand_r(seed) % 3 ? 0x20 : (uint8_t)(rand_r(seed) & 0x81);
    }
    for (unsigned b = n.prefix; b < bits; b++) {
        n.ip[b / 8] &= (uint8_t) ~(0x80u >> b % 8);
    }
    return n;
}

static void format_net(const struct net *n, char *out, size_t room)
{
    char ip[64];

    inet_ntop(n->family == 4 ? AF_INET : AF_INET6, n->ip, ip, sizeof(ip));
    snprintf(out, room, "%s/%u", ip, n->prefix);
}

START_TEST(agrees_with_the_naive_search)
{
    enum { NETS = 40, ROUNDS = 40, PROBES = 60 };
    unsigned seed = 20;

    for (int round = 0; round < ROUNDS; round++) {
        struct net nets[NETS];
        struct fake_inst *i;
        char config[8192] = "allow = [", text[80], ip[64];

        for (int n = 0; n < NETS; n++) {
            nets[n] = random_net(&seed);
            format_net(&nets[n], text, sizeof(text));
            if (n == NETS / 2) {
                strcat(config, "]; deny = [");
            }
            snprintf(config + strlen(config), sizeof(config) - strlen(config), "%s\"%s\"",
                     n % (NETS / 2) ? "," : "", text);
        }
        strcat(config, "];");
        i = make(config);
        for (int p = 0; p < PROBES; p++) {
            struct net addr = p < NETS ? nets[p] : random_net(&seed);
            const struct net *best[2] = { NULL, NULL }, *named;
            pst_conn *c = fake_conn_new(host);
            int32_t verdict;

            for (int n = 0; n < NETS; n++) {
                /* The narrowest network of each kind is the one that must be named. */
                const struct net **b = &best[n >= NETS / 2];

                if (naive_contains(&nets[n], addr.ip, addr.family) &&
                    (*b == NULL || nets[n].prefix > (*b)->prefix)) {
                    *b = &nets[n];
                }
            }
            inet_ntop(addr.family == 4 ? AF_INET : AF_INET6, addr.ip, ip, sizeof(ip));
            fake_conn_set_ip(c, "conn.client_ip", ip);
            verdict = fake_conn_run(c, i, PST_STAGE_ADMIT, NULL);
            ck_assert_int_eq(verdict, best[0] != NULL && best[1] == NULL ? PST_NEXT : PST_DENY);
            named = best[1] != NULL ? best[1] : best[0];
            text[0] = '\0';
            if (named != NULL) {
                format_net(named, text, sizeof(text));
            }
            ck_assert_str_eq(fake_conn_var(c, "ip-restrictions.matched_cidr"), text);
            fake_conn_end(c, NULL);
        }
        fake_inst_free(i);
        fake_host_forget(host);
    }
}
END_TEST

/* Of this process: what other ones do on the machine is no figure of ours. */
static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f != NULL) {
        if (fscanf(f, "%*d %ld", &pages) != 1) {
            pages = 0;
        }
        fclose(f);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Figures depend on the machine: they are printed, and only what is absurd fails. */
START_TEST(a_million_networks)
{
    unsigned seed = 7;
    FILE *f = fopen(path, "w");
    char config[256];
    struct fake_inst *i;
    double t;
    long before;

    ck_assert_ptr_nonnull(f);
    for (int n = 0; n < 1000000; n++) {
        unsigned r = (unsigned)rand_r(&seed);

        if (_i == 0) {
            fprintf(f, "%u.%u.%u.%u\n", r & 0xff, r >> 8 & 0xff, r >> 16 & 0xff, n & 0xff);
        } else {
            fprintf(f, "2001:%x:%x::%x:%x\n", r & 0xffff, r >> 16, n >> 16, n & 0xffff);
        }
    }
    fclose(f);
    snprintf(config, sizeof(config), "deny_file = \"%s\"; default = \"allow\";", path);
    before = resident_kib();
    t = seconds();
    i = make(config);
    t = seconds() - t;
    printf("1,000,000 IPv%d networks: loaded in %.2f s, %ld KiB\n", _i == 0 ? 4 : 6, t,
           resident_kib() - before);
    if (getenv("SANITIZERS") == NULL || getenv("SANITIZERS")[0] == '\0') {
        ck_assert_double_lt(t, 5.0);
        ck_assert_int_lt(resident_kib() - before, 64 * 1024);
    }
    ck_assert(passes(i, "127.0.0.1") || _i == 0);
    fake_inst_free(i);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ip-restrictions");
    TCase *t = tcase_create("module");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, descriptor);
    tcase_add_test(t, allow_and_deny);
    tcase_add_test(t, enforced);
    tcase_add_test(t, deny_wins);
    tcase_add_test(t, default_allow);
    tcase_add_test(t, mapped_is_ipv4);
    tcase_add_test(t, listener_judges_after_the_preface);
    tcase_add_test(t, says_which_rule);
    tcase_add_test(t, wrong_configurations);
    tcase_add_test(t, wrong_lines_of_a_file);
    tcase_add_test(t, warnings);
    tcase_add_test(t, agrees_with_the_naive_search);
    tcase_add_loop_test(t, a_million_networks, 0, 2);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
