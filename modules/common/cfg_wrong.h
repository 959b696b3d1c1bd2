/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the modules' readers of configuration have in common. */
#ifndef POSTERN_MODULES_CFG_WRONG_H
#define POSTERN_MODULES_CFG_WRONG_H

#include <postern_module.h>
#include <stdarg.h>
#include <stdio.h>

/*
 * host->cfg_error() with a text as of printf(), cut at 1023 bytes; answers PST_ERR_CONFIG. [main]
 */
__attribute__((format(printf, 3, 4))) static inline int32_t
cfg_wrong(const struct pst_host *host, const pst_cfg *at, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0) {
        n = 0;
    }
    host->cfg_error(at, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    return PST_ERR_CONFIG;
}

#endif
