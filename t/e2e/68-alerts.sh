#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What clients are told when they are refused, read by two TLS stacks. What no good client would
# send comes from 68-alerts.py, which sits between the client and the daemon and breaks things.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

need python3
free_ports PORT HTTP NOBODY
start_nginx_plain plain "$HTTP"
certificate server ca "$EC_P256" \
    "subjectAltName=DNS:ends.test,DNS:old.test,DNS:new.test,DNS:demands.test,DNS:rule.test"
certificate usage ca "$EC_P256" extendedKeyUsage=serverAuth

issue expired clientAuth DNS:expired.test -startdate 20200101000000Z -enddate 20200201000000Z
issue future clientAuth DNS:future.test -startdate 20400101000000Z -enddate 20410101000000Z
issue revoked clientAuth DNS:revoked.test
ca -revoke revoked.pem
ca -gencrl -out ca.crl

MUTUAL="module = \"mutual-tls\"; ca = [ \"$CERTS/ca.pem\" ];"
configure "$WORK/postern.conf" \
    "$(edge ends "$HTTP" "$(terminate server 'alpn = [ "http/1.1" ];')")" \
    "$(edge old "$HTTP" "$(terminate server 'max_version = "1.2"; groups = [ "secp256r1" ];
        ciphers = [ "ECDHE-ECDSA-AES128-GCM-SHA256" ];')")" \
    "$(edge new "$HTTP" "$(terminate server 'min_version = "1.3"; groups = [ "secp256r1" ];
        ciphersuites = [ "TLS_AES_128_GCM_SHA256" ];')")" \
    "$(edge demands "$HTTP" "$(terminate server)" "$MUTUAL crl = [ \"$CERTS/ca.crl\" ];")" \
    "$(edge rule "$HTTP" "$(terminate server)" "$MUTUAL allow = ( { cn = \"nobody\"; } );")" \
    "$(edge shut "$HTTP" 'module = "ip-restrictions"; allow = [ "192.0.2.1", "2001:db8::1" ];' \
        "$(terminate server)" | sed 's/^{/{ on_deny = "alert";/')" \
    "$(edge down "$NOBODY")"
assert_status 0 "$POSTERN" -t -c "$WORK/postern.conf"
start_postern "$WORK/postern.conf"
DAEMON=$PORT

# refused NUMBER EDGE VERSION CERTIFICATE [OPENSSL-ARGUMENTS [GNUTLS-PRIORITY [GNUTLS-ARGUMENTS]]]:
# both clients get nothing but that alert. A priority is added to the one for the version.
refused()
{
    local number=$1 edge=$2 version=$3 cert=$4 more=()
    # shellcheck disable=SC2086 # arguments
    by_openssl "$edge" "$version" "$cert" ${5:-}
    told "SSL alert number $number\$" "openssl, TLS $version, ${*:2}"
    # shellcheck disable=SC2206 # arguments
    more=(--priority "NORMAL:-VERS-ALL:+VERS-TLS$version${6:+:$6}" ${7:-})
    by_gnutls "$edge" "$version" "$cert" "${more[@]}"
    told "Received alert \\[$number\\]" "gnutls, TLS $version, ${*:2}"
}

# told PATTERN WHO
told()
{
    if ! grep -qE "$1" "$WORK/out" || grep -q '^plain ' "$WORK/out"; then
        tail -n 30 "$WORK/out"
        fail "$2: no \"$1\""
    fi
}

# served EDGE VERSION CERTIFICATE: a control, without which the rest would prove nothing.
served()
{
    local client
    for client in openssl gnutls; do
        "by_$client" "$@"
        grep -qx "plain $1.test /$2" "$WORK/out" || { cat "$WORK/out" && fail "not served: $*"; }
    done
}

# --- what cannot be agreed on -----------------------------------------------------------------

for version in 1.2 1.3; do
    served ends "$version" none
    refused 112 nobody "$version" none                             # unrecognized_name
    refused 49 shut "$version" none                                # access_denied
    refused 80 down "$version" none                                # internal_error
    refused 120 ends "$version" none "-alpn foo" "" "--alpn foo"   # no_application_protocol
    refused 40 ends "$version" none "-groups P-521" "-GROUP-ALL:+GROUP-SECP521R1"
done
served old 1.2 none
served new 1.3 none
refused 70 ends 1.1 none "-cipher DEFAULT:@SECLEVEL=0"             # protocol_version
refused 70 new 1.2 none
refused 70 old 1.3 none
refused 40 old 1.2 none "-cipher ECDHE-ECDSA-AES256-GCM-SHA384" "-CIPHER-ALL:+AES-256-GCM"
refused 40 old 1.2 none "-groups X25519" "-GROUP-ALL:+GROUP-X25519"
refused 40 ends 1.2 none "-cipher AES128-SHA" "-KX-ALL:+RSA"
refused 40 ends 1.2 none "-sigalgs RSA+SHA256" "-SIGN-ALL:+SIGN-RSA-SHA256"
refused 40 new 1.3 none "-ciphersuites TLS_CHACHA20_POLY1305_SHA256" \
    "-CIPHER-ALL:+CHACHA20-POLY1305"
refused 40 new 1.3 none "-groups X25519" "-GROUP-ALL:+GROUP-X25519"
refused 40 ends 1.3 none "-sigalgs RSA-PSS+SHA256" "-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256"
refused 86 ends 1.2 none "-fallback_scsv" "%FALLBACK_SCSV"         # inappropriate_fallback

# --- client certificates ----------------------------------------------------------------------

refused 40 demands 1.2 none                                        # handshake_failure
refused 116 demands 1.3 none                                       # certificate_required
for version in 1.2 1.3; do
    served demands "$version" client
    refused 48 demands "$version" stranger                         # unknown_ca
    refused 45 demands "$version" expired                          # certificate_expired
    refused 45 demands "$version" future
    # The library knows but one word for all of these, bad_certificate; later ones another.
    refused '(42|43)' demands "$version" usage
    refused '(42|44)' demands "$version" revoked
    refused 42 rule "$version" client
done

# --- what is broken on the way ----------------------------------------------------------------

background relay env PYTHONDONTWRITEBYTECODE=1 python3 "$top_srcdir/t/e2e/68-alerts.py" "$DAEMON"
wait_for_log '^listening' "$WORK/relay.log"

# broken MANNER EDGE CERTIFICATE ALERT-OF-1.2 ALERT-OF-1.3 [as for refused]; "-": not with that.
broken()
{
    local manner=$1 edge=$2 cert=$3 alert=([2]=$4 [3]=$5) version
    shift 5
    PORT=$(sed -n "s/^$manner //p" "$WORK/relay.log")
    for version in 1.2 1.3; do
        [ "${alert[${version#1.}]}" = - ] ||
            refused "${alert[${version#1.}]}" "$edge" "$version" "$cert" "$@"
    done
    PORT=$DAEMON
}

# unexpected_message, record_overflow, bad_record_mac
broken hello-twice ends none 10 10
broken data-early ends none 10 20
broken odd-kind ends none 10 -
broken too-long ends none 22 22
broken data-too-long ends none 22 22
broken data-broken ends none 20 20
broken data-short ends none 20 20
# decode_error, illegal_parameter, missing_extension, decrypt_error
broken extensions-long ends none 50 50
broken extension-twice ends none 50 50
broken compression ends none 47 47
broken no-key-share ends none - 109
broken no-groups ends none - 109
broken no-signatures ends none - 109
broken exchange-short ends none 50 -
broken exchange-long ends none 50 -
# RFC 8446 section 5 wants 10, which wolfSSL sends since 5.9.
broken ccs-odd ends none 50 '(10|47)'
broken ccs-long ends none 50 '(10|47)'
# Keys that make every secret zero, and those that are no points of their curve. wolfSSL 5.5 looks
# at the latter only when built to check private keys as well, which is half of a handshake more.
broken share-zero ends none - 47 "-groups X25519" -GROUP-ALL:+GROUP-X25519
broken exchange-zero ends none 47 - "-groups X25519:P-256" \
    -GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1
if ! "$POSTERN" -V -c "$WORK/postern.conf" | grep 'wolfSSL 5\.5' >/dev/null; then
    broken share-off-curve ends none - 47 "-groups P-256" -GROUP-ALL:+GROUP-SECP256R1
    broken share-off-curve ends none - 47 "-groups P-384" -GROUP-ALL:+GROUP-SECP384R1
    broken exchange-off-curve ends none 47 - "-groups P-256" -GROUP-ALL:+GROUP-SECP256R1
fi
broken verify-broken demands client 51 -
broken certificate-broken demands client 42 -
broken certificate-garbage demands client 50 -
broken certificate-short demands client 50 -

stop_postern
assert_no_grep 'level=error' "$POSTERN_LOG"
