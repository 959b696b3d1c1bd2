#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh BUILD-FOLDER: what ./bootstrap demo shows. curl asks for https://hello.test/ through
# Postern, which reads the name from the ClientHello and passes the connection through, still
# encrypted, to an HTTPS server. The ip-restrictions module lets 127.0.0.1 in and nobody else.

set -euo pipefail

BUILD=$(cd "${1:?usage: demo.sh BUILD-FOLDER}" && pwd)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/postern-demo.XXXXXX")
PIDS=()
SECONDS_FOR_ANY_WAIT=15

say()
{
    printf '%s\n' "$*"
}

clean_up()
{
    local status=$? pid
    trap - EXIT
    for pid in "${PIDS[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    if [ "$status" -ne 0 ]; then
        say "The demo failed. What postern said:"
        cat "$WORK"/postern.log 2>/dev/null || true
    fi
    rm -rf "$WORK"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# listening PORT PID: something of ours accepts connections there.
wait_listening()
{
    local end=$((SECONDS + SECONDS_FOR_ANY_WAIT))
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        kill -0 "$2" 2>/dev/null || return 1
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# A port below the ephemeral range, so that no outgoing connection of this machine has it.
free_port()
{
    local port tries
    for tries in {1..50}; do
        port=$((20000 + (RANDOM + tries) % 10000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    return 1
}

# The first 100 bytes of an answer are enough to show; nothing of curl's own configuration applies.
request()
{
    curl --disable --silent --show-error --noproxy '*' --max-time "$SECONDS_FOR_ANY_WAIT" --http1.1 \
        --cacert "$WORK/cert.pem" --resolve "hello.test:$PORT:127.0.0.1" \
        --interface "$1" "https://hello.test:$PORT/index.txt"
}

mkdir "$WORK/www" "$WORK/modules"
chmod 755 "$WORK"
cp "$BUILD"/modules/ip-restrictions/.libs/ip-restrictions.so "$WORK/modules/"
chmod 755 "$WORK/modules" && chmod 644 "$WORK/modules/ip-restrictions.so"

say "1. Making a certificate for hello.test"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=hello.test \
    -addext subjectAltName=DNS:hello.test -keyout "$WORK/key.pem" -out "$WORK/cert.pem" \
    2>"$WORK/openssl.log"

UPSTREAM=$(free_port)
say "2. Starting an HTTPS server (openssl s_server) on 127.0.0.1:$UPSTREAM"
printf 'Hello from the upstream, over TLS that only it and you can read.\n' >"$WORK/www/index.txt"
(cd "$WORK/www" && exec openssl s_server -quiet -WWW -accept "127.0.0.1:$UPSTREAM" \
    -cert "$WORK/cert.pem" -key "$WORK/key.pem" >/dev/null 2>&1 </dev/null) &
PIDS+=($!)
wait_listening "$UPSTREAM" $!

PORT=$(free_port)
cat >"$WORK/postern.conf" <<CONF
workers = 2;
module_dir = "$WORK/modules";
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = (
  { name = "hello"; domains = [ "hello.test" ];
    modules = ( { module = "ip-restrictions"; allow = [ "127.0.0.1/32" ]; } );
    upstream = "127.0.0.1:$UPSTREAM"; }
);
CONF
say "3. Starting Postern on 127.0.0.1:$PORT with this configuration:"
sed 's/^/       /' "$WORK/postern.conf"
"$BUILD/postern" -v -c "$WORK/postern.conf" >"$WORK/postern.log" 2>&1 </dev/null &
PIDS+=($!)
wait_listening "$PORT" $!

say "4. curl https://hello.test:$PORT/ from 127.0.0.1, which is allowed:"
answer=$(request 127.0.0.1)
say "       $answer"
[ "$answer" = "$(cat "$WORK/www/index.txt")" ]

say "5. The same from 127.0.0.2, which is not:"
if answer=$(request 127.0.0.2 2>&1); then
    say "       $answer"
    say "That should have been refused."
    exit 1
fi
say "       $answer"
say "   and what Postern says about both:"
wait_denied()
{
    local end=$((SECONDS + SECONDS_FOR_ANY_WAIT))
    until grep -q 'reason=denied.*module=ip-restrictions' "$WORK/postern.log"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}
wait_denied
grep "connection closed.*edge=" "$WORK/postern.log" | tail -n 4 | sed 's/^/       /'
say "Done: one request passed through, one refused. Everything is cleaned up again."
