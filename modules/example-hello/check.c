/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A test of example-hello through the fake host: no proxy, no network. Argument: the module. */
#include <stdio.h>

#include "fake_host.h"

static int failures;

static void expect(const struct fake_host *h, int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "not %s:\n%s\n", what, fake_host_transcript(h));
        failures++;
    }
}

int main(int argc, char **argv)
{
    struct pst_hello tls = { .size = sizeof(tls), .sni = { "www.example.com", 15 } };
    struct fake_host *h = fake_host_new();
    struct fake_module *m = argc == 2 ? fake_module_load(h, argv[1]) : NULL;
    struct fake_inst *i = NULL;
    pst_conn *c;

    expect(h, m != NULL, "loaded");
    if (m != NULL) {
        expect(h, fake_inst_new(m, PST_SCOPE_EDGE, "api", "greting = \"hi\";") == NULL, "refused");
        i = fake_inst_new(m, PST_SCOPE_EDGE, "api", "greeting = \"good day\";");
        expect(h, i != NULL, "configured");
    }
    if (i != NULL) {
        c = fake_conn_new(h);
        fake_conn_set_ip(c, "conn.client_ip", "192.0.2.7");
        fake_conn_set_hello(c, &tls);
        expect(h, fake_conn_run(c, i, PST_STAGE_ADMIT, NULL) == PST_NEXT, "let through");
        expect(h, fake_host_saw(h, "good day, www.example.com from 192.0.2.7"), "greeted");
        expect(h, fake_host_metric(h, "example-hello", "greetings") == 1, "counted");
        fake_conn_end(c, NULL);
    }
    fake_inst_free(i);
    fake_host_free(h);
    return failures > 0;
}
