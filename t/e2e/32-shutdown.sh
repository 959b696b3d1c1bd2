#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The end of the daemon: drain, deadline, at once, and what a crash leaves behind.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
free_ports PORT UPSTREAM
for n in {1..12}; do
    LOGS+=("$WORK/$n.log")
done
python_test 32-shutdown.py "$POSTERN" "$WORK" "$MODULE_DIR" "$PORT" "$UPSTREAM"
