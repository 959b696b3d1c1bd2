#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Client certificates: each mode with each kind of certificate, rules, configurations that must not
# start, and sessions won on one edge that are offered to another. A client of TLS 1.3 believes to
# be connected before it is refused, so what counts is whether it gets an answer.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need openssl gnutls-cli curl nginx
free_ports PORT HTTP
make_certs

# --- certificates -----------------------------------------------------------------------------

cat >"$CERTS/ca.cnf" <<EOC
[ca]
default_ca = here
[here]
dir = $CERTS
new_certs_dir = $CERTS
database = $CERTS/index
serial = $CERTS/number
crlnumber = $CERTS/crlnumber
certificate = $CERTS/ca.pem
private_key = $CERTS/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = any
[any]
commonName = supplied
EOC

# issue NAME USAGE SAN [ARGUMENT...]: by the test CA.
issue()
{
    local name=$1 usage=$2 san=$3
    shift 3
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
        -keyout "$name.key" -out "$name.csr" || return
    openssl ca -batch -notext -config ca.cnf -in "$name.csr" -out "$name.pem" "$@" -extfile <(
        printf '%s\n' basicConstraints=CA:FALSE keyUsage=critical,digitalSignature \
            "extendedKeyUsage=$usage" "subjectAltName=$san"
    )
}

# below NAME CA EXTENSION...: signed by that one.
below()
{
    local name=$1 by=$2
    shift 2
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
        -keyout "$name.key" -out "$name.csr" &&
        openssl x509 -req -in "$name.csr" -CA "$by.pem" -CAkey "$by.key" -CAcreateserial \
            -days 30 -out "$name.pem" -extfile <(printf '%s\n' "$@")
}

# near and far come with one and two intermediates.
make_chain()
{
    local ca="basicConstraints=critical,CA:TRUE" sign="keyUsage=critical,keyCertSign,cRLSign"

    below middle ca "$ca" "$sign" && below lower middle "$ca" "$sign" &&
        below near middle extendedKeyUsage=clientAuth &&
        below far lower extendedKeyUsage=clientAuth &&
        cat middle.pem >>near.pem && cat lower.pem middle.pem >>far.pem
}

make_clients()
{
    cd "$CERTS" && umask 077 || return
    : >index
    echo 1000 >number
    echo 01 >crlnumber
    issue good clientAuth DNS:good.client.test,URI:spiffe://test/good,email:good@client.test &&
        issue second clientAuth DNS:second.client.test &&
        issue expired clientAuth DNS:expired.client.test -startdate 20200101000000Z \
            -enddate 20200201000000Z &&
        issue usage serverAuth DNS:usage.client.test &&
        issue revoked clientAuth DNS:revoked.client.test &&
        make_chain &&
        openssl ca -config ca.cnf -revoke revoked.pem &&
        openssl ca -config ca.cnf -gencrl -out ca.crl &&
        openssl ca -config ca.cnf -gencrl -out stale.crl -crl_lastupdate 20200101000000Z \
            -crl_nextupdate 20200201000000Z
}
(make_clients) >"$WORK/clients.log" 2>&1 || { cat "$WORK/clients.log"; fail "no certificates"; }

SPKI=$(openssl x509 -in "$CERTS/second.pem" -noout -pubkey | openssl pkey -pubin -outform DER |
    openssl dgst -sha256 -r | cut -d' ' -f1)
DIGEST=$(openssl x509 -in "$CERTS/stranger.pem" -noout -fingerprint -sha256 | cut -d= -f2)

# --- the daemon -------------------------------------------------------------------------------

start_nginx_plain answered "$HTTP"

# edge NAME [MEMBERS]: with mutual-tls when there are members.
edge()
{
    printf '{ name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%s";\n' "$1" "$1" "$HTTP"
    printf '  modules = ( { module = "tls-termination"; terminate_at = "edge";\n'
    printf '    certificates = ( { certificate = "%s/a.pem"; key = "%s/a.key"; } ); }' \
        "$CERTS" "$CERTS"
    [ $# -lt 2 ] || printf ',\n  { module = "mutual-tls"; %s }' "$2"
    printf ' ); }'
}

# configure FILE EDGE...
configure()
{
    local file=$1 all="" e
    shift
    for e; do
        all="$all${all:+,
}$e"
    done
    cat >"$file" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = (
$all
);
EOC
}

CA="ca = [ \"$CERTS/ca.pem\" ];"
CRL="crl = [ \"$CERTS/ca.crl\" ];"
EDGES=("$(edge open)"
    "$(edge require "$CA $CRL")"
    "$(edge given "$CA $CRL mode = \"verify-if-given\";")"
    "$(edge any "$CA $CRL mode = \"require-any\";")"
    "$(edge request "$CA $CRL mode = \"request\";")"
    "$(edge other "ca = [ \"$CERTS/other-ca.pem\" ];")"
    "$(edge plain "$CA")"
    "$(edge shallow "$CA depth = 1;")"
    "$(edge unlisted "ca = [ \"$CERTS/ca.pem\", \"$CERTS/other-ca.pem\" ]; $CRL")"
    "$(edge cn "$CA allow = ( { cn = \"nobody\"; }, { cn = \"good\"; } );")"
    "$(edge dns "$CA allow = ( { san_dns = \"GOOD.client.test\"; } );")"
    "$(edge uri "$CA allow = ( { san_uri = \"spiffe://test/good\"; } );")"
    "$(edge email "$CA allow = ( { san_email = \"good@client.test\"; } );")"
    "$(edge both "$CA allow = ( { cn = \"good\"; san_dns = \"second.client.test\"; } );")"
    "$(edge spki "$CA allow = ( { spki_sha256 = \"$SPKI\"; } );")"
    "$(edge pin "$CA mode = \"require-any\"; allow = ( { cert_sha256 = \"$DIGEST\"; } );")")
configure "$WORK/postern.conf" "${EDGES[@]}"
assert_status 0 "$POSTERN" -t -c "$WORK/postern.conf"
start_postern "$WORK/postern.conf"

# --- three clients ----------------------------------------------------------------------------

# Each: CLIENT EDGE VERSION CERTIFICATE ("none": without); output in $WORK/out.
by_curl()
{
    local cert=()
    [ "$3" = none ] || cert=(--cert "$CERTS/$3.pem" --key "$CERTS/$3.key")
    curl_to "$PORT" "$1.test" / --insecure --http1.1 "--tlsv$2" --tls-max "$2" "${cert[@]}" \
        >"$WORK/out" 2>&1 || true
}

# s_client EDGE VERSION CERTIFICATE [ARGUMENT...]
s_client()
{
    local edge=$1 version=$2 cert=()
    [ "$3" = none ] || cert=(-cert "$CERTS/$3.pem" -key "$CERTS/$3.key")
    shift 3
    printf 'GET / HTTP/1.0\r\n\r\n' | timeout "$DEADLINE" openssl s_client -ign_eof \
        -connect "127.0.0.1:$PORT" -servername "$edge.test" "-tls${version/./_}" "${cert[@]}" \
        "$@" >"$WORK/out" 2>&1 || true
}

by_openssl()
{
    s_client "$@"
}

# Its input stays open until the answer or the refusal has come.
by_gnutls()
{
    local cert=() pid
    [ "$3" = none ] || cert=(--x509certfile "$CERTS/$3.pem" --x509keyfile "$CERTS/$3.key")
    : >"$WORK/out"
    rm -f "$WORK/request"
    mkfifo "$WORK/request"
    timeout "$DEADLINE" gnutls-cli --insecure --sni-hostname "$1.test" --port "$PORT" \
        --priority "NORMAL:-VERS-ALL:+VERS-TLS$2" "${cert[@]}" 127.0.0.1 <"$WORK/request" \
        >"$WORK/out" 2>&1 &
    pid=$!
    exec 9>"$WORK/request"
    printf 'GET / HTTP/1.0\r\n\r\n' >&9 2>/dev/null || true
    wait "$pid" || true
    exec 9>&-
}

# expect yes|no CLIENT EDGE VERSION CERTIFICATE
expect()
{
    local want=$1 client=$2 got=no
    shift 2
    "by_$client" "$@"
    ! grep -q '^answered' "$WORK/out" || got=yes
    [ "$got" = "$want" ] || { cat "$WORK/out"; fail "$client $*: answered: $got, not $want"; }
}

# --- modes ------------------------------------------------------------------------------------

# The certificates that each mode lets in.
modes()
{
    cat <<'EOC'
require good
given none good
any good stranger expired usage revoked
request none good stranger expired usage revoked
unlisted good
EOC
}

while read -r name admitted; do
    for cert in none good stranger expired usage revoked; do
        want=no
        [[ " $admitted " != *" $cert "* ]] || want=yes
        for version in 1.2 1.3; do
            for client in curl openssl gnutls; do
                expect "$want" "$client" "$name" "$version" "$cert"
            done
        done
    done
done < <(modes)

# --- alerts -----------------------------------------------------------------------------------

s_client require 1.2 none
assert_grep 'SSL alert number 40$' "$WORK/out"
s_client require 1.3 none
assert_grep 'SSL alert number 116$' "$WORK/out"
for version in 1.2 1.3; do
    s_client require "$version" stranger
    assert_grep 'SSL alert number (42|48)$' "$WORK/out"
    s_client require "$version" revoked
    assert_grep 'SSL alert number 4[0-9]$' "$WORK/out"
    s_client cn "$version" second
    assert_grep 'SSL alert number (42|49)$' "$WORK/out"
done

# --- rules ------------------------------------------------------------------------------------

for version in 1.2 1.3; do
    for name in cn dns uri email; do
        expect yes curl "$name" "$version" good
        expect no curl "$name" "$version" second
    done
    expect yes openssl spki "$version" second
    expect no openssl spki "$version" good
    expect yes openssl pin "$version" stranger
    expect no openssl pin "$version" good
    expect no openssl pin "$version" none
    expect no curl both "$version" good
    expect no curl both "$version" second
done

# Intermediates: as many as "depth" says.
for version in 1.2 1.3; do
    expect yes curl shallow "$version" near
    expect no curl shallow "$version" far
    expect yes curl plain "$version" far
done
wait_for_log 'client certificate of .*CN=second.* refused: no rule' "$POSTERN_LOG"

# --- sessions of another edge -----------------------------------------------------------------

# won NAME VERSION CERTIFICATE [ARGUMENT...]: a session of that edge, in $WORK/session.
won()
{
    local name=$1 version=$2 cert=$3
    shift 3
    rm -f "$WORK/session"
    s_client "$name" "$version" "$cert" -sess_out "$WORK/session" "$@"
    assert_grep '^answered' "$WORK/out"
}

# offered NAME VERSION [ARGUMENT...]: without a certificate it must get nothing.
offered()
{
    local name=$1 version=$2
    shift 2
    s_client "$name" "$version" none -sess_in "$WORK/session" "$@"
    assert_no_grep '^answered' "$WORK/out"
    assert_no_grep '^Reused' "$WORK/out"
}

for version in 1.2 1.3; do
    for ticket in "" -no_ticket; do
        won open "$version" none ${ticket:+"$ticket"}
        if [ -s "$WORK/session" ]; then
            # The session is a good one where it was won.
            s_client open "$version" none -sess_in "$WORK/session"
            [ -n "$ticket" ] || assert_grep '^Reused' "$WORK/out"
            for name in require any other cn; do
                offered "$name" "$version" ${ticket:+"$ticket"}
            done
        else
            [ -n "$ticket" ] || fail "no session of TLS $version"
        fi
    done
    # Between edges with client certificates, and back to the same one.
    for from in "require good" "other stranger" "request none" "given none" "any stranger"; do
        # shellcheck disable=SC2086 # two arguments
        set -- $from
        won "$1" "$version" "$2"
        [ -s "$WORK/session" ] || continue
        for name in require other any cn; do
            offered "$name" "$version"
        done
    done
    # A session won with a certificate that one edge admits, and that certificate, on another.
    won other "$version" stranger
    if [ -s "$WORK/session" ]; then
        s_client require "$version" stranger -sess_in "$WORK/session"
        assert_no_grep '^answered' "$WORK/out"
    fi
done

# --- reload of a revocation list --------------------------------------------------------------

expect yes openssl require 1.3 good
(cd "$CERTS" && openssl ca -config ca.cnf -revoke good.pem &&
    openssl ca -config ca.cnf -gencrl -out ca.crl) >"$WORK/clients.log" 2>&1 || fail "not revoked"
reload_postern
expect no openssl require 1.3 good
expect no openssl require 1.2 good

# A list that is gone refuses the reload, and what was known stays.
mv "$CERTS/ca.crl" "$CERTS/gone.crl"
reload_postern
assert_grep 'ca.crl: No such file' "$POSTERN_LOG"
expect no openssl require 1.3 good
stop_postern

# --- what must not start ----------------------------------------------------------------------

# refused PATTERN EDGE
refused()
{
    configure "$WORK/wrong.conf" "$2"
    assert_status 1 "$POSTERN" -t -c "$WORK/wrong.conf"
    assert_grep "$1" "$WORK/out"
    assert_status 1 "$POSTERN" -c "$WORK/wrong.conf"
}

refused 'none.pem: No such file' "$(edge a "ca = [ \"$CERTS/none.pem\" ];")"
refused 'no block "CERTIFICATE"' "$(edge a "ca = [ \"$CERTS/ca.key\" ];")"
refused 'ca.pem has no block "X509 CRL"' "$(edge a "$CA crl = [ \"$CERTS/ca.pem\" ];")"
refused 'revocation list .*stale.crl' "$(edge a "$CA crl = [ \"$CERTS/stale.crl\" ];")"
refused '"ca"' "$(edge a ' ')"
refused 'enforce' "$(edge a "$CA enforce = false;")"
refused 'mutual-tls' "{ name = \"a\"; domains = [ \"a.test\" ]; upstream = \"127.0.0.1:$HTTP\";
    modules = ( { module = \"mutual-tls\"; $CA } ); }"
refused 'mutual-tls' "{ name = \"a\"; domains = [ \"a.test\" ]; upstream = \"127.0.0.1:$HTTP\";
    modules = ( { module = \"tls-termination\"; terminate_at = \"upstream\"; },
                { module = \"mutual-tls\"; $CA } ); }"

# --- a list that becomes too old --------------------------------------------------------------

lets_nobody_in()
{
    by_openssl require 1.3 second
    ! grep -q '^answered' "$WORK/out"
}

(cd "$CERTS" && openssl ca -config ca.cnf -gencrl -out ca.crl \
    -crl_nextupdate "$(date -u -d '+8 seconds' +%Y%m%d%H%M%SZ)") >"$WORK/clients.log" 2>&1 ||
    fail "no list"
configure "$WORK/postern.conf" "$(edge require "$CA $CRL")"
start_postern "$WORK/postern.conf"
expect yes openssl require 1.3 second
wait_until "$DEADLINE" lets_nobody_in || fail "a list past its next update is still used"
stop_postern
