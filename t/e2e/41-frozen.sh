#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The modules of 1.0, compiled against the headers of 1.0, in today's daemon.

. "${top_srcdir:-.}/t/e2e/lib.sh"

free_ports PORT ECHO

# The listener's frozen-mix names the edge "e" for every hello; what is no TLS is denied.
cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { target = "stderr"; level = "debug"; };
listeners = (
  { name = "front"; address = "127.0.0.1:$PORT"; not_tls = "denied";
    modules = ( { module = "frozen-mix"; word = "b"; items = ( { name = "first"; } ); } ); }
);
edges = (
  { name = "e"; domains = [ "e.test" ]; upstream = "127.0.0.1:$ECHO";
    modules = ( { module = "frozen-wait"; delay = "20ms"; }, { module = "frozen-mix"; } ); },
  { name = "denied"; upstream = "127.0.0.1:$ECHO";
    modules = ( { module = "frozen-deny"; net = "127.0.0.1"; } ); }
);
EOC

say "the plan"
assert_status 0 "$POSTERN" -t -v -c "$WORK/postern.conf"
for module in frozen-deny frozen-mix frozen-wait; do
    assert_grep "$module" "$WORK/out"
done

say "allowed: held, with bytes in front and a filter"
background echo "$TCP_PEER" --timeout "$DEADLINE" listen "127.0.0.1:$ECHO" accept echo
wait_for_log listening "$WORK/echo.log"
start_postern "$WORK/postern.conf"
"$TOOLS_DIR/hello_gen" --sni other.test >"$WORK/hello"
"$TCP_PEER" --timeout "$DEADLINE" --out "$WORK/echoed" connect "127.0.0.1:$PORT" \
    send-file "$WORK/hello" send-text axbxc shutdown recv-all
# The filter marks each piece with "!" and drops each "x".
assert_eq 505245 "$(od -An -tx1 -N3 "$WORK/echoed" | tr -d ' ')" "prepended bytes"
assert_eq 2116 "$(od -An -tx1 -j3 -N2 "$WORK/echoed" | tr -d ' ')" "mark and begin of the hello"
assert_eq abc "$(tr -d '!' <"$WORK/echoed" | tail -c 3)" "filtered end"
wait_for_log 'msg="conn_fini" module=frozen-mix listener=front' "$POSTERN_LOG"
assert_grep 'msg="sni other\.test" module=frozen-mix listener=front' "$POSTERN_LOG"
# The job may end after the connection.
assert_grep 'msg="closed: reason 1 jobs (0|11)" module=frozen-mix edge=e' "$POSTERN_LOG"
assert_grep 'edge=e sni=other\.test .*reason=client_fin' "$POSTERN_LOG"

say "denied"
"$TCP_PEER" --timeout "$DEADLINE" --out "$WORK/refused" connect "127.0.0.1:$PORT" \
    send-text 'hello\n' recv-all
assert_eq "" "$(cat "$WORK/refused")" "what a denied client gets"
wait_for_log 'edge=denied .*reason=denied .*module=frozen-deny code=frozen text="?not today' "$POSTERN_LOG"

say "the end"
stop_postern
for text in 'word b number 7 bytes 4096 flag 1' worker_init worker_fini retire detached fini; do
    assert_grep "msg=\"$text\" module=frozen-mix" "$POSTERN_LOG"
done
assert_no_grep 'level=error' "$POSTERN_LOG"
