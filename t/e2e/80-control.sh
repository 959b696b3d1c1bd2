#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The control socket and posternctl: every command on a daemon with live connections.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
POSTERNCTL=${POSTERNCTL:-$top_builddir/posternctl}
export POSTERN POSTERNCTL MODULE_DIR TOOLS_DIR SANITIZERS top_srcdir
free_ports PORT SECOND ONE TWO IDLE

# Whoever must be let in or kept out may have to get to the socket and the program.
chmod 755 "$WORK"

say "usage and no daemon"
assert_status 0 "$POSTERNCTL" -h
for command in status connections kill edges upstreams modules plan events metrics log-level \
    reload reopen upgrade drain stop; do
    assert_grep "^  $command " "$WORK/out"
done
assert_status 0 "$POSTERNCTL" -V
for wrong in "" "nonsense" "status extra" "kill" "kill 1 2" "status -e a" "-t 0 status" "-t x status" \
    "-q status" "connections -e a\ b"; do
    eval "assert_status 2 \"\$POSTERNCTL\" -s $WORK/none $wrong"
    assert_grep '^posternctl: |^Usage' "$WORK/out"
done
assert_status 3 "$POSTERNCTL" -s "$WORK/none" status
assert_grep 'cannot connect to .*/none: No such file' "$WORK/out"
assert_status 3 "$POSTERNCTL" -s "$WORK/$(printf '%0120d' 0)" status

say "completion"
completes()
{
    local want=$1
    shift
    COMP_WORDS=(posternctl "$@") COMP_CWORD=$# COMPREPLY=()
    _posternctl
    assert_eq "$want" "${COMPREPLY[*]}" "completion of $*"
}
# shellcheck source=etc/posternctl.bash
. "$top_srcdir/etc/posternctl.bash"
completes "connections" conn
completes "drain" -j -s /x dr
completes "debug" log-level d
completes "--edge" kill --e
completes "" status --e
completes "" kill -e # nobody to ask

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    say "with the capabilities of postern.service"
    cat >"$WORK/service.conf" <<EOC
workers = 1; module_dir = "$MODULE_DIR"; user = "nobody";
control = { socket = "$WORK/service.sock"; mode = "0620"; };
listeners = ( { name = "l"; address = "127.0.0.1:$PORT"; not_tls = "e"; } );
edges = ( { name = "e"; upstream = "127.0.0.1:$ONE"; } );
EOC
    CAPS=-all$(sed -n 's/^CapabilityBoundingSet=//p' "$top_srcdir/etc/postern.service.in" |
        tr ' ' '\n' | sed 's/^CAP_/,+/' | tr -d '\n' | tr '[:upper:]' '[:lower:]')
    background service setpriv --bounding-set "$CAPS" "$POSTERN" -c "$WORK/service.conf"
    wait_for_log 'msg="?ready' "$WORK/service.log"
    assert_eq "nobody 620" "$(stat -c '%U %a' "$WORK/service.sock")" "owner and mode of the socket"
    assert_status 0 "$POSTERNCTL" -s "$WORK/service.sock" stop
    wait_exit "$PID"
fi

python_test 80-control.py "$WORK" "$PORT" "$SECOND" "$ONE" "$TWO" "$IDLE"
