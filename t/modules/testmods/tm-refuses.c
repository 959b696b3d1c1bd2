/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For check_load: its load() fails, and says so if it is run a second time. */
#include "plugin-api/postern_module.h"

static int32_t load(const struct pst_host *host)
{
    static int runs;

    (void)host;
    return runs++ == 0 ? PST_ERR_UNSUPPORTED : PST_ERR_STATE;
}

const struct pst_module *postern_module_v1(void)
{
    static const struct pst_module mod = {
        PST_MODULE_HEAD(0, 0),    .name = "tm-refuses", .version = "1",
        .scopes = PST_SCOPE_EDGE, .load = load,
    };
    return &mod;
}
