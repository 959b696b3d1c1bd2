/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How limits are read from the configuration. */
#ifndef POSTERN_CONN_LIMITS_CONFIG_H
#define POSTERN_CONN_LIMITS_CONFIG_H

#include "limits.h"

/* The declared options. */
#define LIMITS_N_OPTIONS 14
extern const struct pst_option limits_options[LIMITS_N_OPTIONS];

/*
 * Read an instance's limits and make what is shared; every error is recorded with the host. PST_OK,
 * or PST_ERR_CONFIG / PST_ERR_NOMEM; the caller frees `l` in any case. [main]
 */
int32_t limits_configure(const struct pst_host *host, const pst_cfg *cfg, struct limits *l);

#endif
