/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For check_load: a shared object that is no module. */
#include "plugin-api/postern_module.h"

PST_EXPORT int something_else(void);

int something_else(void)
{
    return 1;
}
