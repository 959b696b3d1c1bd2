/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For check_load: the right function, but what it answers is not a descriptor. */
#include "plugin-api/postern_module.h"

const struct pst_module *postern_module_v1(void)
{
    static const struct pst_module mod = { .magic = 0x21212121u, .name = "tm-magic" };
    return &mod;
}
