#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A short one of make soak.
SOAK_SECONDS=${SOAK_SECONDS:-18} . "${top_srcdir:-.}/t/soak/soak.sh"
