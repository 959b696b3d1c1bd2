/* SPDX-License-Identifier: MIT-0 */
/* A test of @NAME@ through the fake host: no proxy, no network. Argument: the module. */
#include <stdio.h>
#include <string.h>

#include "fake_host.h"

static int failures;

static void expect(const struct fake_host *h, int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "not %s:\n%s\n", what, fake_host_transcript(h));
        failures++;
    }
}

static void greets(struct fake_host *h, struct fake_inst *i)
{
    struct pst_hello tls = { .size = sizeof(tls), .sni = { "www.example.com", 15 } };
    pst_conn *c = fake_conn_new(h);

    fake_conn_set_hello(c, &tls);
    expect(h, fake_conn_run(c, i, PST_STAGE_ADMIT, NULL) == PST_NEXT, "let through");
    expect(h, fake_host_saw(h, "good day, www.example.com"), "greeted");
    expect(h, strcmp(fake_conn_var(c, "@NAME@.greeting"), "good day, www.example.com") == 0,
           "left as a variable");
    expect(h, fake_host_metric(h, "@NAME@", "greetings") == 1, "counted");
    fake_conn_end(c, NULL);
}

static void denies(struct fake_host *h, struct fake_inst *i)
{
    pst_conn *c = fake_conn_new(h);

    expect(h, fake_conn_run(c, i, PST_STAGE_ADMIT, NULL) == PST_DENY, "denied");
    expect(h, strcmp(fake_conn_deny_code(c), "unnamed") == 0, "told why");
    fake_conn_end(c, NULL);
}

int main(int argc, char **argv)
{
    struct fake_host *h = fake_host_new();
    struct fake_module *m = argc == 2 ? fake_module_load(h, argv[1]) : NULL;
    struct fake_inst *i = NULL;

    expect(h, m != NULL, "loaded");
    if (m != NULL) {
        expect(h, fake_inst_new(m, PST_SCOPE_EDGE, "api", "greting = \"hi\";") == NULL, "refused");
        i = fake_inst_new(m, PST_SCOPE_EDGE, "api",
                          "greeting = \"good day\"; deny_unnamed = true;");
        expect(h, i != NULL, "configured");
    }
    if (i != NULL) {
        greets(h, i);
        denies(h, i);
    }
    fake_inst_free(i);
    fake_host_free(h);
    return failures > 0;
}
