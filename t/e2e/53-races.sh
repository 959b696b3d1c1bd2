#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that break off anywhere, modules that resume from other threads, tunnels, and reloads in
# between: for the builds with sanitizers, but no build may fail a client.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
export POSTERN MODULE_DIR TOOLS_DIR
free_ports PORT INNER UPSTREAM
python_test 53-races.py "$WORK" "$PORT" "$INNER" "$UPSTREAM" "${RACE_SECONDS:-8}"
