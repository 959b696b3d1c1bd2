#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What happens at the limits: connections, descriptors, the deadline of the ClientHello, memory.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3

# start_with SETTING WORKERS: the daemon with one more setting.
start_with()
{
    free_ports PORT HASTY UPSTREAM
    cat >"$WORK/postern.conf" <<EOC
workers = $2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
timeouts = { hello = "60s"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; not_tls = "a"; },
              { name = "hasty"; address = "127.0.0.1:$HASTY"; timeouts = { hello = "1s"; }; } );
edges = ( { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$UPSTREAM"; } );
$1
EOC
    start_postern "$WORK/postern.conf"
}

# try CASE
try()
{
    python_test 31-limits.py "$1" "$POSTERN_PID" "$POSTERN_LOG" "$PORT" "$HASTY" "$UPSTREAM"
    stop_postern
}

for workers in 1 3; do
    say "max_connections, $workers workers"
    start_with 'max_connections = 8;' "$workers"
    try max_connections
    assert_grep 'accepting is paused" reason=max_connections .*max_connections=8' "$POSTERN_LOG"
done

say "descriptors"
start_with '' 2
try descriptors

start_with '' 2
try others
assert_no_grep 'accepting is paused' "$POSTERN_LOG"

say "more connections than descriptors"
start_with 'max_connections = 1000000;' 1
assert_grep 'max_connections is more than the limit of open files allows' "$POSTERN_LOG"
stop_postern
