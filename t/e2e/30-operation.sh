#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon as its administrator sees it: command line, configuration check, ports, log files, the
# service manager, privileges.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 curl nginx
free_ports PORT UPSTREAM MANAGED TARGET
CONF=$WORK/postern.conf

say "command line"
assert_status 0 "$POSTERN" -V
assert_grep '^postern [0-9]+\.[0-9]+' "$WORK/out"
assert_grep '^module ABI: +[0-9]+\.[0-9]+$' "$WORK/out"
assert_grep '^(modules|config): +/' "$WORK/out"
cp "$WORK/out" "$WORK/version"
assert_status 0 "$POSTERN" --version
cmp -s "$WORK/version" "$WORK/out" || fail "-V and --version differ"
assert_status 0 "$POSTERN" -h
assert_grep '^Usage: postern' "$WORK/out"
for option in -c -t -v -V -h; do
    assert_grep "^  $option, --" "$WORK/out"
done
assert_status 2 "$POSTERN" --no-such-option
assert_grep 'no-such-option' "$WORK/out"
assert_status 2 "$POSTERN" -c
assert_status 2 "$POSTERN" -t -c "$CONF" surplus
assert_grep 'unexpected argument: surplus' "$WORK/out"
assert_status 1 "$POSTERN" -t -c "$WORK/not-there"
assert_grep 'not-there: cannot be read: No such file' "$WORK/out"

say "-t, and -V of a module folder"
cat >"$CONF" <<EOC
workers = 1;
module_dir = "$MODULE_DIR";
listeners = (
  { name = "public"; address = "127.0.0.1:$PORT"; not_tls = "b";
    modules = (
      { module = "ip-restrictions"; deny = [ "192.0.2.0/24" ]; default = "allow"; } ); } );
edges = (
  { name = "a"; domains = [ "a.test", "*.a.test" ]; upstream = "127.0.0.1:$UPSTREAM";
    modules = (
      { module = "live-filter"; },
      { module = "ip-restrictions"; enforce = false; allow = [ "0.0.0.0/0", "::/0" ]; },
      { module = "live-pending"; mode = "any"; enabled = false; } ); },
  { name = "b"; upstream = "127.0.0.1:$UPSTREAM"; }
);
EOC
assert_status 0 "$POSTERN" -t -v -c "$CONF"
cat >"$WORK/expected" <<EOC
postern: warning: $CONF:6: listeners[0].modules[0].deny: only IPv4 networks are denied: IPv6 clients are never denied
listener public
  on_client_hello    ip-restrictions
edge a
  on_admit           ip-restrictions (not enforced)
  on_established     live-filter
edge b
postern: $CONF is good
EOC
diff -u "$WORK/expected" "$WORK/out" || fail "the plan is another one"
assert_status 0 "$POSTERN" -V -c "$CONF"
assert_grep "^modules: +$MODULE_DIR\$" "$WORK/out"
for so in "$MODULE_DIR"/*.so; do
    name=${so##*/}
    assert_grep "^  ${name%.so} ([0-9]|cannot be loaded: )" "$WORK/out"
    if ldd "$so" 2>/dev/null | grep libwolfssl >/dev/null; then
        assert_grep "^  ${name%.so} [0-9.]+ \(wolfSSL [0-9.]+, " "$WORK/out"
    fi
done
assert_status 1 "$POSTERN" -V -c "$WORK/not-there"
assert_status 0 "$POSTERN" -t -c "$CONF"
assert_no_grep 'on_admit' "$WORK/out"

say "all errors at once"
cat >"$WORK/bad.conf" <<EOC
workers = 2000;
log = { target = "stderr"; level = "loud"; };
listeners = (
  { name = "public"; address = "127.0.0.1:99999"; unknown_sni = "nobody"; colour = "red"; } );
edges = (
  { name = "a"; domains = [ "a.test", "A.test." ]; upstream = "127.0.0.1"; },
  { name = "a"; domains = [ "10.0.0.1" ]; upstream = "unix:x"; timeouts = { idle = 5; }; }
);
EOC
assert_status 1 "$POSTERN" -t -c "$WORK/bad.conf"
sed "s|@|postern: error: $WORK/bad.conf:|; s|FILE|$WORK/bad.conf|" <<'EOC' | sort >"$WORK/expected"
@1: workers: 2000 is out of range: 0 to 1024
@2: log.level: "loud" is not one of error|warning|notice|info|debug
@4: listeners[0].address: "127.0.0.1:99999" has no valid port; ports are 1 to 65535
@4: listeners[0].colour: unknown key
@6: edges[0].upstream: "127.0.0.1" has no port; write "127.0.0.1:443"
@7: edges[1].domains[0]: "10.0.0.1" is an IP address, which a TLS client never sends as a name; use no_sni of the listener
@7: edges[1].timeouts.idle: expected a duration, found an integer; durations are strings with a unit: "5s"
@7: edges[1].name: another edge is called "a" (FILE:6)
@4: listeners[0].unknown_sni: "nobody" is neither "refuse" nor "close" nor the name of an edge
@6: edges[0].domains[1]: "a.test" is listed twice
EOC
sort "$WORK/out" | diff -u "$WORK/expected" - || fail "other errors"
# A start says the same and does not start.
mv "$WORK/out" "$WORK/checked"
assert_status 1 "$POSTERN" -c "$WORK/bad.conf"
cmp "$WORK/checked" "$WORK/out" || fail "-t and a start say different things"
printf 'workers = 1;\nlisteners = (\n' >"$WORK/cut.conf"
assert_status 1 "$POSTERN" -t -c "$WORK/cut.conf"
assert_grep 'cut\.conf:[23]: syntax error' "$WORK/out"

say "modules that others could write"
mkdir "$WORK/modules"
cp "$MODULE_DIR/live-filter.so" "$WORK/modules/"
chmod 755 "$WORK/modules"
chmod 644 "$WORK/modules/live-filter.so"
cat >"$WORK/own.conf" <<EOC
module_dir = "$WORK/modules";
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = ( { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$UPSTREAM";
            modules = ( { module = "live-filter"; } ); } );
EOC
assert_status 0 "$POSTERN" -t -c "$WORK/own.conf"
chmod g+w "$WORK/modules/live-filter.so"
assert_status 1 "$POSTERN" -t -c "$WORK/own.conf"
assert_grep 'live-filter\.so is writable by group or others \(mode 0664\)' "$WORK/out"
chmod 644 "$WORK/modules/live-filter.so"
chmod o+w "$WORK/modules"
assert_status 1 "$POSTERN" -t -c "$WORK/own.conf"
assert_grep 'modules is writable by group or others \(mode 0757\)' "$WORK/out"

say "ports in use"
start_nginx_tls one "$UPSTREAM" a
sed "s/:$PORT\"/:$UPSTREAM\"/" "$CONF" >"$WORK/taken.conf"
assert_status 1 "$POSTERN" -c "$WORK/taken.conf"
assert_grep "listeners\[0\]: cannot listen on 127\.0\.0\.1:$UPSTREAM: Address already in use" \
    "$WORK/out"

say "log files"
cat >"$CONF" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { target = "file:log"; level = "debug"; };
control = { socket = "control.sock"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = ( { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$UPSTREAM"; } );
EOC
CTL=("${POSTERNCTL:-$top_builddir/posternctl}" -s "$WORK/control.sock")
background postern "$POSTERN" -c "$CONF"
POSTERN_PID=$PID
LOGS+=("$WORK/log")
wait_for_log 'msg="?ready' "$WORK/log"
assert_eq 640 "$(stat -c %a "$WORK/log")" "mode of the log"
# Ours is a SO_REUSEPORT socket: the second daemon must notice all the same.
sed 's/file:log/stderr/' "$CONF" >"$WORK/taken.conf"
assert_status 1 "$POSTERN" -c "$WORK/taken.conf"
assert_grep "cannot listen on 127\.0\.0\.1:$PORT: Address already in use" "$WORK/out"

URLS=()
for i in {1..100}; do
    URLS+=("https://a.test:$PORT/$i")
done
for round in 1 2 3; do
    curl --silent --fail --noproxy '*' --cacert "$CERTS/ca.pem" --resolve "a.test:$PORT:127.0.0.1" \
        --no-keepalive -H 'Connection: close' "${URLS[@]}" >"$WORK/answers" &
    CURL=$!
    n=0
    until gone "$CURL"; do
        n=$((n + 1))
        mv "$WORK/log" "$WORK/log.$round.$n"
        case $((n % 2)) in
        0) kill -USR1 "$POSTERN_PID" ;;
        1) assert_status 0 "${CTL[@]}" reopen ;;
        esac
        wait_until "$DEADLINE" test -e "$WORK/log" || fail "no new log file"
    done
    wait "$CURL" || fail "curl"
    assert_eq 100 "$(wc -l <"$WORK/answers")" "answers"
done
mv "$WORK/log" "$WORK/log.4.1"
mkdir "$WORK/log"
assert_status 1 "${CTL[@]}" reopen
assert_grep 'not every file could be opened again' "$WORK/out"
wait_for_log 'the log cannot be reopened; the old file stays.*directory' "$WORK/log.4.1"
rmdir "$WORK/log"
assert_status 0 "${CTL[@]}" reopen
kill -TERM "$POSTERN_PID"
wait_exit "$POSTERN_PID"
assert_eq 0 "$STATUS" "exit status of postern"
cat "$WORK"/log.*.* "$WORK/log" >"$WORK/all"
say "$(find "$WORK" -name 'log.*.*' | wc -l) log files"
assert_eq 300 "$(grep -c 'connection closed.* edge=a .*bytes_out=' "$WORK/all")" "lines in all files"
assert_eq 300 "$(grep -o ' conn=[0-9]*' "$WORK/all" | sort -u | wc -l)" "connections in all files"
assert_no_grep '^[^2]|[^"a-z0-9]$' "$WORK/all"
# Until the log is open, what is said goes to stderr.
assert_no_grep 'connection closed|msg="?(ready|draining)|level=(error|warning)' "$WORK/postern.log"

say "service manager"
python_test 30-operation.py "$POSTERN" "$WORK" "$MODULE_DIR" "$MANAGED" "$TARGET"

say "without standard streams"
rm -f "$WORK/log"
"$POSTERN" -c "$CONF" 0<&- 1>&- 2>&- &
POSTERN_PID=$!
STARTED+=("$POSTERN_PID")
wait_for_log 'msg="?ready' "$WORK/log"
for fd in 0 1 2; do
    assert_eq /dev/null "$(readlink "/proc/$POSTERN_PID/fd/$fd")" "descriptor $fd"
done
kill -TERM "$POSTERN_PID"
wait_exit "$POSTERN_PID"

say "privileges"
sed -i 's/file:log/stderr/' "$CONF"
printf 'user = "no-such-user-of-ours";\n' | cat - "$CONF" >"$WORK/user.conf"
assert_status 1 "$POSTERN" -c "$WORK/user.conf"
assert_grep 'no such user: no-such-user-of-ours' "$WORK/out"
assert_status 1 "$POSTERN" -t -c "$WORK/user.conf"
assert_grep 'no such user: no-such-user-of-ours' "$WORK/out"
if [ "$(id -u)" -eq 0 ]; then
    printf 'user = "nobody";\n' | cat - "$CONF" >"$WORK/user.conf"
    start_postern "$WORK/user.conf"
    for status in "/proc/$POSTERN_PID/task"/*/status; do
        for id in "Uid $(id -u nobody)" "Gid $(id -g nobody)"; do
            read -r what number <<<"$id"
            assert_eq "$number $number $number $number" \
                "$(sed -n "s/^$what:\t//p" "$status" | tr '\t' ' ')" "$what of $status"
        done
        assert_eq 0000000000000000 "$(sed -n 's/^CapEff:\t//p' "$status")" "capabilities"
        assert_eq "$(id -G nobody)" "$(sed -n 's/^Groups:\t//p' "$status" | sed 's/ *$//')" "groups"
    done
    assert_eq "one a.test /" "$(curl_to "$PORT" a.test /)" "answer as nobody"
    stop_postern
fi
