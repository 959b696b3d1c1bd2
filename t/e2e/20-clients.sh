#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Real TLS clients reach real TLS servers by name: each server's own certificate, whole downloads
# and uploads. Then with HAProxy in front of the daemon and behind it.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need curl nginx openssl
free_ports PORT A B W FRONT BEHIND

SIZE=67108864
[ -z "${SANITIZERS:-}" ] || SIZE=16777216

mkdir "$WORK/put"
start_nginx_tls one "$A" a "location /put/ { root $WORK; dav_methods PUT; }"
start_nginx_tls two "$B" b
start_nginx_tls wild "$W" w

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = (
  { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$A"; },
  { name = "b"; domains = [ "b.test" ]; upstream = "127.0.0.1:$B"; },
  { name = "w"; domains = [ "*.w.test" ]; upstream = "127.0.0.1:$W"; },
  { name = "behind"; domains = [ "localhost" ]; upstream = "127.0.0.1:$BEHIND"; }
);
EOC
start_postern "$WORK/postern.conf"

say "curl"
assert_eq "one a.test /x?y=1" "$(curl_to "$PORT" a.test '/x?y=1')" "answer to curl"
assert_eq "two b.test /" "$(curl_to "$PORT" b.test / --tls-max 1.2)" "answer to curl, TLS 1.2"
assert_eq "wild x.w.test /" "$(curl_to "$PORT" x.w.test /)" "answer by wildcard"
# 60 is curl's code for a certificate that it does not accept: the checks above do check.
assert_status 60 curl --silent --noproxy '*' --resolve "a.test:$PORT:127.0.0.1" \
    "https://a.test:$PORT/"

# s_client NAME [OPTION...]: one request; what the client says in $WORK/said, the body in $BODY.
s_client()
{
    local name=$1
    shift
    printf 'GET /s HTTP/1.0\r\n\r\n' | timeout "$DEADLINE" openssl s_client -ign_eof \
        -connect "127.0.0.1:$PORT" -servername "$name" -CAfile "$CERTS/ca.pem" \
        -verify_hostname "$name" -verify_return_error "$@" >"$WORK/said" 2>&1 || fail "s_client"
    assert_grep '^Verif(y return code: 0|ication: OK)' "$WORK/said"
    BODY=$(grep ' /s$' "$WORK/said")
}

say "openssl s_client"
s_client a.test
assert_eq "one a.test /s" "$BODY" "answer to s_client"
assert_grep '^subject=.*CN ?= ?a\.test' "$WORK/said"
s_client b.test -tls1_2
assert_eq "two b.test /s" "$BODY" "answer to s_client, TLS 1.2"
assert_grep '^subject=.*CN ?= ?b\.test' "$WORK/said"
s_client q.w.test
assert_eq "wild q.w.test /s" "$BODY" "answer to s_client by wildcard"

if [ -n "$(command -v gnutls-cli)" ]; then
    say "gnutls-cli"
    with_input $'GET /g HTTP/1.0\r\n\r\n' timeout "$DEADLINE" gnutls-cli --port "$PORT" \
        --sni-hostname b.test --verify-hostname b.test --x509cafile "$CERTS/ca.pem" 127.0.0.1 \
        >"$WORK/said" 2>&1 || fail "gnutls-cli"
    assert_grep 'The certificate is trusted' "$WORK/said"
    assert_grep "subject .CN=b\.test" "$WORK/said"
    assert_grep '^two b\.test /g' "$WORK/said"
fi

# moved PORT PREFIX: a download and an upload of the big file arrive whole.
moved()
{
    curl_to "$1" a.test /files/big --output "$WORK/down"
    cmp "$WORK/files/big" "$WORK/down" || fail "bytes changed on the way down"
    assert_eq 201 "$(curl_to "$1" a.test "/put/$2" --upload-file "$WORK/files/big" \
        --output /dev/null --write-out '%{http_code}')" "status of the upload"
    cmp "$WORK/files/big" "$WORK/put/$2" || fail "bytes changed on the way up"
}

say "$((SIZE >> 20)) MiB each way"
head -c "$SIZE" /dev/urandom >"$WORK/files/big"
moved "$PORT" direct
assert_grep 'edge=a .*bytes_in='"${SIZE:0:2}"'[0-9]{6} ' "$POSTERN_LOG"

need haproxy
cat "$CERTS/localhost.pem" "$CERTS/localhost.key" >"$WORK/localhost-both.pem"
cat >"$WORK/haproxy.cfg" <<EOC
global
    maxconn 100
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    mode tcp
    bind 127.0.0.1:$FRONT
    default_backend postern
backend postern
    mode tcp
    server postern 127.0.0.1:$PORT
frontend behind
    mode http
    bind 127.0.0.1:$BEHIND ssl crt $WORK/localhost-both.pem
    http-request return status 200 content-type text/plain string "haproxy"
EOC
start_haproxy both "$WORK/haproxy.cfg" "$BEHIND"

say "haproxy in front"
assert_eq "two b.test /front" "$(curl_to "$FRONT" b.test /front)" "answer through HAProxy"
moved "$FRONT" front
say "haproxy behind, and on both sides"
assert_eq haproxy "$(curl_to "$PORT" localhost /)" "answer of HAProxy"
assert_eq haproxy "$(curl_to "$FRONT" localhost /)" "answer of HAProxy through HAProxy"

stop_postern
assert_no_grep 'level=(error|warning)' "$POSTERN_LOG"
