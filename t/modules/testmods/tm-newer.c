/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For check_load: needs a minor version that does not exist yet. */
#include "plugin-api/postern_module.h"

const struct pst_module *postern_module_v1(void)
{
    static const struct pst_module mod = {
        PST_MODULE_HEAD(7, 0),
        .name = "tm-newer",
        .version = "1",
        .scopes = PST_SCOPE_EDGE,
    };
    return &mod;
}
