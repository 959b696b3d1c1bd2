/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A test module: bytes in front of everything that goes upstream, below and above its transport. */
#include <postern_module.h>

#include <stdlib.h>

static const struct pst_host *host;

struct texts {
    struct pst_str wire, app;
};

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct texts *t = calloc(1, sizeof(*t));

    (void)self;
    if (t == NULL || host->cfg_str(cfg, "wire", &t->wire) != PST_OK ||
        host->cfg_str(cfg, "app", &t->app) != PST_OK) {
        free(t);
        return PST_ERR_CONFIG;
    }
    *inst = t;
    return PST_OK;
}

static int32_t put(pst_conn *conn, uint32_t layer, const struct pst_str *s)
{
    return s->n == 0 ? PST_OK : host->prepend(conn, layer, (const uint8_t *)s->p, s->n);
}

static int32_t on_upstream_ready(struct pst_call *k)
{
    const struct texts *t = k->inst;

    return put(k->conn, PST_LAYER_WIRE, &t->wire) == PST_OK &&
                   put(k->conn, PST_LAYER_APP, &t->app) == PST_OK
               ? PST_NEXT
               : PST_ERROR;
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static const struct pst_option options[] = {
    { .name = "wire", .type = PST_OPT_STR, .def = "", .help = "below the transport" },
    { .name = "app", .type = PST_OPT_STR, .def = "", .help = "inside of it" },
};

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_upstream_ready = on_upstream_ready,
    .fini = free,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),
    .name = "live-prepend",
    .version = "1.0",
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
