#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Reload: what changes and what does not, and the life of modules through it.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
export POSTERN MODULE_DIR TOOLS_DIR
free_ports PORT SECOND ONE TWO
python_test 50-reload.py "$WORK" "$PORT" "$SECOND" "$ONE" "$TWO"
