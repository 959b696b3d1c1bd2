/* SPDX-License-Identifier: MIT */
/*
 * The one header that module authors include.
 *
 * Read in this order: pst_types.h, pst_abi.h (the descriptor), pst_hooks.h (stages), pst_config.h,
 * pst_host.h (what the host can do), pst_stream.h (transports and filters), pst_names.h (numbers as
 * texts). The manual page postern-module(7) tells how a module is written, built and installed.
 */
#ifndef POSTERN_MODULE_H
#define POSTERN_MODULE_H

#include "pst_types.h"
#include "pst_config.h"
#include "pst_stream.h"
#include "pst_hooks.h"
#include "pst_abi.h"
#include "pst_host.h"
#include "pst_names.h"

#endif
