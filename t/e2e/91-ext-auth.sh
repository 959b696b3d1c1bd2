#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The example module ext-auth in the running daemon: its server allows and denies, is slow, hangs
# up, is not there; clients go away while they wait; more ask than may.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need curl nginx openssl python3
free_ports PORT UPSTREAM
start_nginx_tls one "$UPSTREAM" a
background authd python3 "$top_srcdir/modules/examples/ext-auth/authd.py" "$WORK/auth" good.test
wait_for_log '^listening' "$WORK/authd.log"
python3 "$top_srcdir/t/e2e/91-ext-auth.py" "$WORK" >"$WORK/odd.log" 2>&1 &
STARTED+=($!)
LOGS+=("$WORK/odd.log")
wait_for_log '^listening' "$WORK/odd.log"

# edge NAME OPTIONS
edge()
{
    printf '{ name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%s";\n' "$1" "$1" "$UPSTREAM"
    printf '  modules = ( { module = "ext-auth"; %s } ); },\n' "$2"
}

cat >"$WORK/postern.conf" <<EOC
workers = 1;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = (
  $(edge good 'socket = "auth"; timeout = "20s";')
  $(edge bad 'socket = "auth"; timeout = "20s";')
  $(edge shadow 'socket = "auth"; timeout = "20s"; enforce = false;')
  $(edge slow 'socket = "silent"; timeout = "200ms";')
  $(edge open 'socket = "silent"; timeout = "200ms"; on_error = "allow";')
  $(edge waits 'socket = "silent"; timeout = "60s"; max_in_flight = 1;')
  $(edge hangup 'socket = "hangup"; timeout = "20s";')
  $(edge garbage 'socket = "garbage"; timeout = "20s";')
  $(edge nobody 'socket = "nobody"; timeout = "20s";')
  { name = "last"; domains = [ "last.test" ]; upstream = "127.0.0.1:$UPSTREAM"; }
);
EOC
start_postern "$WORK/postern.conf"

answer()
{
    curl_to "$PORT" "$1.test" / --insecure 2>/dev/null || true
}

# failed NAME TEXT: no answer for that name, and why.
failed()
{
    assert_eq "" "$(answer "$1")" "$1"
    wait_for_log "edge=$1 .*stage=on_admit module=ext-auth code=auth-failed .*$2" "$POSTERN_LOG"
}

say "answers"
assert_eq "one good.test /" "$(answer good)" "allowed"
assert_grep '"client": "127.0.0.1", "sni": "good.test", "edge": "good"' "$WORK/authd.log"
assert_eq "" "$(answer bad)" "denied"
wait_for_log 'edge=bad .*code=auth-denied .*bad.test is not for 127.0.0.1' "$POSTERN_LOG"
assert_eq "one shadow.test /" "$(answer shadow)" "not enforced"
wait_for_log 'would be denied.*module=ext-auth .*code=auth-denied' "$POSTERN_LOG"

say "no answers"
failed slow 'took too long'
failed hangup 'hung up'
failed garbage 'not in the protocol'
failed nobody 'No such file'
assert_eq "one open.test /" "$(answer open)" "on_error = allow"
wait_for_log 'no answer of the authorisation server: it took too long' "$POSTERN_LOG"
assert_eq "one last.test /" "$(answer last)" "an edge without it"

say "a client that goes away while it waits, and one too many"
asked()
{
    [ "$(grep -c '^silent .*"waits.test"' "$WORK/odd.log")" -ge "$1" ]
}
"$TOOLS_DIR/hello_gen" --sni waits.test >"$WORK/hello"
mkfifo "$WORK/go"
background waiting "$TCP_PEER" --timeout "$DEADLINE" connect "127.0.0.1:$PORT" \
    send-file "$WORK/hello" send-file "$WORK/go" rst
wait_until "$DEADLINE" asked 1 || fail "no question"
failed waits 'too many questions'
: >"$WORK/go"
wait_for_log '^gone .*"waits.test"' "$WORK/odd.log"
wait_for_log 'edge=waits .*reason=reset side=client' "$POSTERN_LOG"
# Its place is free again.
background again "$TCP_PEER" --timeout 60 connect "127.0.0.1:$PORT" send-file "$WORK/hello" hold
wait_until "$DEADLINE" asked 2 || fail "no place for another question"

say "a server that comes back, and a stop while a client waits"
kill "${STARTED[1]}"
wait_until "$DEADLINE" gone "${STARTED[1]}"
failed good '(Connection refused|No such file)'
background authd2 python3 "$top_srcdir/modules/examples/ext-auth/authd.py" "$WORK/auth" good.test
wait_for_log '^listening' "$WORK/authd2.log"
assert_eq "one good.test /" "$(answer good)" "allowed by the new server"
kill -TERM "$POSTERN_PID"
kill -INT "$POSTERN_PID"
wait_exit "$POSTERN_PID"
assert_no_grep 'module bug' "$POSTERN_LOG"
