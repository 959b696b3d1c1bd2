/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy-protocol: at a listener, takes the PROXY header that some peers must send and makes its
 * source the connection's client; at an edge, sends one to the upstream.
 */
#include "proxy.h"

#include <stdlib.h>

const struct pst_host *proxy_host;

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct proxy *p = calloc(1, sizeof(*p));
    int32_t rc = p != NULL ? proxy_configure(self, cfg, p) : PST_ERR_NOMEM;

    if (rc != PST_OK) {
        proxy_free(p);
        return rc;
    }
    *inst = p;
    return PST_OK;
}

/* Only now have all modules registered their variables. */
static int32_t link_up(void *inst)
{
    proxy_outbound_link(inst);
    return PST_OK;
}

static void fini(void *inst)
{
    proxy_free(inst);
}

static int32_t load(const struct pst_host *host)
{
    proxy_host = host;
    if (proxy_vars_register() != PST_OK || proxy_inbound_load() != PST_OK) {
        return PST_ERR;
    }
    return proxy_outbound_load();
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .link = link_up,
    .on_preface = proxy_on_preface,
    .on_upstream_ready = proxy_on_upstream_ready,
    .fini = fini,
};

/* Two headers in a row: nobody takes them. */
static const char *const conflicts[] = { PROXY_NAME, NULL };

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),        .name = PROXY_NAME,
    .version = "1.0.0",           .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
    .n_options = PROXY_N_OPTIONS, .option_size = sizeof(struct pst_option),
    .options = proxy_options,     .hooks = &hooks,
    .conflicts_list = conflicts,  .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
