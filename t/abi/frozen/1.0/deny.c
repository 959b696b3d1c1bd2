/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A module of 1.0: denies one address, at a listener or an edge. */
#include <string.h>

#include <postern_module.h>

static const struct pst_host *host;
static int32_t var_ip;

/* One instance is enough here. */
static struct pst_net denied;

static const struct pst_option options[] = {
    { .name = "net", .type = PST_OPT_NET, .flags = PST_OPT_REQUIRED, .help = "who is denied" },
};

static int32_t load(const struct pst_host *h)
{
    host = h;
    var_ip = host->var_id("conn.client_ip");
    return var_ip < 0 ? PST_ERR : PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    (void)self;
    *inst = &denied;
    return host->cfg_net(cfg, "net", &denied);
}

static int32_t judge(struct pst_call *k)
{
    const struct pst_net *net = k->inst;
    struct pst_value v;

    if (host->var_get(k->conn, var_ip, &v) != PST_OK || v.type != PST_VALUE_ADDR) {
        return PST_ERROR;
    }
    if (v.u.addr.family == net->addr.family && memcmp(v.u.addr.ip, net->addr.ip, 16) == 0) {
        host->deny(k->conn, "frozen", 6, "not today", 9);
        return PST_DENY;
    }
    return PST_NEXT;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_accept = judge,
    .on_admit = judge,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = "frozen-deny",
    .version = "1.0",
    .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
    .n_options = 1,
    .option_size = sizeof(options[0]),
    .options = options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
