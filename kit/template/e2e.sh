#!/bin/sh
# SPDX-License-Identifier: MIT-0
# @NAME@ in a running Postern: curl names a server, and the greeting is in the log.
set -eu
postern=${POSTERN:-postern}
for tool in "$postern" curl; do
    command -v "$tool" >/dev/null || {
        echo "e2e: skipped, no $tool here"
        exit 0
    }
done
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$dir"' EXIT
install -m 644 @NAME@.so "$dir"
cat >"$dir/postern.conf" <<CONF
module_dir = "$dir";
log = { level = "info"; };
listeners = ( { name = "test"; address = "unix:$dir/socket"; } );
edges = ( { name = "test"; domains = [ "www.example.com" ]; upstream = "unix:$dir/nobody";
            modules = ( { module = "@NAME@"; greeting = "good day"; } ); } );
CONF

# wait_for PATTERN: until the log has such a line.
wait_for()
{
    n=0
    until grep -q "$1" "$dir/log"; do
        n=$((n + 1))
        [ $n -lt 400 ] && kill -0 "$pid" || {
            echo "e2e: no \"$1\" in the log:" >&2
            cat "$dir/log" >&2
            exit 1
        }
        sleep 0.05
    done
}

"$postern" -c "$dir/postern.conf" >"$dir/log" 2>&1 &
pid=$!
wait_for 'msg="*ready'
# There is no server behind it, so curl gets nothing; what counts is that the module was asked.
curl --silent --max-time 20 --unix-socket "$dir/socket" https://www.example.com/ || true
wait_for 'good day, www.example.com'
echo "e2e: greeted"
