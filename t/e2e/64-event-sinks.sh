#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where events go: files that are rotated, deleted, full; syslog, unix sockets that come and go;
# what a full buffer loses; reloads; listener and edge. The steps are in 64-event-sinks.py.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
export POSTERN MODULE_DIR TOOLS_DIR
free_ports PORT UPSTREAM
python_test 64-event-sinks.py "$WORK" "$PORT" "$UPSTREAM"
