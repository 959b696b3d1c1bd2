#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Client certificates: each mode with each kind of certificate, rules, configurations that must not
# start, and sessions won on one edge that are offered to another. A client of TLS 1.3 believes to
# be connected before it is refused, so what counts is whether it gets an answer.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

free_ports PORT HTTP

# --- certificates -----------------------------------------------------------------------------

issue good clientAuth DNS:good.client.test,URI:spiffe://test/good,email:good@client.test
issue second clientAuth DNS:second.client.test
issue expired clientAuth DNS:expired.client.test -startdate 20200101000000Z -enddate 20200201000000Z
issue usage serverAuth DNS:usage.client.test
issue revoked clientAuth DNS:revoked.client.test
ca -revoke revoked.pem
ca -gencrl -out ca.crl
ca -gencrl -out stale.crl -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z

# near and far come with one and two intermediates.
MIDDLE=("basicConstraints=critical,CA:TRUE" "keyUsage=critical,keyCertSign,cRLSign")
certificate middle ca "$EC_P256" "${MIDDLE[@]}"
certificate lower middle "$EC_P256" "${MIDDLE[@]}"
certificate near middle "$EC_P256" extendedKeyUsage=clientAuth
certificate far lower "$EC_P256" extendedKeyUsage=clientAuth
cat "$CERTS/middle.pem" >>"$CERTS/near.pem"
cat "$CERTS/lower.pem" "$CERTS/middle.pem" >>"$CERTS/far.pem"

SPKI=$(openssl x509 -in "$CERTS/second.pem" -noout -pubkey | openssl pkey -pubin -outform DER |
    openssl dgst -sha256 -r | cut -d' ' -f1)
DIGEST=$(openssl x509 -in "$CERTS/stranger.pem" -noout -fingerprint -sha256 | cut -d= -f2)

# --- the daemon -------------------------------------------------------------------------------

start_nginx_plain answered "$HTTP"

NAMES=(open require given any request other plain shallow unlisted cn dns uri email both spki pin)
certificate server ca "$EC_P256" "subjectAltName=$(printf 'DNS:%s.test,' "${NAMES[@]}")DNS:a.test"

# guarded NAME [MEMBERS]: an edge, with mutual-tls when there are members.
guarded()
{
    edge "$1" "$HTTP" "$(terminate server)" ${2:+"module = \"mutual-tls\"; $2"}
}

CA="ca = [ \"$CERTS/ca.pem\" ];"
CRL="crl = [ \"$CERTS/ca.crl\" ];"
EDGES=("$(guarded open)"
    "$(guarded require "$CA $CRL")"
    "$(guarded given "$CA $CRL mode = \"verify-if-given\";")"
    "$(guarded any "$CA $CRL mode = \"require-any\";")"
    "$(guarded request "$CA $CRL mode = \"request\";")"
    "$(guarded other "ca = [ \"$CERTS/other-ca.pem\" ];")"
    "$(guarded plain "$CA")"
    "$(guarded shallow "$CA depth = 1;")"
    "$(guarded unlisted "ca = [ \"$CERTS/ca.pem\", \"$CERTS/other-ca.pem\" ]; $CRL")"
    "$(guarded cn "$CA allow = ( { cn = \"nobody\"; }, { cn = \"good\"; } );")"
    "$(guarded dns "$CA allow = ( { san_dns = \"GOOD.client.test\"; } );")"
    "$(guarded uri "$CA allow = ( { san_uri = \"spiffe://test/good\"; } );")"
    "$(guarded email "$CA allow = ( { san_email = \"good@client.test\"; } );")"
    "$(guarded both "$CA allow = ( { cn = \"good\"; san_dns = \"second.client.test\"; } );")"
    "$(guarded spki "$CA allow = ( { spki_sha256 = \"$SPKI\"; } );")"
    "$(guarded pin "$CA mode = \"require-any\"; allow = ( { cert_sha256 = \"$DIGEST\"; } );")")
configure "$WORK/postern.conf" "${EDGES[@]}"
assert_status 0 "$POSTERN" -t -c "$WORK/postern.conf"
start_postern "$WORK/postern.conf"

# --- modes ------------------------------------------------------------------------------------

# expect yes|no CLIENT EDGE VERSION CERTIFICATE
expect()
{
    local want=$1 client=$2 got=no
    shift 2
    "by_$client" "$@"
    ! grep -q '^answered' "$WORK/out" || got=yes
    [ "$got" = "$want" ] || { cat "$WORK/out"; fail "$client $*: answered: $got, not $want"; }
}

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

by_openssl require 1.2 none
assert_grep 'SSL alert number 40$' "$WORK/out"
by_openssl require 1.3 none
assert_grep 'SSL alert number 116$' "$WORK/out"
for version in 1.2 1.3; do
    by_openssl require "$version" stranger
    assert_grep 'SSL alert number (42|48)$' "$WORK/out"
    by_openssl require "$version" revoked
    assert_grep 'SSL alert number 4[0-9]$' "$WORK/out"
    by_openssl cn "$version" second
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
    by_openssl "$name" "$version" "$cert" -sess_out "$WORK/session" "$@"
    assert_grep '^answered' "$WORK/out"
}

# offered NAME VERSION [ARGUMENT...]: without a certificate it must get nothing.
offered()
{
    local name=$1 version=$2
    shift 2
    by_openssl "$name" "$version" none -sess_in "$WORK/session" "$@"
    assert_no_grep '^answered' "$WORK/out"
    assert_no_grep '^Reused' "$WORK/out"
}

for version in 1.2 1.3; do
    for ticket in "" -no_ticket; do
        won open "$version" none ${ticket:+"$ticket"}
        if [ -s "$WORK/session" ]; then
            # The session is a good one where it was won.
            by_openssl open "$version" none -sess_in "$WORK/session"
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
        by_openssl require "$version" stranger -sess_in "$WORK/session"
        assert_no_grep '^answered' "$WORK/out"
    fi
done

# --- reload of a revocation list --------------------------------------------------------------

expect yes openssl require 1.3 good
ca -revoke good.pem
ca -gencrl -out ca.crl
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

refused 'none.pem: No such file' "$(guarded a "ca = [ \"$CERTS/none.pem\" ];")"
refused 'no block "CERTIFICATE"' "$(guarded a "ca = [ \"$CERTS/ca.key\" ];")"
refused 'ca.pem has no block "X509 CRL"' "$(guarded a "$CA crl = [ \"$CERTS/ca.pem\" ];")"
refused 'revocation list .*stale.crl' "$(guarded a "$CA crl = [ \"$CERTS/stale.crl\" ];")"
refused '"ca"' "$(guarded a ' ')"
refused 'enforce' "$(guarded a "$CA enforce = false;")"
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

ca -gencrl -out ca.crl -crl_nextupdate "$(date -u -d '+12 seconds' +%Y%m%d%H%M%SZ)"
configure "$WORK/postern.conf" "$(guarded require "$CA $CRL")"
start_postern "$WORK/postern.conf"
expect yes openssl require 1.3 second
wait_until "$DEADLINE" lets_nobody_in || fail "a list past its next update is still used"
stop_postern
