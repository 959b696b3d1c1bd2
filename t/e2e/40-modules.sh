#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The module ABI in the running daemon: PENDING in every way it can end, a claimed upstream without
# a descriptor, an injected connection, byte filters.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need curl nginx openssl
free_ports PORT INNER PLAIN UPSTREAM ECHO
start_nginx_tls one "$UPSTREAM" a

edge()
{
    printf '{ name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%s";\n' "$1" "$1" "$UPSTREAM"
    printf '  modules = ( { module = "live-pending"; %s } ); %s },\n' "$2" "${3:-}"
}

SHORT='timeouts = { pending = "400ms"; };'
cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { target = "stderr"; level = "debug"; };
timeouts = { pending = "60s"; };
listeners = (
  { name = "public"; address = "127.0.0.1:$PORT"; unknown_sni = "tunnel"; },
  { name = "inner"; address = "127.0.0.1:$INNER"; unknown_sni = "far"; },
  { name = "plain"; address = "127.0.0.1:$PLAIN"; not_tls = "lines"; }
);
edges = (
  $(edge resume 'mode = "resume"; delay = "20ms";')
  $(edge any 'mode = "any";')
  $(edge deny 'mode = "deny"; delay = "20ms";')
  $(edge shadow 'mode = "deny"; delay = "20ms"; enforce = false;')
  $(edge never 'mode = "never";' "$SHORT")
  $(edge late 'mode = "late"; delay = "700ms";' "$SHORT")
  $(edge forgotten 'mode = "forgotten";')
  $(edge dies 'mode = "never";')
  { name = "tunnel"; modules = ( { module = "live-tunnel"; into = "inner"; } ); },
  { name = "lost"; domains = [ "lost.test" ]; upstream = "127.0.0.1:$UPSTREAM";
    modules = ( { module = "live-tunnel"; into = "inner"; forgets = true; } ); },
  { name = "far"; upstream = "127.0.0.1:$UPSTREAM"; },
  { name = "lines"; upstream = "127.0.0.1:$ECHO"; modules = ( { module = "live-filter"; } ); }
);
EOC
start_postern "$WORK/postern.conf"

# answer NAME: what curl gets for it (certificates are for other names: not checked here).
answer()
{
    curl_to "$PORT" "$1" / --insecure 2>/dev/null || true
}

say "pending"
assert_eq "one resume.test /" "$(answer resume.test)" "resumed by a timer"
assert_eq "one any.test /" "$(answer any.test)" "resumed by another thread"
assert_eq "" "$(answer deny.test)" "denied by a timer"
assert_eq "one shadow.test /" "$(answer shadow.test)" "denied, not enforced"
assert_eq "" "$(answer never.test)" "ended by the deadline"
assert_eq "" "$(answer late.test)" "ended by the deadline, resumed later"
assert_eq "" "$(answer forgotten.test)" "pending without suspend"
wait_for_log 'late resume' "$POSTERN_LOG"
assert_grep 'edge=deny .*reason=denied .*stage=on_admit module=live-pending' "$POSTERN_LOG"
assert_grep 'would be denied.*module=live-pending' "$POSTERN_LOG"
assert_grep 'edge=never .*module=live-pending code=pending-timeout' "$POSTERN_LOG"
assert_grep 'edge=forgotten .*reason=denied .*code=module-error' "$POSTERN_LOG"
assert_grep 'module bug.*PST_PENDING without suspend' "$POSTERN_LOG"

say "a client that goes away while suspended"
"$TOOLS_DIR/hello_gen" --sni dies.test >"$WORK/hello"
"$TCP_PEER" connect "127.0.0.1:$PORT" send-file "$WORK/hello" rst
wait_for_log 'edge=dies .*reason=reset side=client' "$POSTERN_LOG"

say "a claimed upstream without a descriptor, injected into another listener"
# No edge has this name: the public listener gives it to the tunnel, the inner one to the far edge.
head -c 3000000 /dev/urandom >"$WORK/files/big"
curl_to "$PORT" a.test /files/big >"$WORK/big"
cmp "$WORK/files/big" "$WORK/big" || fail "bytes changed in the tunnel"
wait_for_log 'listener=inner edge=far sni=a.test client="?192.0.2.7:4242' "$POSTERN_LOG"
wait_for_log 'listener=public edge=tunnel sni=a.test client="?127.0.0.1' "$POSTERN_LOG"
assert_grep 'listener=public edge=tunnel .*bytes_out=30[0-9]{5}' "$POSTERN_LOG"

say "a stream supplied without saying so"
assert_eq "" "$(answer lost.test)" "claimed without PST_CLAIM"
wait_for_log 'edge=lost .*reason=denied .*code=module-error' "$POSTERN_LOG"
assert_grep 'module bug.*a stream without PST_CLAIM' "$POSTERN_LOG"

say "filters"
background echo "$TCP_PEER" --timeout "$DEADLINE" listen "127.0.0.1:$ECHO" accept echo
wait_for_log listening "$WORK/echo.log"
# Letters are swapped on the way there and stay so on the way back; lines get a mark.
"$TCP_PEER" --out "$WORK/lines" connect "127.0.0.1:$PLAIN" \
    send-text 'hello\nworld\nrest' shutdown recv-all
assert_eq $'> uryyb\n> jbeyq\n> erfg' "$(cat "$WORK/lines")" "filtered lines"
wait_for_log 'edge=lines .*reason=client_fin' "$POSTERN_LOG"

stop_postern
assert_no_grep 'level=error msg="?(assert|runtime)' "$POSTERN_LOG"
