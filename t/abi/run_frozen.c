/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives modules that were compiled against a frozen copy of the headers through today's host
 * and prints what they asked for; frozen.sh compares. Argument: the folder of the modules.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"

static struct fake_host *host;

static struct fake_module *load(const char *dir, const char *name)
{
    char path[4096];
    struct fake_module *m;

    snprintf(path, sizeof(path), "%s/%s.so", dir, name);
    m = fake_module_load(host, path);
    if (m == NULL) {
        fputs(fake_host_transcript(host), stderr);
        exit(1);
    }
    return m;
}

static struct fake_inst *make(struct fake_module *m, uint32_t scope, const char *config)
{
    struct fake_inst *i = fake_inst_new(m, scope, "e", config);

    if (i == NULL || fake_inst_link(i) != PST_OK || fake_inst_worker(i) != PST_OK) {
        fputs(fake_host_transcript(host), stderr);
        exit(1);
    }
    return i;
}

static void run_deny(struct fake_module *m)
{
    struct fake_inst *i = make(m, PST_SCOPE_LISTENER, "net = \"192.0.2.1\";");
    pst_conn *c = fake_conn_new(host);

    fake_conn_set_ip(c, "conn.client_ip", "192.0.2.2");
    fake_conn_run(c, i, PST_STAGE_ACCEPT, NULL);
    fake_conn_set_ip(c, "conn.client_ip", "192.0.2.1");
    fake_conn_run(c, i, PST_STAGE_ACCEPT, NULL);
    fake_conn_run(c, i, PST_STAGE_ADMIT, NULL);
    fake_conn_end(c, NULL);
    fake_inst_free(i);
    fake_inst_free(fake_inst_new(m, PST_SCOPE_EDGE, "e", "net = \"192.0.2.1/24\";"));
    fake_inst_free(fake_inst_new(m, PST_SCOPE_EDGE, "e", "nett = \"192.0.2.1\";"));
}

static void run_wait(struct fake_module *m)
{
    struct fake_inst *i = make(m, PST_SCOPE_EDGE, "");
    pst_conn *resumed = fake_conn_new(host), *late = fake_conn_new(host);
    int32_t verdict = 0;

    fake_conn_run(resumed, i, PST_STAGE_ADMIT, NULL);
    printf("fired %d\n", fake_host_advance(host, 49));
    printf("fired %d\n", fake_host_advance(host, 1));
    printf("resumed %d", fake_conn_resumed(resumed, &verdict));
    printf(" with %d\n", verdict);
    fake_conn_run(late, i, PST_STAGE_ADMIT, NULL);
    fake_conn_expire(late);
    printf("fired %d\n", fake_host_advance(host, 1000));
    fake_conn_end(late, NULL);
    fake_conn_end(resumed, NULL);
    late = fake_conn_new(host);
    fake_conn_run(late, i, PST_STAGE_ADMIT, NULL);
    fake_conn_end(late, NULL);
    printf("tickets %d\n", fake_host_tickets(host));
    fake_inst_free(i);
}

static void run_mix(struct fake_module *m)
{
    struct fake_inst *i = make(m, PST_SCOPE_EDGE, "items = ( { name = \"one\"; } ); number = 9;");
    struct fake_inst *next = make(m, PST_SCOPE_EDGE, "word = \"b\"; bytes = \"1m\"; flag = false;");
    struct pst_hello hello = { .size = sizeof(hello), .sni = { "example.com", 11 } };
    struct pst_str out;
    pst_conn *c = fake_conn_new(host);
    int32_t rc;

    fake_inst_adopt(next, i);
    printf("unconsumed %d\n", fake_host_unconsumed(host));
    fake_conn_run(c, i, PST_STAGE_CLIENT_HELLO, &hello);
    fake_conn_run(c, i, PST_STAGE_ADMIT, NULL);
    printf("jobs %d\n", fake_host_turn(host));
    fake_conn_run(c, i, PST_STAGE_UPSTREAM_READY, NULL);
    fake_conn_run(c, i, PST_STAGE_ESTABLISHED, NULL);
    out = fake_conn_filter(c, PST_DIR_TO_UPSTREAM, "axbxc", 5, 0, &rc);
    printf("filtered %.*s rc %d\n", (int)out.n, out.p, rc);
    out = fake_conn_filter(c, PST_DIR_TO_UPSTREAM, "d", 1, 1, &rc);
    printf("filtered %.*s rc %d\n", (int)out.n, out.p, rc);
    printf("note %s\n", fake_conn_var(c, "frozen-mix.note"));
    printf("seen %d\n", (int)fake_host_metric(host, "frozen-mix", "seen"));
    fake_inst_retire(i);
    fake_conn_end(c, NULL);
    fake_inst_free(i);
    fake_inst_free(next);
    fake_inst_free(fake_inst_new(m, PST_SCOPE_EDGE, "e", "number = 10;"));
    fake_inst_free(fake_inst_new(m, PST_SCOPE_EDGE, "e", "word = \"c\";"));
    fake_inst_free(fake_inst_new(m, PST_SCOPE_EDGE, "e", "items = ( { } );"));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct fake_module *m);
    } modules[] = {
        { "frozen-deny", run_deny },
        { "frozen-wait", run_wait },
        { "frozen-mix", run_mix },
    };

    if (argc != 2) {
        fputs("usage: run_frozen FOLDER\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        host = fake_host_new();
        printf("== %s\n", modules[i].name);
        modules[i].run(load(argv[1], modules[i].name));
        fputs(fake_host_transcript(host), stdout);
        fake_host_free(host);
    }
    return 0;
}
