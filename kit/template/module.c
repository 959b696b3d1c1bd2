/* SPDX-License-Identifier: MIT-0 */
/*
 * @NAME@: greets clients in the log, and can refuse those that name no server.
 *
 *     modules = ( { module = "@NAME@"; greeting = "good day"; } );
 *
 * What it said is the variable "@NAME@.greeting" of the connection, which other modules can read.
 */
#include <stdio.h>
#include <stdlib.h>

#include <postern_module.h>

#define NAME "@NAME@"

/* Set in load(), once per process, and only read afterwards: any thread may look. */
static const struct pst_host *host;
static int32_t var_greeting, metric_greetings;

/* One per entry in a list of modules. Nothing changes it after init(), so no lock is needed. */
struct entry {
    struct pst_str greeting;
    uint32_t deny_unnamed;
};

static const struct pst_option options[] = {
    { .name = "greeting", .type = PST_OPT_STR, .def = "hello", .help = "how clients are greeted" },
    { .name = "deny_unnamed",
      .type = PST_OPT_BOOL,
      .def = "false",
      .help = "refuse clients that name no server" },
};

/* The variable has no value but the one that greet() leaves. */
static int32_t no_value(void *ctx, pst_conn *conn, struct pst_value *value)
{
    (void)ctx;
    (void)conn;
    (void)value;
    return PST_OK;
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    var_greeting = host->var_register(NAME, NAME ".greeting", PST_VALUE_STR, no_value, NULL);
    metric_greetings =
        host->metric_define(NAME, "greetings", "clients greeted", PST_METRIC_COUNTER);
    return var_greeting < 0 || metric_greetings < 0 ? PST_ERR : PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct entry *e = calloc(1, sizeof(*e));

    (void)self;
    if (e == NULL) {
        return PST_ERR_NOMEM;
    }
    /* The host has checked types and filled in defaults; strings live until fini(). */
    if (host->cfg_str(cfg, "greeting", &e->greeting) != PST_OK ||
        host->cfg_bool(cfg, "deny_unnamed", &e->deny_unnamed) != PST_OK) {
        free(e);
        return PST_ERR_CONFIG;
    }
    *inst = e;
    return PST_OK;
}

static void fini(void *inst)
{
    free(inst);
}

static int32_t greet(struct pst_call *k)
{
    const struct entry *e = k->inst;
    const struct pst_hello *tls = host->conn_hello(k->conn); /* NULL when it is no TLS */
    struct pst_value said = { .type = PST_VALUE_STR };
    char text[512];
    int n;

    if (e->deny_unnamed && (tls == NULL || tls->sni.n == 0)) {
        host->deny(k->conn, "unnamed", 7, "the client names no server", 26);
        return PST_DENY;
    }
    /* Strings that cross the boundary have a length; no NUL is promised. */
    n = snprintf(text, sizeof(text), "%.*s, %.*s", (int)e->greeting.n, e->greeting.p,
                 tls != NULL ? (int)tls->sni.n : 0, tls != NULL ? tls->sni.p : "");
    if (n < 0) {
        return PST_ERROR;
    }
    said.u.str.p = text;
    said.u.str.n = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    host->log(k->self, k->conn, PST_LOG_INFO, said.u.str.p, said.u.str.n);
    host->metric_add(metric_greetings, 1);
    return host->note_set(k->conn, var_greeting, &said) == PST_OK ? PST_NEXT : PST_ERROR;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_admit = greet,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = NAME,
    .version = "0.1.0",
    .scopes = PST_SCOPE_EDGE,
    .n_options = sizeof(options) / sizeof(options[0]),
    .option_size = sizeof(options[0]),
    .options = options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
