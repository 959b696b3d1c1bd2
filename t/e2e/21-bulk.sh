#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Much data keeps its digest, both ways at once; a slow reader holds the sender back instead of
# filling memory. Without TLS, which would only cost time here; 20-clients.sh has TLS.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
free_ports PORT UPSTREAM SLOW_PORT SLOW

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
listeners = (
  { name = "public"; address = "127.0.0.1:$PORT"; not_tls = "bulk"; },
  { name = "slow"; address = "127.0.0.1:$SLOW_PORT"; not_tls = "slow"; }
);
edges = (
  { name = "bulk"; upstream = "127.0.0.1:$UPSTREAM"; },
  { name = "slow"; upstream = "127.0.0.1:$SLOW"; }
);
EOC
start_postern "$WORK/postern.conf"
python_test 21-bulk.py "$PORT" "$UPSTREAM" "$POSTERN_PID" "$POSTERN_LOG" "$SLOW_PORT" "$SLOW"
stop_postern
assert_no_grep 'level=(error|warning)' "$POSTERN_LOG"
