#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Metrics over HTTP: what promtool says of them, that they are right, and who gets them.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 curl promtool
POSTERNCTL=${POSTERNCTL:-$top_builddir/posternctl}
export POSTERN POSTERNCTL MODULE_DIR TOOLS_DIR SANITIZERS
free_ports PORT METRICS ONE TWO
python_test 81-metrics.py "$WORK" "$PORT" "$METRICS" "$ONE" "$TWO"
