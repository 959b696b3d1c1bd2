#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hundreds of reloads while clients connect: nobody notices, and nothing is left behind.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
export POSTERN MODULE_DIR TOOLS_DIR
free_ports PORT UPSTREAM
RELOADS=500
if [ -n "${SANITIZERS:-}${POSTERN_WRAP:-}" ]; then
    RELOADS=60
fi
python_test 51-reload-load.py "$WORK" "$PORT" "$UPSTREAM" "$RELOADS"
