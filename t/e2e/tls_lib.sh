# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests of TLS at the edge, after lib.sh: edges as text, and three clients behind one face.
# All of them verify the server. $PORT is the daemon's port.

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need openssl gnutls-cli curl nginx
make_certs

# certificate NAME CA KEY EXTENSION...: $CERTS/NAME.pem and .key, signed by that CA for 90 days,
# with a key made by openssl req -newkey KEY (several arguments).
certificate()
{
    local name=$1 by=$2 key=$3
    shift 3
    (
        cd "$CERTS" && umask 077
        # shellcheck disable=SC2086 # KEY may be several arguments
        openssl req -new -newkey $key -nodes -subj "/O=Postern tests/CN=$name" -keyout "$name.key" \
            -out "$name.csr" &&
            openssl x509 -req -in "$name.csr" -CA "$by.pem" -CAkey "$by.key" -CAcreateserial \
                -days 90 -out "$name.pem" -extfile <(printf '%s\n' "$@")
    ) >"$WORK/certificate.log" 2>&1 || fail "no certificate $name: $(cat "$WORK/certificate.log")"
}
EC_P256="ec -pkeyopt ec_paramgen_curve:P-256"

# ca ARGUMENT...: openssl ca in $CERTS, for the test CA that keeps a record from the first call on.
ca()
{
    (
        cd "$CERTS" && umask 077
        [ -e ca.cnf ] || ca_record
        openssl ca -batch -notext -config ca.cnf "$@"
    ) >"$WORK/certificate.log" 2>&1 || fail "openssl ca $*: $(cat "$WORK/certificate.log")"
}

ca_record()
{
    : >index
    echo 1000 >number
    echo 01 >crlnumber
    cat >ca.cnf <<EOC
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
}

# issue NAME USAGE SAN [ARGUMENT...]: $CERTS/NAME.pem and .key, by openssl ca with these arguments:
# one that can be dated and revoked.
issue()
{
    local name=$1 usage=$2 san=$3
    shift 3
    (
        cd "$CERTS" && umask 077
        # shellcheck disable=SC2086 # several arguments
        openssl req -new -newkey $EC_P256 -nodes -subj "/CN=$name" -keyout "$name.key" \
            -out "$name.csr"
    ) >"$WORK/certificate.log" 2>&1 || fail "no request $name: $(cat "$WORK/certificate.log")"
    ca -in "$name.csr" -out "$name.pem" "$@" -extfile <(
        printf '%s\n' basicConstraints=CA:FALSE keyUsage=critical,digitalSignature \
            "extendedKeyUsage=$usage" "subjectAltName=$san"
    )
}

# edge NAME UPSTREAM [MODULE...]: an edge for NAME.test; UPSTREAM is a port or an address, each
# MODULE a group without its braces.
edge()
{
    local name=$1 upstream=$2 modules="" m
    shift 2
    [[ "$upstream" == *:* ]] || upstream=127.0.0.1:$upstream
    for m; do
        modules="$modules${modules:+, }{ $m }"
    done
    printf '{ name = "%s"; domains = [ "%s.test" ]; upstream = "%s";\n  modules = ( %s ); }' \
        "$name" "$name" "$upstream" "$modules"
}

# terminate CERTIFICATE [MEMBER...]: the module that ends TLS.
terminate()
{
    printf 'module = "tls-termination"; terminate_at = "edge"; certificates = '
    printf '( { certificate = "%s.pem"; key = "%s.key"; } ); ' "$CERTS/$1" "$CERTS/$1"
    shift
    printf '%s' "$*"
}

# configure FILE EDGE...: a listener on $PORT with these edges, and the lines in $SETTINGS.
configure()
{
    local file=$1 all="" e
    shift
    for e; do
        all="$all${all:+,
}$e"
    done
    cat >"$file" <<EOC
${SETTINGS:-workers = 2;}
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; timeouts = { hello = "60s"; };
                ${LISTENER:-} } );
edges = (
$all
);
EOC
}

# --- clients ----------------------------------------------------------------------------------
#
# by_CLIENT NAME VERSION CERTIFICATE [ARGUMENT...]: one request for /VERSION to NAME.test with the
# client certificate ("none": without one); what the client says is in $WORK/out. Its own status is
# no matter: what counts is the answer, or the alert.

by_curl()
{
    local name=$1 version=$2 cert=$3 given=()
    shift 3
    [ "$cert" = none ] || given=(--cert "$CERTS/$cert.pem" --key "$CERTS/$cert.key")
    curl_to "$PORT" "$name.test" "/$version" --http1.1 "--tlsv$version" --tls-max "$version" \
        "${given[@]}" "$@" >"$WORK/out" 2>&1 || true
}

by_openssl()
{
    local name=$1 version=$2 cert=$3 given=()
    shift 3
    [ "$cert" = none ] || given=(-cert "$CERTS/$cert.pem" -key "$CERTS/$cert.key")
    printf 'GET /%s HTTP/1.1\r\nHost: %s.test\r\nConnection: close\r\n\r\n' "$version" "$name" |
        timeout "$DEADLINE" openssl s_client -ign_eof -connect "127.0.0.1:$PORT" \
            -servername "$name.test" -CAfile "$CERTS/ca.pem" -verify_return_error \
            -verify_hostname "$name.test" "-tls${version/./_}" "${given[@]}" "$@" \
            >"$WORK/out" 2>&1 || true
}

by_gnutls()
{
    local name=$1 version=$2 cert=$3 given=()
    shift 3
    [ "$cert" = none ] || given=(--x509certfile "$CERTS/$cert.pem" --x509keyfile "$CERTS/$cert.key")
    [[ " $* " == *" --priority "* ]] || set -- --priority "NORMAL:-VERS-ALL:+VERS-TLS$version" "$@"
    with_input "GET /$version HTTP/1.1"$'\r\n'"Host: $name.test"$'\r\nConnection: close\r\n\r\n' \
        timeout "$DEADLINE" gnutls-cli --x509cafile "$CERTS/ca.pem" --sni-hostname "$name.test" \
        --verify-hostname "$name.test" --port "$PORT" "${given[@]}" "$@" 127.0.0.1 \
        >"$WORK/out" 2>&1 || true
}
