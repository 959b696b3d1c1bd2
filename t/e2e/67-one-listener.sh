#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One listener serves side by side names that are passed through, whose TLS ends here, that demand a
# client certificate, and that are encrypted again to a verified upstream; with three clients.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

free_ports PORT HTTP TLS
start_nginx_plain plain "$HTTP"
certificate through ca "$EC_P256" subjectAltName=DNS:through.test
start_nginx_tls secret "$TLS" through "ssl_protocols TLSv1.2 TLSv1.3;"
for name in ends demands again; do
    certificate "$name" ca "$EC_P256" "subjectAltName=DNS:$name.test"
done

MUTUAL="module = \"mutual-tls\"; ca = [ \"$CERTS/ca.pem\" ];"
AGAIN="module = \"upstream-tls\"; ca = [ \"$CERTS/ca.pem\" ]; server_name = \"through.test\";"
EDGES=("$(edge through "$TLS" 'module = "tls-termination"; terminate_at = "upstream";')"
    "$(edge ends "$HTTP" "$(terminate ends)")"
    "$(edge demands "$HTTP" "$(terminate demands)" "$MUTUAL")"
    "$(edge again "$TLS" "$(terminate again)" "$AGAIN")")
configure "$WORK/postern.conf" "${EDGES[@]}"
assert_status 0 "$POSTERN" -t -c "$WORK/postern.conf"
start_postern "$WORK/postern.conf"

# gets CLIENT NAME VERSION CERTIFICATE ANSWER
gets()
{
    "by_$1" "$2" "$3" "$4"
    grep -qxF "$5" "$WORK/out" || { cat "$WORK/out" && fail "no \"$5\" for $1 with TLS $3"; }
}

# gets_nothing CLIENT NAME VERSION CERTIFICATE
gets_nothing()
{
    "by_$1" "$2" "$3" "$4"
    [ -s "$WORK/out" ] || fail "$1 says nothing at all"
    assert_no_grep '^(plain|secret) ' "$WORK/out"
}

# The four kinds take turns, so that no client meets the kind that the last one had.
for version in 1.2 1.3; do
    for client in curl openssl gnutls; do
        gets "$client" through "$version" none "secret through.test /$version"
        gets "$client" ends "$version" none "plain ends.test /$version"
        gets_nothing "$client" demands "$version" none
        gets_nothing "$client" demands "$version" stranger
        gets "$client" demands "$version" client "plain demands.test /$version"
        gets "$client" again "$version" none "secret through.test /$version"
    done
done

# Nobody is served under a name that the listener does not have.
for client in curl openssl gnutls; do
    gets_nothing "$client" other 1.3 client
done

stop_postern
assert_no_grep 'level=(error|warning)' "$POSTERN_LOG"
