# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What every end-to-end test begins with:
#
#     . "${top_srcdir:-.}/t/e2e/lib.sh"
#
# Gives a temporary folder $WORK, ports, servers that are known to answer when the function that
# starts them returns, and assertions. When the test ends everything started here is stopped; when
# it fails the logs are shown. A test ends with status 0, 1, or 77 (skipped).
#
# Environment, set by make check: POSTERN MODULE_DIR TOOLS_DIR top_srcdir top_builddir SANITIZERS
# For people: KEEP=1 keeps $WORK, POSTERN_WRAP="valgrind ..." runs the daemon under something.

set -euo pipefail

top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
top_builddir=$(cd "${top_builddir:-.}" && pwd)
POSTERN=${POSTERN:-$top_builddir/postern}
MODULE_DIR=${MODULE_DIR:-$top_builddir/t/modules-1}
TOOLS_DIR=${TOOLS_DIR:-$top_builddir/t/tools}
TCP_PEER=$TOOLS_DIR/tcp_peer

# Seconds that any single wait may take; generous, because nothing waits longer than it has to.
DEADLINE=20
if [ -n "${SANITIZERS:-}${POSTERN_WRAP:-}" ]; then
    DEADLINE=60
fi

WORK=$(mktemp -d "${TMPDIR:-/tmp}/postern-e2e.XXXXXX")
CERTS=$WORK/certs
STARTED=() # process ids
LOGS=()    # files shown on failure
POSTERN_PID=
POSTERN_LOG=

say()
{
    printf '%s: %s\n' "${0##*/}" "$*"
}

fail()
{
    say "FAILED: $*" >&2
    exit 1
}

skip()
{
    say "skipped: $*" >&2
    exit 77
}

# need TOOL...: skip unless all are installed.
need()
{
    local tool
    for tool; do
        [ -n "$(PATH=$PATH:/usr/sbin:/sbin command -v "$tool")" ] || skip "needs $tool"
    done
}

# Skip unless there is one that can read what the compiler wrote: 3.19 knows no DWARF 5 of clang's.
need_valgrind()
{
    need valgrind
    valgrind --quiet "$POSTERN" -V >"$WORK/valgrind.out" 2>&1 || skip "valgrind cannot run $POSTERN"
}

show_logs()
{
    local log
    for log in "${LOGS[@]}"; do
        [ -s "$log" ] || continue
        printf -- '--- %s (end)\n' "${log##*/}"
        tail -n 60 "$log"
    done
}

# gone PID: true when that child of ours has ended.
gone()
{
    ! kill -0 "$1" 2>/dev/null
}

# wait_until SECONDS COMMAND...: until it succeeds; the status says whether it did.
wait_until()
{
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}

clean_up()
{
    local status=$? pid
    trap - EXIT
    set +e
    for pid in "${STARTED[@]}"; do
        kill -TERM "$pid" 2>/dev/null
    done
    for pid in "${STARTED[@]}"; do
        wait_until 5 gone "$pid" || kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        show_logs
    fi
    if [ "${KEEP:-0}" = 1 ]; then
        say "kept $WORK"
    else
        rm -rf "$WORK"
    fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# background NAME COMMAND...: start it, output in $WORK/NAME.log, process id in $PID.
background()
{
    local name=$1
    shift
    "$@" >"$WORK/$name.log" 2>&1 </dev/null &
    PID=$!
    STARTED+=("$PID")
    LOGS+=("$WORK/$name.log")
}

# wait_exit PID [SECONDS]: its exit status in $STATUS; fails the test when it does not end.
wait_exit()
{
    wait_until "${2:-$DEADLINE}" gone "$1" || fail "process $1 does not end"
    STATUS=0
    wait "$1" || STATUS=$?
}

# free_ports NAME...: set each variable to a TCP port that nothing uses and no other test gets.
free_ports()
{
    local ports name i=0
    mapfile -t ports < <("$TCP_PEER" --free-port $# $$)
    [ "${#ports[@]}" -eq $# ] || fail "no free ports"
    for name; do
        printf -v "$name" '%s' "${ports[i]}"
        i=$((i + 1))
    done
}

# wait_for_log PATTERN FILE [SECONDS]: until a line matches the extended regular expression.
wait_for_log()
{
    wait_until "${3:-$DEADLINE}" grep -qE -e "$1" "$2" 2>/dev/null || fail "no \"$1\" in ${2##*/}"
}

# wait_for_port PORT [HOST]: until something accepts connections there.
wait_for_port()
{
    wait_until "$DEADLINE" "$TCP_PEER" --timeout 2 connect "${2:-127.0.0.1}:$1" close \
        2>/dev/null || fail "nothing listens on port $1"
}

# ready_or_gone: the daemon has said that it is ready, or will never do so.
ready_or_gone()
{
    grep -qE 'msg="?ready' "$POSTERN_LOG" 2>/dev/null || gone "$POSTERN_PID"
}

# start_postern CONF [ARGUMENT...]: returns when it is ready. Sets POSTERN_PID, POSTERN_LOG.
start_postern()
{
    local conf=$1
    shift
    # shellcheck disable=SC2086 # POSTERN_WRAP is a command with arguments
    background "postern${POSTERN_PID:+-$POSTERN_PID}" ${POSTERN_WRAP:-} "$POSTERN" -c "$conf" "$@"
    POSTERN_PID=$PID
    POSTERN_LOG=${LOGS[-1]}
    wait_until "$DEADLINE" ready_or_gone || fail "postern does not get ready"
    gone "$POSTERN_PID" && fail "postern did not start"
    return 0
}

# stop_postern [SECONDS]: TERM, and a clean end.
stop_postern()
{
    kill -TERM "$POSTERN_PID"
    wait_exit "$POSTERN_PID" "${1:-$DEADLINE}"
    assert_eq 0 "$STATUS" "exit status of postern"
}

# reload_postern: HUP, and wait until the daemon has said how that went (in $POSTERN_LOG).
reload_postern()
{
    local before
    before=$(grep -cE 'msg="?reload(ed| refused)' "$POSTERN_LOG" || true)
    kill -HUP "$POSTERN_PID"
    wait_until "$DEADLINE" reload_answered "$before" || fail "no answer to a reload"
}

reload_answered()
{
    local now
    now=$(grep -cE 'msg="?reload(ed| refused)' "$POSTERN_LOG" || true)
    [ "$now" -gt "$1" ]
}

# make_certs: test certificates in $CERTS (see t/certs/gen.sh).
make_certs()
{
    [ -d "$CERTS" ] || bash "$top_srcdir/t/certs/gen.sh" "$CERTS" || fail "no certificates"
}

# run_nginx NAME LISTEN DIRECTIVE...: a server with these directives, of which LISTEN is the first.
# Serves the files of $WORK/files below /files/.
run_nginx()
{
    local name=$1 listen=$2 dir=$WORK/nginx-$1
    shift 2
    need nginx
    mkdir -p "$dir" "$WORK/files"
    cat >"$dir/nginx.conf" <<CONF
daemon off;
master_process off;
worker_processes 1;
pid $dir/pid;
error_log $dir/error.log info;
events { worker_connections 4096; }
http {
    access_log $dir/access.log;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    keepalive_timeout 60s;
    client_max_body_size 0;
    server {
        listen 127.0.0.1:$listen;
        default_type text/plain;
        $*
        location /files/ { alias $WORK/files/; }
    }
}
CONF
    background "nginx-$name" "$(PATH=$PATH:/usr/sbin command -v nginx)" -p "$dir" -e "$dir/error.log" \
        -c "$dir/nginx.conf"
    LOGS+=("$dir/error.log")
    wait_for_port "${listen%% *}"
}

# start_nginx_tls NAME PORT CERTIFICATE [DIRECTIVE...]: an HTTPS server on 127.0.0.1 with
# $CERTS/CERTIFICATE.pem that answers every request with "NAME <SNI> <path>".
start_nginx_tls()
{
    local name=$1 port=$2 cert=$3
    shift 3
    make_certs
    run_nginx "$name" "$port ssl backlog=4096" "ssl_certificate $CERTS/$cert.pem;" \
        "ssl_certificate_key $CERTS/$cert.key;" "$@" \
        "location / { return 200 \"$name \$ssl_server_name \$request_uri\\n\"; }"
}

# start_nginx_plain NAME PORT [DIRECTIVE...]: the same without TLS: "NAME <host> <path>".
start_nginx_plain()
{
    local name=$1 port=$2
    shift 2
    run_nginx "$name" "$port backlog=4096" "$@" \
        "location / { return 200 \"$name \$host \$request_uri\\n\"; }"
}

# start_haproxy NAME CONF PORT: with the given configuration, until PORT answers.
start_haproxy()
{
    need haproxy
    background "haproxy-$1" "$(PATH=$PATH:/usr/sbin command -v haproxy)" -db -f "$2"
    wait_for_port "$3"
}

# curl_to PORT NAME PATH [ARGUMENT...]: https://NAME/PATH through 127.0.0.1:PORT, trusting the test CA.
curl_to()
{
    local port=$1 name=$2 path=$3
    shift 3
    curl --silent --show-error --noproxy '*' --max-time "$DEADLINE" --cacert "$CERTS/ca.pem" \
        --resolve "$name:$port:127.0.0.1" "$@" "https://$name:$port$path"
}

# with_input TEXT COMMAND...: its input is TEXT, and stays open until it ends: some clients end with
# their input, whether or not an answer has come. One that ends before it has read is no error here:
# SIGPIPE then ends a subshell. Answers its status.
with_input()
{
    local text=$1 pid status=0
    shift
    rm -f "$WORK/input"
    mkfifo "$WORK/input"
    "$@" <"$WORK/input" &
    pid=$!
    exec 9>"$WORK/input"
    (printf '%s' "$text" >&9) 2>/dev/null || true
    wait "$pid" || status=$?
    exec 9>&-
    return "$status"
}

assert_eq()
{
    [ "$1" = "$2" ] || fail "${3:-value}: expected \"$1\", got \"$2\""
}

# assert_grep PATTERN FILE, assert_no_grep PATTERN FILE: extended regular expressions. What has been
# said may still be on its way to a log, which the daemon lets a thread of its own write.
assert_grep()
{
    [[ " ${LOGS[*]} " != *" $2 "* ]] || wait_until "$DEADLINE" grep -qE -e "$1" "$2" || true
    grep -qE -e "$1" "$2" || fail "no \"$1\" in ${2##*/}"
}

assert_no_grep()
{
    ! grep -E -e "$1" "$2" || fail "\"$1\" in ${2##*/}"
}

# assert_status STATUS COMMAND...: its exit status, output in $WORK/out.
assert_status()
{
    local want=$1 got=0
    shift
    "$@" >"$WORK/out" 2>&1 || got=$?
    if [ "$got" -ne "$want" ]; then
        cat "$WORK/out"
        fail "exit status $got instead of $want: $*"
    fi
}

# python_test FILE [ARGUMENT...]: a driver beside this file, with our deadline.
python_test()
{
    local file=$1
    shift
    DEADLINE=$DEADLINE PYTHONDONTWRITEBYTECODE=1 python3 "$top_srcdir/t/e2e/$file" "$@" ||
        fail "see what is wrong above"
}
