/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module of 1.0 that touches what the other two do not: options of all kinds, services,
 * variables and notes, worker state, memory, jobs, prepend, filters, metrics, the record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <postern_module.h>

#define NAME "frozen-mix"

static const struct pst_host *host;
static int32_t var_note, var_lazy, metric;

struct mix {
    pst_instance *self;
    struct pst_str word;
    uint64_t number, bytes;
    uint32_t flag;
    uint32_t found;
};

static const struct pst_option item_options[] = {
    { .name = "name", .type = PST_OPT_STR, .flags = PST_OPT_REQUIRED, .help = "name" },
};

static const struct pst_option options[] = {
    { .name = "word", .type = PST_OPT_STR, .def = "a", .choices = "a|b", .help = "a choice" },
    { .name = "number", .type = PST_OPT_U64, .def = "7", .min = 1, .max = 9, .help = "a number" },
    { .name = "bytes", .type = PST_OPT_SIZE, .def = "4k", .help = "a size" },
    { .name = "flag", .type = PST_OPT_BOOL, .def = "true", .help = "a switch" },
    { .name = "items",
      .type = PST_OPT_GROUP,
      .flags = PST_OPT_LIST,
      .sub = item_options,
      .n_sub = 1,
      .help = "groups" },
};

static void say(const struct mix *m, pst_conn *conn, const char *text)
{
    host->log(m->self, conn, PST_LOG_NOTICE, text, strlen(text));
}

static int32_t lazy(void *ctx, pst_conn *conn, struct pst_value *value)
{
    (void)ctx;
    (void)conn;
    value->type = PST_VALUE_U64;
    value->u.u64 = 42;
    return PST_OK;
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    var_note = host->var_register(NAME, NAME ".note", PST_VALUE_STR, lazy, NULL);
    var_lazy = host->var_register(NAME, NAME ".lazy", PST_VALUE_U64, lazy, NULL);
    metric = host->metric_define(NAME, "seen", "connections", PST_METRIC_COUNTER);
    return var_note < 0 || var_lazy < 0 || metric < 0 ? PST_ERR : PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    static const uint32_t table[2] = { sizeof(table), 1 };
    struct mix *m = calloc(1, sizeof(*m));
    const pst_cfg *items = host->cfg_get(cfg, "items");
    struct pst_str name;
    char text[200];

    if (m == NULL) {
        return PST_ERR_NOMEM;
    }
    m->self = self;
    if (host->cfg_str(cfg, "word", &m->word) != PST_OK ||
        host->cfg_u64(cfg, "number", &m->number) != PST_OK ||
        host->cfg_size(cfg, "bytes", &m->bytes) != PST_OK ||
        host->cfg_bool(cfg, "flag", &m->flag) != PST_OK) {
        free(m);
        return PST_ERR_CONFIG;
    }
    for (uint32_t i = 0; items != NULL && i < host->cfg_count(items); i++) {
        if (host->cfg_str(host->cfg_at(items, i), "name", &name) == PST_OK) {
            say(m, NULL, name.p);
        }
    }
    snprintf(text, sizeof(text), "word %s number %d bytes %d flag %d", m->word.p, (int)m->number,
             (int)m->bytes, (int)m->flag);
    say(m, NULL, text);
    *inst = m;
    return host->publish(self, "frozen.mix/1", table, PST_SERVICE_MUST_BE_CONSUMED);
}

static void found(void *arg, const void *table)
{
    struct mix *m = arg;

    m->found += ((const uint32_t *)table)[1];
}

static int32_t link_services(void *inst)
{
    struct mix *m = inst;

    return host->find_each(m->self, "frozen.mix/1", found, m) == (int32_t)m->found ? PST_OK
                                                                                   : PST_ERR;
}

static int32_t worker_init(void *inst, pst_worker *worker, void **state)
{
    (void)worker;
    say(inst, NULL, "worker_init");
    *state = inst;
    return PST_OK;
}

static void worker_fini(void *inst, void *state)
{
    say(inst, NULL, state == inst ? "worker_fini" : "worker_fini without state");
}

/* Of its own: done() may run when the connection, and its memory, are gone. */
struct job {
    int ran;
    int *jobs; /* of the connection */
};

static void job(void *arg)
{
    ((struct job *)arg)->ran = 1;
}

static void job_done(void *arg, int32_t status)
{
    struct job *j = arg;

    if (status == PST_OK) {
        *j->jobs = j->ran + 10;
    }
    free(j);
}

static int32_t on_client_hello(struct pst_call *k)
{
    const struct pst_hello *h = k->arg;
    char text[64];

    if (h == NULL) {
        return PST_NEXT;
    }
    snprintf(text, sizeof(text), "sni %.*s", (int)h->sni.n, h->sni.p);
    say(k->inst, k->conn, text);
    return host->set_edge(k->conn, "e", 1) == PST_OK ? PST_NEXT : PST_ERROR;
}

static int32_t on_admit(struct pst_call *k)
{
    struct pst_value v = { 0 };
    int **jobs = k->state;
    struct job *j;

    *jobs = host->conn_alloc(k->conn, sizeof(int));
    host->metric_add(metric, 1);
    v.type = PST_VALUE_STR;
    v.u.str = pst_str_of("noted");
    if (*jobs == NULL || host->note_set(k->conn, var_note, &v) != PST_OK ||
        host->var_get(k->conn, var_lazy, &v) != PST_OK || v.u.u64 != 42) {
        return PST_ERROR;
    }
    j = calloc(1, sizeof(*j));
    if (j == NULL) {
        return PST_ERROR;
    }
    j->jobs = *jobs;
    if (host->offload(PST_OF_CONN(k->conn), job, job_done, j) != PST_OK) {
        free(j);
        return PST_ERROR;
    }
    return PST_NEXT;
}

static int32_t on_upstream_ready(struct pst_call *k)
{
    static const uint8_t bytes[] = { 'P', 'R', 'E' };

    return host->prepend(k->conn, PST_LAYER_WIRE, bytes, 3) == PST_OK ? PST_NEXT : PST_ERROR;
}

/* Drops every 'x', emits '!' in front of the rest, keeps a lone last byte for later. */
static int32_t filter_data(void *ctx, pst_filter_out *out, const uint8_t *data, size_t n,
                           uint32_t fin)
{
    (void)ctx;
    if (host->filter_emit(out, (const uint8_t *)"!", 1) != PST_OK) {
        return PST_ERR;
    }
    for (size_t i = 0; i < n && (fin || i + 1 < n); i++) {
        if ((data[i] == 'x' ? host->filter_drop(out, 1) : host->filter_pass(out, 1)) != PST_OK) {
            return PST_ERR;
        }
    }
    return PST_OK;
}

static void filter_detach(void *ctx)
{
    say(ctx, NULL, "detached");
}

static int32_t on_established(struct pst_call *k)
{
    static const struct pst_filter_ops ops = { sizeof(ops), 0, filter_data, filter_detach };

    return host->filter_attach(k->conn, PST_DIR_TO_UPSTREAM, &ops, k->inst) != NULL ? PST_NEXT
                                                                                    : PST_ERROR;
}

static int32_t on_close(struct pst_call *k)
{
    const struct pst_record *r = k->arg;
    int **jobs = k->state;
    char text[64];

    snprintf(text, sizeof(text), "closed: reason %u jobs %d", (unsigned)r->reason,
             *jobs != NULL ? **jobs : -1);
    say(k->inst, k->conn, text);
    return PST_NEXT;
}

static int32_t conn_fini(struct pst_call *k)
{
    say(k->inst, k->conn, "conn_fini");
    return PST_NEXT;
}

static int32_t adopt(void *inst, void *prev)
{
    say(inst, NULL, prev != NULL && prev != inst ? "adopt" : "adopt nothing");
    return PST_OK;
}

static void retire(void *inst)
{
    say(inst, NULL, "retire");
}

static void fini(void *inst)
{
    say(inst, NULL, "fini");
    free(inst);
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .link = link_services,
    .adopt = adopt,
    .worker_init = worker_init,
    .worker_fini = worker_fini,
    .on_client_hello = on_client_hello,
    .on_admit = on_admit,
    .on_upstream_ready = on_upstream_ready,
    .on_established = on_established,
    .on_close = on_close,
    .conn_fini = conn_fini,
    .retire = retire,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),
    .name = NAME,
    .version = "1.0",
    .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
    .conn_state_size = sizeof(int *),
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
