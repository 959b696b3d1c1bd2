#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Start, one request by name through to a TLS server, stop.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need curl nginx openssl
free_ports PORT UPSTREAM
start_nginx_tls one "$UPSTREAM" a

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = ( { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$UPSTREAM"; } );
EOC

assert_status 0 "$POSTERN" -t -c "$WORK/postern.conf"
assert_status 2 "$POSTERN" --no-such-option

start_postern "$WORK/postern.conf"
assert_eq "one a.test /hello" "$(curl_to "$PORT" a.test /hello)" "answer of the upstream"

# 35 is curl's code for a failed TLS handshake: nobody serves that name.
assert_status 35 curl_to "$PORT" b.test /
stop_postern
