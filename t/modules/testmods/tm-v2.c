/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For check_load: a module of the next major version only. */
#include "plugin-api/postern_module.h"

PST_EXPORT const void *postern_module_v2(void);

const void *postern_module_v2(void)
{
    return NULL;
}
