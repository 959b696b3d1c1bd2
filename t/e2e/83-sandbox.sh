#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the process cannot do any more, tried out by a module on a worker; and what must still work:
# logs moved away and reopened, a reload with other sockets, upgrades. That everything else works
# the other tests show, which run in the sandbox, too.

. "${top_srcdir:-.}/t/e2e/lib.sh"

free_ports PORT ECHO
CONF=$WORK/postern.conf
mkdir "$WORK/logs" "$WORK/run" "$WORK/more" "$WORK/elsewhere"

# configure [SETTING]
configure()
{
    cat >"$CONF" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { target = "file:logs/log"; };
control = { enabled = false; };
listeners = ( { name = "l"; address = [ "127.0.0.1:$PORT", "unix:$WORK/run/sock" ]; not_tls = "e"; } );
edges = ( { name = "e"; upstream = "127.0.0.1:$ECHO";
            modules = ( { module = "live-escape"; inside = "${INSIDE:-more/file}";
                          outside = "elsewhere/file"; } ); } );
${1:-}
EOC
}

# start SETTING: in the background, as its log is not on stderr.
start()
{
    configure "$1"
    rm -f "$WORK/logs/log"
    background "postern${POSTERN_PID:+-$POSTERN_PID}" "$POSTERN" -c "$CONF"
    POSTERN_PID=$PID
    POSTERN_LOG=$WORK/logs/log
    LOGS+=("$POSTERN_LOG")
    wait_for_log 'msg="?ready' "$POSTERN_LOG"
}

# status_is FIELD VALUE: of every thread.
status_is()
{
    local status
    for status in "/proc/$POSTERN_PID/task"/*/status; do
        assert_eq "$2" "$(sed -n "s/^$1:[[:space:]]*//p" "$status")" "$1 of $status"
    done
}

# escape_says TEXT: a connection makes the module try.
escape_says()
{
    "$TCP_PEER" connect "127.0.0.1:$PORT" send-text x shutdown recv-all >/dev/null || true
    wait_for_log "escape: $1" "$POSTERN_LOG"
}

say "inside"
start 'sandbox = { writable = [ "more" ]; };'
assert_grep 'msg="?sandbox"? parts="?(seccomp|landlock|none)' "$POSTERN_LOG"
PARTS=$(sed -n 's/.*msg="sandbox" parts="\?\([a-z: ]*\)"\?.*/\1/p' "$POSTERN_LOG")
status_is NoNewPrivs 1
if [ "$PARTS" != "seccomp landlock" ]; then
    skip "this kernel has: $PARTS"
fi
status_is Seccomp 2
escape_says 'inside done, outside EACCES, unshare EPERM, memory EPERM, setns EPERM, chroot EPERM, clone EPERM, clone3 ENOSYS'
if [ "$(id -u)" -eq 0 ]; then
    # chown, dac_override, dac_read_search, fowner, setgid, setuid, net_bind_service
    status_is CapBnd 00000000000004cf
    status_is CapEff 00000000000004cf
fi

say "logs, sockets"
mv "$WORK/logs/log" "$WORK/logs/old"
kill -USR1 "$POSTERN_PID"
wait_until "$DEADLINE" test -e "$WORK/logs/log" || fail "the log is not reopened"
configure 'sandbox = { writable = [ "more" ]; };'
sed -i "s|run/sock|logs/sock|" "$CONF"
reload_postern
assert_grep 'msg="reloaded"' "$POSTERN_LOG"
[ -S "$WORK/logs/sock" ] || fail "no socket at the new place"
[ ! -e "$WORK/run/sock" ] || fail "the old socket is left"
sed -i "s|logs/sock|elsewhere/sock|" "$CONF"
reload_postern
assert_grep 'cannot listen on unix:.*/elsewhere/sock: Permission denied' "$POSTERN_LOG"

say "upgrades"
configure 'sandbox = { enabled = false; };'
for i in 1 2 3; do
    kill -USR2 "$POSTERN_PID"
    upgraded()
    {
        [ "$(grep -c 'msg="upgraded: ' "$POSTERN_LOG")" -eq "$i" ]
    }
    wait_until "$DEADLINE" upgraded || fail "no upgrade"
    POSTERN_PID=$(sed -n 's/.*msg="upgraded: .* pid=\([0-9]*\).*/\1/p' "$POSTERN_LOG" | tail -n 1)
    STARTED+=("$POSTERN_PID")
done
# Nothing is taken back, and nothing piles up.
assert_grep 'msg="sandbox" parts="?inherited' "$POSTERN_LOG"
status_is Seccomp_filters 1
kill -TERM "$POSTERN_PID"
stopped()
{
    [ "$(grep -c 'msg="stopped"' "$POSTERN_LOG")" -eq 4 ]
}
wait_until "$DEADLINE" stopped || fail "no end"

say "switched off"
start 'sandbox = { enabled = false; };'
assert_grep 'msg="sandbox" parts="?none' "$POSTERN_LOG"
status_is NoNewPrivs 1
status_is Seccomp 0
escape_says 'inside done, outside done, unshare EINVAL, memory done, setns EBADF, chroot [A-Z]+, clone EINVAL'
stop_postern
