#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every connection leaves one event, whatever happens meanwhile: clients that break off anywhere,
# modules that deny and wait, reloads, rotations. SOAK=200000 for that many connections.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
export POSTERN MODULE_DIR TOOLS_DIR
free_ports PORT UPSTREAM
python_test 64-event-soak.py "$WORK" "$PORT" "$UPSTREAM" "${SOAK:-3000}"
