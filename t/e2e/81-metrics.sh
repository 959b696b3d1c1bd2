#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Metrics over HTTP: what promtool says of them, that they are right, and who gets them.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 curl promtool
POSTERNCTL=${POSTERNCTL:-$top_builddir/posternctl}
export POSTERN POSTERNCTL MODULE_DIR TOOLS_DIR SANITIZERS
free_ports PORT METRICS ONE TWO
python_test 81-metrics.py "$WORK" "$PORT" "$METRICS" "$ONE" "$TWO"

if [ ! -e "$MODULE_DIR/upstream-tls.so" ]; then
    say "TLS: left out, built without wolfSSL"
    exit 0
fi
say "TLS handshakes by side, version and resumption"
need openssl nginx
free_ports TLS
start_nginx_tls up "$TLS" b
cat >"$WORK/tls.conf" <<EOC
workers = 1; module_dir = "$MODULE_DIR"; log = { level = "debug"; };
metrics = { address = "127.0.0.1:$METRICS"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = (
  { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$TLS";
    modules = (
      { module = "tls-termination"; terminate_at = "edge";
        certificates = ( { certificate = "certs/a.pem"; key = "certs/a.key"; } ); },
      { module = "upstream-tls"; ca = [ "certs/ca.pem" ]; server_name = "b.test"; }
    ); },
  { name = "wrong"; domains = [ "localhost" ]; upstream = "127.0.0.1:$TLS";
    modules = (
      { module = "tls-termination"; terminate_at = "edge";
        certificates = ( { certificate = "certs/localhost.pem"; key = "certs/localhost.key"; } ); },
      { module = "upstream-tls"; ca = [ "certs/other-ca.pem" ]; server_name = "b.test"; }
    ); }
);
EOC
start_postern "$WORK/tls.conf"

# session [ARGUMENT...]: a request by openssl, with a session kept in $WORK/session.
session()
{
    printf 'GET /x HTTP/1.0\r\n\r\n' | openssl s_client -connect "127.0.0.1:$PORT" \
        -servername a.test -CAfile "$CERTS/ca.pem" -verify_return_error -ign_eof "$@" \
        >"$WORK/session.log" 2>&1 || fail "openssl s_client $*"
    assert_grep '^up b.test /x' "$WORK/session.log"
}

tls_figures()
{
    curl -sS --noproxy '*' "http://127.0.0.1:$METRICS/metrics" >"$WORK/figures" && promtool check metrics <"$WORK/figures"
}

# handshakes N NAME: until so many are counted.
counted()
{
    tls_figures && grep -qF "postern_tls_$2 $1" "$WORK/figures"
}

handshakes()
{
    wait_until "$DEADLINE" counted "$1" "$2" || {
        grep postern_tls_ "$WORK/figures"
        fail "not $1: $2"
    }
}

curl_to "$PORT" a.test /x >"$WORK/out"
session -sess_out "$WORK/session"
session -sess_in "$WORK/session"
assert_grep '^Reused, TLSv1.3' "$WORK/session.log"
curl_to "$PORT" a.test /x --tls-max 1.2 >"$WORK/out"
assert_status 1 openssl s_client -connect "127.0.0.1:$PORT" -servername a.test -tls1_1 \
    -cipher ALL@SECLEVEL=0 </dev/null
if curl_to "$PORT" localhost /x >"$WORK/out" 2>&1; then
    fail "an upstream that is not trusted was connected"
fi
handshakes 3 'handshakes_total{side="client",version="TLSv1.3",resumed="no"}'
handshakes 1 'handshakes_total{side="client",version="TLSv1.3",resumed="yes"}'
handshakes 1 'handshakes_total{side="client",version="TLSv1.2",resumed="no"}'
handshakes 0 'handshakes_total{side="client",version="TLSv1.2",resumed="yes"}'
handshakes 1 'handshake_failures_total{side="client"}'
handshakes 1 'handshake_failures_total{side="upstream"}'
full=$(sed -n 's/^postern_tls_handshakes_total{side="upstream".*resumed="no"} //p' "$WORK/figures" | paste -sd+)
resumed=$(sed -n 's/^postern_tls_handshakes_total{side="upstream".*resumed="yes"} //p' "$WORK/figures" | paste -sd+)
assert_eq 4 $((full + resumed)) "handshakes with the upstream"
stop_postern
