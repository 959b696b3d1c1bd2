#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TLS that ends at the edge: what is negotiated with two client stacks, which alerts refuse, and
# what becomes of bytes, ends, tickets and certificates.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need openssl gnutls-cli curl nginx python3
free_ports PORT HTTP TLS ECHO
make_certs

# new_cert NAME KEY SAN[,DNS:SAN]: signed by the test CA, with a key made by openssl req -newkey KEY.
new_cert()
{
    (
        cd "$CERTS" && umask 077
        # shellcheck disable=SC2086 # KEY may be several arguments
        openssl req -new -newkey $2 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" &&
            openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
                -out "$1.pem" -extfile <(printf 'subjectAltName=DNS:%s\n' "$3")
    ) >"$WORK/certs.log" 2>&1 || fail "no certificate $1"
}
P256="ec -pkeyopt ec_paramgen_curve:P-256"
P384="ec -pkeyopt ec_paramgen_curve:P-384"
new_cert a-rsa rsa:2048 a.test
new_cert p384 "$P384" p384.test
new_cert ed ed25519 ed.test
new_cert w13 "$P256" w.test
new_cert live "$P256" echo.test,DNS:echo3.test
new_cert next "$P256" echo.test,DNS:echo3.test
new_cert echo2 "$P256" echo2.test
new_cert noticket "$P256" noticket.test
new_cert quiet "$P256" quiet.test

start_nginx_plain plain "$HTTP"
start_nginx_tls tls "$TLS" b

# edge NAME UPSTREAM MEMBERS CERTIFICATE...
edge()
{
    local name=$1 upstream=$2 members=$3 certs="" c
    shift 3
    for c; do
        certs="$certs${certs:+, }{ certificate = \"$CERTS/$c.pem\"; key = \"$CERTS/$c.key\"; }"
    done
    printf '{ name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%s";\n' \
        "$name" "$name" "$upstream"
    printf '  modules = ( { module = "tls-termination"; terminate_at = "edge"; %s\n' "$members"
    printf '    certificates = ( %s ); } ); }' "$certs"
}

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
timeouts = { hello = "60s"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; not_tls = "a"; } );
edges = (
$(edge a "$HTTP" 'alpn = [ "h2", "http/1.1" ];' a a-rsa),
$(edge w "$HTTP" 'min_version = "1.3"; groups = [ "P-384" ];' w13),
$(edge b12 "$HTTP" 'max_version = "1.2"; ciphers = [ "ECDHE-RSA-AES256-GCM-SHA384" ];
    groups = [ "secp256r1" ];' a-rsa),
$(edge p384 "$HTTP" '' p384),
$(edge ed "$HTTP" 'ciphersuites = [ "TLS_CHACHA20_POLY1305_SHA256" ];' ed),
$(edge echo "$ECHO" '' live | sed 's/"echo.test"/"echo.test", "echo3.test"/'),
$(edge echo2 "$ECHO" '' echo2),
$(edge noticket "$ECHO" 'tickets = false;' noticket),
$(edge quiet "$HTTP" 'tickets = false;' quiet),
{ name = "b"; domains = [ "b.test" ]; upstream = "127.0.0.1:$TLS";
  modules = ( { module = "tls-termination"; terminate_at = "upstream"; } ); }
);
EOC
assert_status 0 "$POSTERN" -t -c "$WORK/postern.conf"
start_postern "$WORK/postern.conf"

# --- curl: through, and passed through --------------------------------------------------------

assert_eq "plain a.test /x" "$(curl_to "$PORT" a.test /x --http1.1)" "terminated"
assert_eq "plain a.test /x" "$(curl_to "$PORT" a.test /x --http1.1 --tls-max 1.2)" "with TLS 1.2"
assert_eq "tls b.test /y" "$(curl_to "$PORT" b.test /y)" "passed through"

# --- what is negotiated -----------------------------------------------------------------------

# s_client NAME ARGUMENT...: what it said, in $WORK/out; its status is that of the handshake.
s_client()
{
    local name=$1
    shift
    openssl s_client -connect "127.0.0.1:$PORT" -servername "$name" -CAfile "$CERTS/ca.pem" \
        -verify_return_error "$@" </dev/null >"$WORK/out" 2>&1
}

# openssl_gets NAME PATTERN ARGUMENT...: the handshake is good, and the output matches.
openssl_gets()
{
    local name=$1 pattern=$2
    shift 2
    if ! s_client "$name" "$@"; then
        cat "$WORK/out"
        fail "openssl s_client -servername $name $*"
    fi
    assert_grep "$pattern" "$WORK/out"
}

# openssl_refused NAME ALERT ARGUMENT...: the client reads that alert.
openssl_refused()
{
    local name=$1 alert=$2
    shift 2
    ! s_client "$name" "$@" || fail "accepted: openssl s_client -servername $name $*"
    assert_grep "SSL alert number $alert\$" "$WORK/out"
}

# gnutls NAME PRIORITY ARGUMENT...
gnutls()
{
    local name=$1 priority=$2
    shift 2
    gnutls-cli --x509cafile "$CERTS/ca.pem" --sni-hostname "$name" --verify-hostname "$name" \
        --port "$PORT" --priority "$priority" "$@" 127.0.0.1 </dev/null >"$WORK/out" 2>&1
}

gnutls_gets()
{
    local name=$1 pattern=$2
    shift 2
    if ! gnutls "$name" "$@"; then
        cat "$WORK/out"
        fail "gnutls-cli $name $*"
    fi
    assert_grep "$pattern" "$WORK/out"
}

# gnutls_resumes NAME PRIORITY: it waits only a moment for a ticket, so that it may need a second try.
resumed()
{
    gnutls "$1" "$2" --resume && grep -q 'This is a resumed session' "$WORK/out"
}

gnutls_resumes()
{
    wait_until "$DEADLINE" resumed "$@" || { cat "$WORK/out"; fail "not resumed: gnutls-cli $*"; }
}

gnutls_refused()
{
    local name=$1 alert=$2
    shift 2
    ! gnutls "$name" "$@" || fail "accepted: gnutls-cli $name $*"
    assert_grep "fatal alert.*\\[$alert\\]|Received alert \\[$alert\\]" "$WORK/out"
}

openssl_gets a.test 'New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384' \
    -ciphersuites TLS_AES_256_GCM_SHA384
openssl_gets a.test 'New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256' -tls1_2
openssl_gets a.test 'Cipher is ECDHE-ECDSA-CHACHA20-POLY1305' -tls1_2 \
    -cipher ECDHE-ECDSA-CHACHA20-POLY1305
openssl_gets w.test 'Server Temp Key: ECDH, (secp384r1|P-384), 384 bits'
openssl_gets b12.test 'New, TLSv1.2, Cipher is ECDHE-RSA-AES256-GCM-SHA384'
openssl_gets b12.test 'ECDH, prime256v1, 256 bits' -tls1_2
openssl_gets p384.test 'Peer signature type: ECDSA'
openssl_gets p384.test 'Peer signature type: ECDSA' -tls1_2
openssl_gets ed.test 'Cipher is TLS_CHACHA20_POLY1305_SHA256'
gnutls_gets a.test 'TLS1.3.*AES-128-GCM' NORMAL
gnutls_gets a.test 'TLS1.2.*ECDHE' 'NORMAL:-VERS-ALL:+VERS-TLS1.2'
gnutls_gets w.test 'TLS1.3.*SECP384R1' NORMAL

# RSA or ECDSA: what the client says it can verify.
openssl_gets a.test 'Peer signature type: ECDSA'
openssl_gets a.test 'Peer signature type: RSA-PSS' -sigalgs RSA-PSS+SHA256
openssl_gets a.test 'Peer signature type: RSA$' -tls1_2 -sigalgs RSA+SHA256
openssl_gets a.test 'Peer signature type: RSA' -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
gnutls_gets a.test 'RSA-PSS-RSAE' 'NORMAL:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256'
gnutls_gets a.test 'ECDSA-SECP256R1' 'NORMAL:-SIGN-ALL:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA256'

# ALPN: our order, not the client's.
openssl_gets a.test 'ALPN protocol: h2$' -alpn http/1.1,h2
openssl_gets a.test 'ALPN protocol: http/1.1$' -alpn foo,http/1.1
openssl_gets a.test 'No ALPN negotiated'
openssl_gets a.test 'ALPN protocol: h2$' -tls1_2 -alpn http/1.1,h2
gnutls_gets a.test 'Application protocol: h2$' NORMAL --alpn http/1.1 --alpn h2

# --- what is refused, and how -----------------------------------------------------------------

for version in -tls1_2 -tls1_3; do
    openssl_refused a.test 120 "$version" -alpn foo
done
gnutls_refused a.test 120 NORMAL --alpn foo
gnutls_refused a.test 120 'NORMAL:-VERS-ALL:+VERS-TLS1.2' --alpn foo
old='DEFAULT:@SECLEVEL=0'
openssl_refused a.test 70 -tls1_1 -cipher "$old"
openssl_refused a.test 70 -tls1 -cipher "$old"
openssl_refused w.test 70 -tls1_2
openssl_refused b12.test 70 -tls1_3
gnutls_refused a.test 70 'NORMAL:-VERS-ALL:+VERS-TLS1.1'
gnutls_refused w.test 70 'NORMAL:-VERS-ALL:+VERS-TLS1.2'
gnutls_refused b12.test 70 'NORMAL:-VERS-ALL:+VERS-TLS1.3'
openssl_refused a.test 86 -tls1_2 -fallback_scsv
openssl_refused a.test 40 -tls1_2 -cipher AES128-SHA
openssl_refused a.test 40 -tls1_2 -cipher "ECDHE-ECDSA-AES128-SHA"
openssl_refused a.test 40 -tls1_2 -cipher "aNULL:eNULL:@SECLEVEL=0"
openssl_refused b12.test 40 -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
openssl_refused ed.test 40 -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256
openssl_refused a.test 40 -groups P-521
openssl_refused b12.test 40 -groups X25519
gnutls_refused a.test 40 'NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA'
gnutls_refused ed.test 40 'NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM'
gnutls_refused a.test 40 'NORMAL:-GROUP-ALL:+GROUP-SECP521R1'
openssl_refused p384.test 40 -tls1_3 -sigalgs ECDSA+SHA256
wait_for_log 'edge=p384 .*code=tls-handshake .*alert 40 sent' "$POSTERN_LOG"

# Renegotiation is refused. The client must not see an end of its input before that.
mkfifo "$WORK/input"
exec 9<>"$WORK/input"
printf 'R\n' >&9
! timeout "$DEADLINE" openssl s_client -connect "127.0.0.1:$PORT" -servername a.test -tls1_2 \
    <&9 >"$WORK/out" 2>&1 || fail "renegotiation is possible"
exec 9>&-
assert_grep 'SSL alert number (10|100)$|no renegotiation' "$WORK/out"

# What is not TLS never gets to the upstream of an edge that terminates.
"$TCP_PEER" connect "127.0.0.1:$PORT" send-text 'GET / HTTP/1.0\r\n\r\n' expect-eof ||
    fail "plain text is not refused"
wait_for_log 'edge=a .*module=tls-termination code=tls-required' "$POSTERN_LOG"

# Tickets, with a second stack too.
gnutls_resumes a.test NORMAL
gnutls_resumes a.test 'NORMAL:-VERS-ALL:+VERS-TLS1.2'
gnutls quiet.test NORMAL --resume || fail "no handshake without tickets"
assert_no_grep 'This is a resumed session' "$WORK/out"

# Early data is not allowed: who would send some sends none, and resumes all the same.
printf 'GET / HTTP/1.0\r\n\r\n' >"$WORK/request"
for early in "" "-early_data $WORK/request -sess_in $WORK/session"; do
    # shellcheck disable=SC2086 # several arguments
    timeout "$DEADLINE" openssl s_client -connect "127.0.0.1:$PORT" -servername a.test -tls1_3 \
        -ign_eof -sess_out "$WORK/session" $early <"$WORK/request" >"$WORK/out" 2>&1 ||
        { cat "$WORK/out"; fail "openssl s_client $early"; }
    assert_grep '^plain ' "$WORK/out"
done
assert_grep '^Reused' "$WORK/out"
assert_grep 'Early data was not sent' "$WORK/out"

# --- bytes, ends, tickets, reload -------------------------------------------------------------

# The upstream of echo.test is in the driver: no clients of it before that.
python_test 60-tls-termination.py "$POSTERN_PID" "$POSTERN_LOG" "$PORT" "$CERTS/ca.pem" "$ECHO" \
    "$CERTS"

stop_postern
assert_no_grep 'level=(error|warning)' "$POSTERN_LOG"
