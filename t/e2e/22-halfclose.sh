#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How relayed connections end: FIN of one side, of both, timers, resets.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
free_ports USUAL USUAL_UP HALF HALF_UP IDLE IDLE_UP

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
listeners = (
  { name = "usual"; address = "127.0.0.1:$USUAL"; not_tls = "usual";
    tcp = { keepalive = "33s"; user_timeout = "44s"; }; },
  { name = "half"; address = "127.0.0.1:$HALF"; not_tls = "half"; },
  { name = "idle"; address = "127.0.0.1:$IDLE"; not_tls = "idle"; }
);
edges = (
  { name = "usual"; upstream = "127.0.0.1:$USUAL_UP";
    tcp = { keepalive = "55s"; user_timeout = "66s"; }; },
  { name = "half"; upstream = "127.0.0.1:$HALF_UP"; timeouts = { half_close = "1500ms"; }; },
  { name = "idle"; upstream = "127.0.0.1:$IDLE_UP"; timeouts = { idle = "1500ms"; }; }
);
EOC
start_postern "$WORK/postern.conf"
python_test 22-halfclose.py "$POSTERN_PID" "$POSTERN_LOG" \
    "$USUAL" "$USUAL_UP" "$HALF" "$HALF_UP" "$IDLE" "$IDLE_UP"
stop_postern
assert_no_grep 'level=(error|warning)' "$POSTERN_LOG"
