/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * example-hello: the module to copy. It greets every client in the log and counts the greetings:
 *
 *     modules = ( { module = "example-hello"; greeting = "good day"; } );
 *
 * writes "good day, www.example.com from 192.0.2.7". It needs nothing but the installed header;
 * the Makefile beside it builds it outside of Postern's tree.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <postern_module.h>

#define NAME "example-hello"

/* Set in load(), once per process, and only read afterwards: any thread may look. */
static const struct pst_host *host;
static int32_t var_client_ip, metric_greetings;

/* One per entry in a list of modules. Nothing changes it after init(), so no lock is needed. */
struct hello {
    struct pst_str greeting;
};

static const struct pst_option options[] = {
    { .name = "greeting", .type = PST_OPT_STR, .def = "hello", .help = "how clients are greeted" },
};

static int32_t load(const struct pst_host *h)
{
    host = h;
    var_client_ip = host->var_id("conn.client_ip");
    metric_greetings =
        host->metric_define(NAME, "greetings", "clients greeted", PST_METRIC_COUNTER);
    return var_client_ip < 0 || metric_greetings < 0 ? PST_ERR : PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct hello *h = calloc(1, sizeof(*h));

    (void)self;
    if (h == NULL) {
        return PST_ERR_NOMEM;
    }
    /* The host has checked the type and filled in the default; strings live until fini(). */
    if (host->cfg_str(cfg, "greeting", &h->greeting) != PST_OK) {
        free(h);
        return PST_ERR_CONFIG;
    }
    *inst = h;
    return PST_OK;
}

static void fini(void *inst)
{
    free(inst);
}

/* At a listener every client comes by, at an edge those that the edge is for. */
static int32_t greet(struct pst_call *k)
{
    const struct hello *h = k->inst;
    const struct pst_hello *tls = host->conn_hello(k->conn); /* NULL when it is no TLS */
    struct pst_value client = { 0 };
    char ip[INET6_ADDRSTRLEN] = "somewhere", text[512];
    int n;

    host->metric_add(metric_greetings, 1);
    if (!host->log_enabled(PST_LOG_INFO)) {
        return PST_NEXT;
    }
    if (host->var_get(k->conn, var_client_ip, &client) == PST_OK && client.type == PST_VALUE_ADDR &&
        client.u.addr.family != PST_AF_UNIX) {
        inet_ntop(client.u.addr.family == PST_AF_INET ? AF_INET : AF_INET6, client.u.addr.ip, ip,
                  sizeof(ip));
    }
    /* Strings that cross the boundary have a length; no NUL is promised. */
    n = snprintf(text, sizeof(text), "%.*s, %.*s from %s", (int)h->greeting.n, h->greeting.p,
                 tls != NULL ? (int)tls->sni.n : 0, tls != NULL ? tls->sni.p : "", ip);
    if (n > 0) {
        host->log(k->self, k->conn, PST_LOG_INFO, text,
                  (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    }
    return PST_NEXT;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_client_hello = greet,
    .on_admit = greet,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),
    .name = NAME,
    .version = "1.0.0",
    .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
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
