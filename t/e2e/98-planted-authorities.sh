#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What one client shows must not change how others are judged: authorities that nobody trusts, or
# that are good but too many. And several modules that judge client certificates on one edge.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

free_ports PORT HTTP
start_nginx_plain answered "$HTTP"

# --- certificates -----------------------------------------------------------------------------

# with NAME CERTIFICATE AUTHORITY...: $CERTS/NAME is this certificate with these behind it.
with()
{
    local name=$1 cert=$2 i files=()
    shift
    for i; do
        files+=("$CERTS/$i.pem")
    done
    cat "${files[@]}" >"$CERTS/$name.all"
    mv "$CERTS/$name.all" "$CERTS/$name.pem"
    [ "$name" = "$cert" ] || cp "$CERTS/$cert.key" "$CERTS/$name.key"
}

SIGNS=("basicConstraints=critical,CA:TRUE" "keyUsage=critical,keyCertSign,cRLSign")
# Nobody's authority, one with the name of the real one, and what these issue.
for name in planted false; do
    subject="/O=Postern tests/CN=$name"
    [ "$name" = planted ] || subject=$(openssl x509 -in "$CERTS/ca.pem" -noout -subject -nameopt compat |
        sed 's/^subject=//')
    (cd "$CERTS" && umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 30 -subj "$subject" -keyout "$name.key" -out "$name.pem" \
        -addext "${SIGNS[0]}" -addext "${SIGNS[1]}") >"$WORK/certificate.log" 2>&1 ||
        fail "no authority $name: $(cat "$WORK/certificate.log")"
    certificate "$name-leaf" "$name" "$EC_P256" extendedKeyUsage=clientAuth
    with "$name-chain" "$name-leaf" "$name"
done
certificate planted-middle planted "$EC_P256" "${SIGNS[@]}"
certificate planted-low planted-middle "$EC_P256" extendedKeyUsage=clientAuth
with planted-long planted-low planted-middle planted
# Good ones, with one authority and two between.
certificate middle ca "$EC_P256" "${SIGNS[@]}"
certificate lower middle "$EC_P256" "${SIGNS[@]}"
certificate near middle "$EC_P256" extendedKeyUsage=clientAuth
certificate far lower "$EC_P256" extendedKeyUsage=clientAuth
with near-chain near middle
with far-chain far lower middle
with far-half far lower
issue good clientAuth DNS:good.client.test
ca -gencrl -out ca.crl

# --- the daemon -------------------------------------------------------------------------------

NAMES=(request any crl plain shallow)
certificate server ca "$EC_P256" "subjectAltName=$(printf 'DNS:%s.test,' "${NAMES[@]}")DNS:a.test"
CA="ca = [ \"$CERTS/ca.pem\" ];"
EVENTS=$WORK/events.json
: >"$EVENTS"

# judged NAME [MEMBERS]: an edge that judges certificates and tells of it.
judged()
{
    edge "$1" "$HTTP" "$(terminate server)" "module = \"mutual-tls\"; $CA ${2:-}" \
        "module = \"event-logging\"; sink = \"file:$EVENTS\";"
}

# One worker: it is one record of authorities that the clients would share.
SETTINGS="workers = 1; sandbox = { writable = [ \"$WORK\" ]; };"
configure "$WORK/postern.conf" "$(judged request 'mode = "request";')" \
    "$(judged any 'mode = "require-any";')" \
    "$(judged crl "mode = \"request\"; crl = [ \"$CERTS/ca.crl\" ];")" \
    "$(judged plain)" "$(judged shallow 'depth = 1;')"
start_postern "$WORK/postern.conf"

# --- nobody's authority -----------------------------------------------------------------------

has_lines()
{
    [ "$(wc -l <"$EVENTS")" -ge "$1" ]
}

# told true|false EDGE VERSION CERTIFICATE: what the event says of the certificate.
told()
{
    local want=$1 lines
    shift
    lines=$(wc -l <"$EVENTS")
    by_curl "$@"
    assert_grep '^answered' "$WORK/out"
    wait_until "$DEADLINE" has_lines $((lines + 1)) || fail "no event"
    tail -n 1 "$EVENTS" >"$WORK/event"
    grep -q "\"verified\":$want" "$WORK/event" ||
        { cat "$WORK/event"; fail "$*: not verified:$want"; }
}

for name in request any crl; do
    for version in 1.2 1.3; do
        told true "$name" "$version" good
        # The first shows the authority, the others would live on it.
        for cert in planted-chain planted-leaf planted-chain planted-long planted-low \
            false-chain false-leaf; do
            told false "$name" "$version" "$cert"
        done
        told true "$name" "$version" good
        [ "$name" = crl ] || told true "$name" "$version" near-chain
    done
done

# --- good authorities -------------------------------------------------------------------------

# let_in yes|no EDGE VERSION CERTIFICATE
let_in()
{
    local want=$1 got=no
    shift
    by_curl "$@"
    ! grep -q '^answered' "$WORK/out" || got=yes
    assert_eq "$want" "$got" "$*"
}

for version in 1.2 1.3; do
    let_in no plain "$version" planted-chain
    let_in no plain "$version" planted-leaf
    let_in yes plain "$version" far-chain
    # Now they are known; a chain has to be whole all the same.
    let_in no plain "$version" far
    let_in no plain "$version" far-half
    let_in yes shallow "$version" near-chain
    let_in no shallow "$version" far-chain
    let_in no shallow "$version" far-half
    let_in no shallow "$version" far
    let_in yes shallow "$version" good
done
stop_postern

# --- several modules --------------------------------------------------------------------------

# several MEMBERS: a second mutual-tls beside one that trusts the test CA.
several()
{
    configure "$WORK/several.conf" "$(edge a "$HTTP" "$(terminate server)" \
        "module = \"mutual-tls\"; $CA" "module = \"mutual-tls\"; $1")"
}

several "$CA allow = ( { cn = \"good\"; } );"
assert_status 0 "$POSTERN" -t -c "$WORK/several.conf"
for other in "ca = [ \"$CERTS/planted.pem\" ];" "ca = [ \"$CERTS/planted.pem\" ]; mode = \"request\";" \
    "$CA crl = [ \"$CERTS/ca.crl\" ];"; do
    several "$other"
    assert_status 1 "$POSTERN" -t -c "$WORK/several.conf"
    assert_grep 'name different authorities or revocation lists' "$WORK/out"
done

# --- large lists ------------------------------------------------------------------------------

# Text between the parts of a PEM file is nobody's matter.
(cat "$CERTS/ca.crl" && yes "a comment of sixty-four bytes, such as some authorities add to lists" |
    head -c 1200000) >"$CERTS/large.crl" || true
large="$CA crl = [ \"$CERTS/large.crl\" ];"
configure "$WORK/large.conf" "$(edge a "$HTTP" "$(terminate server)" "module = \"mutual-tls\"; $large")"
assert_status 0 "$POSTERN" -t -c "$WORK/large.conf"
configure "$WORK/large.conf" "$(edge a "$HTTP" "$(terminate server)" \
    "module = \"mutual-tls\"; mode = \"request\"; $large")"
assert_status 1 "$POSTERN" -t -c "$WORK/large.conf"
assert_grep 'large.crl is larger than 1 MiB' "$WORK/out"
