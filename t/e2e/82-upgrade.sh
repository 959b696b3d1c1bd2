#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# USR2: another process takes over, under load and with other numbers of workers, and no connection
# fails; what becomes of connections in the queues and of those that are open; and programs and
# configurations with which it goes wrong.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
free_ports PORT QUEUE UPSTREAM ECHO
CONF=$WORK/postern.conf
# What is run anew is the file of that name at that time.
BINARY=$WORK/postern
cp "$POSTERN" "$BINARY"
POSTERN=$BINARY

# configure WORKERS [SETTING]
configure()
{
    cat >"$CONF" <<EOC
workers = $1;
module_dir = "$MODULE_DIR";
log = { level = "info"; };
timeouts = { drain = "20s"; upgrade = "60s"; };
control = { socket = "$WORK/control.sock"; };
listeners = (
  { name = "public"; address = [ "127.0.0.1:$PORT", "unix:$WORK/public.sock" ]; not_tls = "echo"; },
  { name = "queue"; address = "127.0.0.1:$QUEUE"; not_tls = "echo"; }
);
edges = (
  { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$UPSTREAM"; },
  { name = "echo"; upstream = "127.0.0.1:$ECHO"; }
);
${2:-}
EOC
}

# ended PID: true when that process, of whomever it is a child, has ended.
ended()
{
    [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# answers: how often an upgrade was answered so far.
answers()
{
    grep -cE 'msg="?(upgraded: |upgrade (failed|refused))' "$POSTERN_LOG" || true
}

answered()
{
    [ "$(answers)" -gt "$1" ]
}

# ask_upgrade: USR2, and wait until the log tells how that went.
ask_upgrade()
{
    local before
    before=$(answers)
    kill -USR2 "$POSTERN_PID"
    wait_until "$DEADLINE" answered "$before" || fail "no answer to USR2"
}

# upgrade: and the other process is the daemon from here on. Its predecessor is $OLD.
upgrade()
{
    OLD=$POSTERN_PID
    ask_upgrade
    POSTERN_PID=$(sed -n 's/.*msg="upgraded: .* pid=\([0-9]*\).*/\1/p' "$POSTERN_LOG" | tail -n 1)
    case $POSTERN_PID in "" | "$OLD") fail "not upgraded" ;; esac
    STARTED+=("$POSTERN_PID")
}

# end_of PID
end_of()
{
    wait_until "$DEADLINE" ended "$1" || fail "process $1 does not end"
}

workers_now()
{
    sed -n 's/.*msg="ready" .* workers=\([0-9]*\).*/\1/p' "$POSTERN_LOG" | tail -n 1
}

say "under load, with other numbers of workers"
configure 2
start_postern "$CONF"
INODE=$(stat -c %i "$WORK/public.sock")
background load "$TOOLS_DIR/load" --timeout "$DEADLINE" 24 "$UPSTREAM" "$PORT" a.test
LOAD=$PID
ROUNDS=(1 4 2 3 1 1 5 2)
[ -z "${SANITIZERS:-}" ] || ROUNDS=(1 4 2)
for workers in "${ROUNDS[@]}"; do
    configure "$workers"
    upgrade
    end_of "$OLD"
    assert_eq "$workers" "$(workers_now)" "workers"
done
kill -TERM "$LOAD"
wait_exit "$LOAD"
say "$(grep '^whole' "$WORK/load.log")"
assert_grep '^whole [1-9][0-9]{2,} .* failed 0$' "$WORK/load.log"
assert_eq 0 "$STATUS" "exit status of load"
assert_eq "$INODE" "$(stat -c %i "$WORK/public.sock")" "inode of the unix socket"
assert_no_grep 'the new process says|drain deadline' "$POSTERN_LOG"

say "open connections, queues, unix sockets"
export POSTERN_LOG WORK
python_test 82-upgrade.py open "$POSTERN_PID" "$PORT" "$QUEUE" "$ECHO"
POSTERN_PID=$(cat "$WORK/pid")
STARTED+=("$POSTERN_PID")

say "a wrong configuration, and posternctl"
CTL=("$top_builddir/posternctl" -s "$WORK/control.sock")
assert_status 0 "${CTL[@]}" status
assert_grep "\\b$POSTERN_PID\\b" "$WORK/out"
configure 2 'nonsense = 1;'
assert_status 1 "${CTL[@]}" upgrade
assert_grep 'the new process says: postern: error: .*nonsense: unknown key' "$WORK/out"
assert_grep 'it ended before it was ready' "$WORK/out"
assert_grep 'msg="the new process says" text="postern: error: .*nonsense: unknown key' "$POSTERN_LOG"
assert_grep 'upgrade failed; this process serves on" .*exit_status=1' "$POSTERN_LOG"

# One that fails late, with all sockets in its hands, leaves them and their files to this one.
INODES=$(stat -c %i "$WORK/public.sock" "$WORK/control.sock")
configure 2 "metrics = { address = \"127.0.0.1:$QUEUE\"; };"
assert_status 1 "${CTL[@]}" upgrade
assert_grep 'metrics.address: cannot listen' "$WORK/out"
assert_eq "$INODES" "$(stat -c %i "$WORK/public.sock" "$WORK/control.sock")" "files of sockets"
assert_status 0 "${CTL[@]}" status

configure 2
assert_status 0 "${CTL[@]}" upgrade
OLD=$POSTERN_PID
POSTERN_PID=$(sed -n 's/^process \([0-9]*\) serves$/\1/p' "$WORK/out")
STARTED+=("$POSTERN_PID")
end_of "$OLD"
assert_status 0 "${CTL[@]}" status
assert_grep "\\b$POSTERN_PID\\b" "$WORK/out"

say "programs that are none"
# wrong_program FIELDS: the upgrade fails with those in the log, and nothing else has happened.
wrong_program()
{
    local before
    before=$(wc -l <"$POSTERN_LOG")
    ask_upgrade
    tail -n "+$((before + 1))" "$POSTERN_LOG" >"$WORK/new-lines"
    assert_grep "$1" "$WORK/new-lines"
    assert_grep 'upgrade failed; this process serves on' "$WORK/new-lines"
    python_test 82-upgrade.py serves "$POSTERN_PID" "$PORT" "$QUEUE" "$ECHO"
}

# script TEXT...: what $BINARY is from now on.
script()
{
    printf '#!/bin/sh\n%s\n' "$*" >"$BINARY.new"
    chmod 755 "$BINARY.new"
    mv "$BINARY.new" "$BINARY"
}

mv "$BINARY" "$WORK/good"
wrong_program 'text="cannot execute .*: No such file or directory"'
script 'echo "no such library" >&2; exit 3'
wrong_program 'msg="the new process says" text="no such library"'
wrong_program 'exit_status=3'
script 'kill -SEGV $$'
wrong_program 'signal=11'
# From here on none gets the time to start.
configure 2 'timeouts = { drain = "20s"; upgrade = "500ms"; };'
sed -i '/upgrade = "60s"/d' "$CONF"
reload_postern
script 'exec sleep 600'
wrong_program 'reason="it is not ready in time"'
script 'exec cat /dev/zero >&2'
wrong_program 'reason="it is not ready in time"'

say "USR2 twice, and TERM in between"
script 'exec sleep 600'
configure 2
reload_postern
BEGUN=$(grep -c 'msg="upgrading"' "$POSTERN_LOG")
begun()
{
    [ "$(grep -c 'msg="upgrading"' "$POSTERN_LOG")" -gt "$BEGUN" ]
}
kill -USR2 "$POSTERN_PID"
wait_until "$DEADLINE" begun || fail "no upgrade begins"
HANGING=$(sed -n 's/.*msg="upgrading" pid=\([0-9]*\).*/\1/p' "$POSTERN_LOG" | tail -n 1)
ask_upgrade
assert_grep 'msg="upgrade refused" reason="one is under way"' "$POSTERN_LOG"
ended "$HANGING" && fail "the first one is gone"
kill -TERM "$POSTERN_PID"
end_of "$POSTERN_PID"
end_of "$HANGING"
assert_grep 'reason="this process is asked to end"' "$POSTERN_LOG"
[ ! -e "$WORK/public.sock" ] || fail "the unix socket is left"
[ ! -e "$WORK/control.sock" ] || fail "the control socket is left"

say "service manager"
cp "$WORK/good" "$BINARY"
python_test 82-upgrade.py managed "$BINARY" "$PORT" "$QUEUE" "$ECHO"
configure 2
sed -i "s|name = \"echo\"; |&modules = ( { module = \"live-block\"; fifo = \"fifo\"; } ); |" "$CONF"
python_test 82-upgrade.py watchdog "$BINARY" "$PORT" "$QUEUE" "$ECHO"

say "a unix socket that the new configuration does not name"
configure 2
start_postern "$CONF"
[ -e "$WORK/public.sock" ] || fail "no unix socket"
sed -i "s|, \"unix:$WORK/public.sock\"||" "$CONF"
upgrade
end_of "$OLD"
[ ! -e "$WORK/public.sock" ] || fail "the unix socket is left"
kill -TERM "$POSTERN_PID"
end_of "$POSTERN_PID"
