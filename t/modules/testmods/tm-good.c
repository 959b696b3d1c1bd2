/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For check_load: a module that is in order and remembers whether load() and unload() ran. */
#include "plugin-api/postern_module.h"

static int loads;

static int32_t load(const struct pst_host *host)
{
    (void)host;
    loads++;
    return loads == 1 ? 0 : -1;
}

static void unload(void)
{
    loads--;
}

const struct pst_module *postern_module_v1(void)
{
    static const struct pst_module mod = {
        PST_MODULE_HEAD(0, 0), .name = "tm-good", .version = "1",   .scopes = PST_SCOPE_EDGE,
        .conn_state_size = 24, .load = load,      .unload = unload,
    };
    return &mod;
}
