#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# "Your first module in five minutes" of postern-module(7), done to the letter: commands, C and
# configuration are taken from the manual. Only the port, the module folder and where root installs
# to are other ones here.
set -euo pipefail
. "$top_srcdir/t/abi/installed.sh"
command -v curl >/dev/null || {
    echo "tutorial: no curl"
    exit 77
}
MANUAL=$top_srcdir/doc/postern-module.7
PORT=$("$TOOLS_DIR/tcp_peer" --free-port 1 $$)
POSTERN_MODULE_TEMPLATE=$(find "$root" -type d -name module-template)
HARNESS_DIR=$(pc harnessdir)
export CC CFLAGS='-O2 -Wall -Wextra -Werror' POSTERN="$sbindir/postern" HARNESS_DIR
export PATH="$bindir:$sbindir:$PATH" POSTERN_MODULE_TEMPLATE

# block N: the N-th literal block of the section.
block()
{
    awk -v n="$1" '
        /^\.Sh / { in_section = /YOUR FIRST MODULE/ }
        in_section && /^\.Bd/ { k++; next }
        /^\.Ed/ { if (k == n) exit }
        in_section && k == n' "$MANUAL" | sed 's/\\e/\\/g; s/\\(dq/"/g'
}

# commands N: its lines without their prompts; at "#" the reader is root.
commands()
{
    block "$1" | sed -n "s/^\\\$ //p; s/^# \(make install\)\$/\1 DESTDIR=${destdir//\//\\/}/p"
}

fail()
{
    echo "tutorial: $*" >&2
    tail -n 40 "$tmp/out" "$tmp/src/knock/log" >&2 2>/dev/null
    exit 1
}

run()
{
    # shellcheck disable=SC1090
    eval "$1" >"$tmp/out" 2>&1 || fail "$1"
}

mkdir "$tmp/src"
cd "$tmp/src"
[ -n "$(block 5)" ] && [ -z "$(block 6)" ] || fail "the manual has other blocks than this test knows"
while read -r command; do
    run "$command"
done < <(commands 1)
[ "${PWD##*/}" = knock ] || fail "not in the folder"

block 2 >"$tmp/insert"
awk -v insert="$tmp/insert" '
    /^static int32_t greet/ { in_greet = 1 }
    in_greet && /^    if / { while ((getline line <insert) > 0) print line; in_greet = 0 }
    { print }' knock.c >knock.new
cmp -s knock.c knock.new && fail "nothing was inserted"
mv knock.new knock.c
while read -r command; do
    run "$command"
done < <(commands 3)

{
    echo "module_dir = \"$moduledir\";"
    block 4 | sed "s/:8443/:$PORT/"
} >knock.conf

# The commands that start the daemon and knock.
seen()
{
    local n=0
    until grep -qE "$1" log; do
        n=$((n + 1))
        [ "$n" -lt 600 ] || fail "no \"$1\" in the log"
        sleep 0.05
    done
}
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$tmp"' EXIT
knocks=0
while read -r command; do
    case $command in
    *' &')
        command=${command% &}
        ${command} >log 2>&1 &
        pid=$!
        seen 'msg="?ready'
        ;;
    curl*)
        knocks=$((knocks + 1))
        ${command//:8443/:$PORT} --silent --max-time 20 && fail "an answer from nobody"
        ;;
    *) run "$command" ;;
    esac
done < <(commands 5)
[ "$knocks" -eq 2 ] || fail "$knocks visits"
seen 'welcome, www.example.com'
seen 'reason=denied .*module=knock code=long-name'
! grep -q 'welcome, much' log || fail "the long name was greeted"
