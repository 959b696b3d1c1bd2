#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TLS to upstreams: whom it trusts, what it tells them, what becomes of bytes and ends, and how it
# goes on when one fails.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/upstream-tls.so" ] || skip "built without wolfSSL"
need openssl gnutls-serv curl nginx haproxy python3
free_ports PORT TUNNEL GOOD OTHER LOCAL STRANGER EXPIRED SELF NONAME WILD ASKS OLD PLAIN RSA
free_ports HAPROXY INNER GNUTLS FLAKY CLOSED STALL ECHO TWO DEMANDS
make_certs

# --- certificates -----------------------------------------------------------------------------

# new_cert FILE CA DAYS NAME EXTENSION [openssl req -newkey ...]
new_cert()
{
    local file=$1 ca=$2 days=$3 name=$4 extension=$5
    shift 5
    [ $# -gt 0 ] || set -- ec -pkeyopt ec_paramgen_curve:P-256
    (
        cd "$CERTS" && umask 077
        openssl req -new -newkey "$@" -nodes -subj "/CN=$name" -keyout "$file.key" \
            -out "$file.csr" &&
            openssl x509 -req -in "$file.csr" -CA "$ca.pem" -CAkey "$ca.key" -CAcreateserial \
                -days "$days" -out "$file.pem" -extfile <(printf '%s\n' "$extension")
    ) >"$WORK/certs.log" 2>&1 || fail "no certificate $file"
}
new_cert strange other-ca 30 a.test subjectAltName=DNS:a.test
new_cert expired ca -1 a.test subjectAltName=DNS:a.test
new_cert noname ca 30 a.test extendedKeyUsage=serverAuth
new_cert rsa ca 30 a.test subjectAltName=DNS:a.test rsa:2048
new_cert front ca 30 front 'subjectAltName=DNS:*.front.test'
(cd "$CERTS" && umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days 30 -subj /CN=a.test -addext subjectAltName=DNS:a.test -keyout self.key -out self.pem) \
    >"$WORK/certs.log" 2>&1 || fail "no self-signed certificate"

# --- upstreams --------------------------------------------------------------------------------

# server PORT NAME CERTIFICATE [DIRECTIVE...]: answers "NAME <SNI> <path> <what was agreed on>".
server()
{
    local port=$1 name=$2 cert=$3
    shift 3
    printf 'server { listen 127.0.0.1:%s ssl; ssl_certificate %s.pem; ssl_certificate_key %s.key;\n' \
        "$port" "$CERTS/$cert" "$CERTS/$cert"
    printf '  ssl_session_timeout 1h; %s\n' "$*"
    # shellcheck disable=SC2016 # nginx's own
    printf '  location / { return 200 "%s $ssl_server_name $request_uri $ssl_protocol %s\\n"; } }\n' \
        "$name" '$ssl_session_reused $ssl_client_s_dn'
}

mkdir -p "$WORK/nginx" "$WORK/files"
{
    cat <<EOC
daemon off;
master_process off;
pid $WORK/nginx/pid;
error_log $WORK/nginx/error.log info;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $WORK/nginx/body;
    proxy_temp_path $WORK/nginx/proxy;
    fastcgi_temp_path $WORK/nginx/fastcgi;
    uwsgi_temp_path $WORK/nginx/uwsgi;
    scgi_temp_path $WORK/nginx/scgi;
    default_type text/plain;
    ssl_protocols TLSv1.2 TLSv1.3;
    server { listen 127.0.0.1:$PLAIN; location / { return 200 "plain\\n"; } }
EOC
    server "$GOOD" good a
    server "$TWO" two a
    server "$OTHER" other b
    server "$LOCAL" local localhost
    server "$STRANGER" stranger strange
    server "$EXPIRED" expired expired
    server "$SELF" self self
    server "$NONAME" noname noname
    server "$WILD" wild w
    server "$ASKS" asks a ssl_verify_client on\; ssl_client_certificate "$CERTS/ca.pem"\;
    server "$OLD" old a ssl_protocols TLSv1.2\;
    server "$RSA" rsa rsa
    echo '}'
} >"$WORK/nginx/nginx.conf"
background nginx "$(PATH=$PATH:/usr/sbin command -v nginx)" -p "$WORK/nginx" \
    -e "$WORK/nginx/error.log" -c "$WORK/nginx/nginx.conf"
LOGS+=("$WORK/nginx/error.log")
wait_for_port "$GOOD"

cat "$CERTS/a.pem" "$CERTS/a.key" >"$CERTS/a-both.pem"
cat >"$WORK/haproxy.cfg" <<EOC
global
    log stdout format raw local0
defaults
    mode tcp
    timeout connect 20s
    timeout client 60s
    timeout server 60s
frontend tls
    bind 127.0.0.1:$HAPROXY accept-proxy ssl crt $CERTS/a-both.pem
    mode http
    http-request return status 200 content-type text/plain lf-string "%ci %[fc_pp_authority] %[ssl_fc_sni] %[ssl_fc_protocol]"
EOC
start_haproxy tls "$WORK/haproxy.cfg" "$HAPROXY"

background gnutls gnutls-serv --http --port "$GNUTLS" --x509certfile "$CERTS/a.pem" \
    --x509keyfile "$CERTS/a.key" --quiet
wait_for_port "$GNUTLS"

background s_server openssl s_server -accept "127.0.0.1:$DEMANDS" -cert "$CERTS/a.pem" \
    -key "$CERTS/a.key" -CAfile "$CERTS/ca.pem" -Verify 1 -verify_return_error -www -quiet
wait_for_port "$DEMANDS"

# --- the daemon -------------------------------------------------------------------------------

FRONT="{ module = \"tls-termination\"; terminate_at = \"edge\";
        certificates = ({ certificate = \"$CERTS/front.pem\"; key = \"$CERTS/front.key\"; }); }"

# edge NAME UPSTREAM MEMBERS: TLS ends, and begins anew with these members of upstream-tls.
edge()
{
    printf '{ name = "%s"; domains = [ "%s.front.test" ]; upstream = %s;\n' "$1" "$1" "$2"
    printf '  modules = ( %s, { module = "upstream-tls"; ca = [ "%s/ca.pem" ]; %s } ); },\n' \
        "$FRONT" "$CERTS" "$3"
}

# at PORT...: a list of targets
at()
{
    local list="" p
    for p; do
        list="$list${list:+, }\"127.0.0.1:$p\""
    done
    printf '[ %s ]' "$list"
}

A='server_name = "a.test";'
cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
timeouts = { handshake = "60s"; hello = "60s"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; },
              { name = "inner"; address = "127.0.0.1:$INNER"; unknown_sni = "far"; } );
edges = (
$(edge good "$(at "$GOOD")" "$A")
$(edge other "$(at "$OTHER")" "$A")
$(edge case "$(at "$GOOD")" 'server_name = "A.Test.";')
$(edge ip "$(at "$LOCAL")" '')
$(edge ipname "$(at "$LOCAL")" 'server_name = "::1";')
$(edge noip "$(at "$GOOD")" '')
$(edge host "\"localhost:$LOCAL\"" '')
$(edge stranger "$(at "$STRANGER")" "$A")
$(edge expired "$(at "$EXPIRED")" "$A")
$(edge self "$(at "$SELF")" "$A")
$(edge noname "$(at "$NONAME")" "$A")
$(edge wild "$(at "$WILD")" 'server_name = "x.w.test";')
$(edge wilder "$(at "$WILD")" 'server_name = "y.x.w.test";')
$(edge wildest "$(at "$WILD")" 'server_name = "w.test";')
$(edge asks "$(at "$ASKS")" "$A certificate = \"$CERTS/client.pem\"; key = \"$CERTS/client.key\";")
$(edge asked "$(at "$DEMANDS")" "$A")
$(edge asked12 "$(at "$DEMANDS")" "$A max_version = \"1.2\";")
$(edge old "$(at "$OLD")" "$A")
$(edge new "$(at "$OLD")" "$A min_version = \"1.3\";")
$(edge rsa "$(at "$RSA")" "$A max_version = \"1.2\"; ciphers = [ \"ECDHE-RSA-AES256-GCM-SHA384\" ];")
$(edge plain "$(at "$PLAIN")" "$A")
$(edge gnutls "$(at "$GNUTLS")" "$A")
$(edge over "$(at "$PLAIN" "$CLOSED" "$OTHER" "$GOOD")" "$A")
$(edge never "$(at "$PLAIN" "$OTHER")" "$A")
$(edge lost "$(at "$OTHER" "$CLOSED")" "$A")
$(edge nosession "$(at "$GOOD")" "$A sessions = false;")
$(edge echo "$(at "$ECHO")" "$A sessions = false;")
$(edge pair "{ max_fails = 0; targets = $(at "$ECHO" "$ECHO"); }" "$A sessions = false;")
$(edge stall "{ targets = ( \"127.0.0.1:$STALL\", { address = \"127.0.0.1:$ECHO\"; backup = true; } ); }" "$A" |
    sed 's/^{/{ timeouts = { handshake = "3s"; };/')
$(for i in 0 1 2 3; do edge "flaky$i" "$(at "$FLAKY")" "$A"; done)
{ name = "alpn"; domains = [ "alpn.front.test" ]; upstream = "127.0.0.1:$ECHO";
  modules = ( { module = "tls-termination"; terminate_at = "edge"; alpn = [ "h2", "http/1.1" ];
        certificates = ({ certificate = "$CERTS/front.pem"; key = "$CERTS/front.key"; }); },
    { module = "upstream-tls"; ca = [ "$CERTS/ca.pem" ]; $A alpn = [ "client" ]; } ); },
{ name = "any"; domains = [ "any.front.test" ]; upstream = "127.0.0.1:$SELF";
  modules = ( $FRONT, { module = "upstream-tls"; verify = false; } ); },
{ name = "proxy"; domains = [ "proxy.front.test" ]; upstream = "127.0.0.1:$HAPROXY";
  modules = ( $FRONT, { module = "upstream-tls"; ca = [ "$CERTS/ca.pem" ]; $A },
              { module = "proxy-protocol"; send = 2; tlvs = [ "authority" ]; } ); },
{ name = "system"; domains = [ "system.front.test" ]; upstream = "tls://localhost:$LOCAL";
  modules = ( $FRONT ); },
{ name = "mixed"; domains = [ "mixed.front.test" ]; upstream = { tries = 1; targets = (
    "127.0.0.1:$PLAIN", "tls://localhost:$LOCAL" ); };
  modules = ( $FRONT, { module = "upstream-tls"; targets = "tls"; ca = [ "$CERTS/ca.pem" ]; } ); },
{ name = "tunnel"; domains = [ "tunnel.front.test" ];
  modules = ( $FRONT, { module = "live-tunnel"; into = "inner"; },
              { module = "upstream-tls"; ca = [ "$CERTS/ca.pem" ]; $A } ); },
{ name = "hole"; domains = [ "hole.front.test" ];
  modules = ( $FRONT, { module = "live-tunnel"; into = "inner"; },
              { module = "upstream-tls"; ca = [ "$CERTS/ca.pem" ]; } ); },
{ name = "far"; upstream = "127.0.0.1:$GOOD"; },
{ name = "wrapped"; domains = [ "wrapped.test" ]; upstream = "127.0.0.1:$ECHO";
  modules = ( { module = "upstream-tls"; ca = [ "$CERTS/ca.pem" ]; $A } ); },
{ name = "refused"; domains = [ "refused.test" ]; upstream = "127.0.0.1:$OTHER";
  modules = ( { module = "upstream-tls"; ca = [ "$CERTS/ca.pem" ]; $A } ); }
);
EOC
assert_status 0 "$POSTERN" -t -v -c "$WORK/postern.conf"
assert_grep 'warning.*verify = false' "$WORK/out"
grep -A9 '^edge system' "$WORK/out" | grep 'on_upstream_ready *upstream-tls$' >/dev/null ||
    fail "tls:// is not in the plan"
start_postern "$WORK/postern.conf"

# ask EDGE: what the upstream answers; "" when there was none.
ask()
{
    curl_to "$PORT" "$1.front.test" "/$1" --http1.1 "${@:2}" 2>/dev/null || true
}

# refused EDGE CODE TEXT: the client gets nothing, and the record says why.
refused()
{
    assert_eq "" "$(ask "$1")" "$1"
    wait_for_log "edge=$1 .*reason=upstream_tls_failed side=upstream .*code=$2 text=\"?[^\"]*$3" \
        "$POSTERN_LOG"
}

# --- whom it trusts ---------------------------------------------------------------------------

assert_eq "good a.test /good TLSv1.3 . " "$(ask good)" "good"
assert_eq "good a.test /case TLSv1.3 . " "$(ask case)" "upper case and a dot"
assert_eq "local  /ip TLSv1.3 . " "$(ask ip)" "an address"
assert_eq "local  /ipname TLSv1.3 . " "$(ask ipname)" "an address as server_name"
assert_eq "local localhost /host TLSv1.3 . " "$(ask host)" "the target's name"
assert_eq "wild x.w.test /wild TLSv1.3 . " "$(ask wild)" "a wildcard"
assert_eq "self  /any TLSv1.3 . " "$(ask any)" "verify = false"
assert_eq "asks a.test /asks TLSv1.3 . CN=client-1,O=Postern tests" "$(ask asks)" "with a certificate"
assert_eq "old a.test /old TLSv1.2 . " "$(ask old)" "TLS 1.2"
assert_eq "rsa a.test /rsa TLSv1.2 . " "$(ask rsa)" "RSA"
assert_grep GnuTLS <(ask gnutls)
refused other upstream-tls-name 'mismatch: it is not for a.test'
refused noip upstream-tls-name 'mismatch: it is not for this address'
refused noname upstream-tls-name 'mismatch'
refused wilder upstream-tls-name 'mismatch'
refused wildest upstream-tls-name 'mismatch'
refused stranger upstream-tls-certificate 'not trusted'
refused expired upstream-tls-certificate 'expired'
refused self upstream-tls-certificate 'not trusted'
refused asked12 upstream-tls-alert 'alert 40'
refused new upstream-tls-alert 'alert 70'
refused plain upstream-tls-handshake 'does not speak TLS'
# In TLS 1.3 the client has finished before the server has seen that there is no certificate.
assert_eq "" "$(ask asked)" "without a certificate"
wait_for_log 'edge=asked .*reason=reset side=upstream stage=on_established' "$POSTERN_LOG"
# The system's authorities do not know ours.
refused system upstream-tls-certificate 'not trusted'
refused hole upstream-tls-name 'set server_name'

# An edge that passes through wraps what it gets; its client can still be told.
openssl s_client -connect "127.0.0.1:$PORT" -servername refused.test </dev/null >"$WORK/out" 2>&1 &&
    fail "refused.test is accepted"
assert_grep 'SSL alert number 80$' "$WORK/out"

# --- what goes on the wire --------------------------------------------------------------------

assert_eq "127.0.0.7 proxy.front.test a.test TLSv1.3" "$(ask proxy --interface 127.0.0.7)" \
    "a header before TLS"
assert_eq "good a.test /tunnel TLSv1.3 . " "$(ask tunnel)" "through a tunnel"
assert_eq $'local localhost /mixed TLSv1.3 . \nplain' "$( (ask mixed; ask mixed) | sort)" "mixed"

# --- the next target --------------------------------------------------------------------------

for i in 1 2 3 4 5 6 7 8; do
    assert_eq "good a.test /over TLSv1.3" "$(ask over | cut -d' ' -f1-4)" "another target, $i"
done
assert_grep 'msg="upstream handshake failed".*edge=over .*code=upstream-tls-name' "$POSTERN_LOG"
assert_grep 'msg="upstream handshake failed".*edge=over .*code=upstream-tls-handshake' "$POSTERN_LOG"
wait_for_log "msg=\"upstream target is out\" target=127.0.0.1:$OTHER" "$POSTERN_LOG"
assert_eq "" "$(ask never)" "no target is good"
wait_for_log 'edge=never .*reason=upstream_tls_failed .*tries=2' "$POSTERN_LOG"

# --- sessions ---------------------------------------------------------------------------------

# Two workers, so that the third connection at the latest meets a session of its worker.
resumes()
{
    local i
    for i in 1 2 3 4 5 6 7 8; do
        case $(ask "$1") in
        *" r "*) return 0 ;;
        esac
    done
    return 1
}
resumes good || fail "TLS 1.3 is not resumed"
resumes old || fail "TLS 1.2 is not resumed"
! resumes nosession || fail "resumed with sessions = false"

# --- bytes, ends, sessions --------------------------------------------------------------------

# Slow builds get less to do: only the figures differ.
MIB=100
if [ -n "${SANITIZERS:-}${POSTERN_WRAP:-}" ] ||
    grep -q 'TLS_LIBRARY_ACCEL ""' "$top_builddir/modules/tls-common/tls_features.h"; then
    MIB=8
fi
python_test 62-upstream-tls.py "$POSTERN_PID" "$POSTERN_LOG" "$PORT" "$CERTS" "$ECHO" "$STALL" \
    "$FLAKY" "$MIB"

stop_postern
assert_no_grep 'level=error' "$POSTERN_LOG"
