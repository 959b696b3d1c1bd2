#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A folder of certificates: which one each name gets, by what each client can verify, what a reload
# picks up, and what is wrong with a folder.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need openssl gnutls-cli python3
free_ports PORT HTTP
make_certs
start_nginx_plain plain "$HTTP"
DIR=$WORK/folder
mkdir "$DIR"

# put NAME SANS [NEWKEY]: a pair in the folder whose subject is NAME, signed by the test CA.
put()
{
    (
        umask 077
        cd "$DIR"
        # shellcheck disable=SC2086 # NEWKEY may be several arguments
        openssl req -new -newkey ${3:-ec -pkeyopt ec_paramgen_curve:P-256} -nodes -subj "/CN=$1" \
            -keyout "$1.key" -out "$WORK/csr" &&
            openssl x509 -req -in "$WORK/csr" -CA "$CERTS/ca.pem" -CAkey "$CERTS/ca.key" \
                -CAcreateserial -days 30 -out "$1.crt" -extfile <(printf 'subjectAltName=%s\n' "$2")
    ) >"$WORK/certs.log" 2>&1 || fail "no certificate $1"
}

put exact DNS:www.w.test,DNS:other.test
put wild 'DNS:*.w.test'
put both-ec DNS:both.test
put both-rsa DNS:both.test rsa:2048
put only-rsa DNS:rsa.test rsa:2048
put default DNS:fallback.test
put default-rsa DNS:fallback.test rsa:2048
put aaa DNS:AAA.test
# One file for all of it.
cat "$DIR/exact.crt" "$DIR/exact.key" >"$WORK/exact.pem"
rm "$DIR/exact.crt" "$DIR/exact.key"
(umask 077 && cat "$WORK/exact.pem" >"$DIR/exact.pem")
for i in $(seq 1 40); do
    ln -s aaa.crt "$DIR/same-$i.crt"
    ln -s aaa.key "$DIR/same-$i.key"
done

# configure FILE [MEMBERS]
configure()
{
    cat >"$1" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; no_sni = "all"; unknown_sni = "all"; } );
edges = ( { name = "all"; domains = [ "all.test" ]; upstream = "127.0.0.1:$HTTP";
    modules = ( { module = "tls-termination"; terminate_at = "edge"; certificate_dir = "$DIR";
        ${2:-} } ); } );
EOC
}
configure "$WORK/postern.conf"
assert_status 0 "$POSTERN" -t -c "$WORK/postern.conf"
start_postern "$WORK/postern.conf"

# served NAME CERTIFICATE ARGUMENT...: the subject that openssl s_client gets; "" for no name.
served()
{
    local name=$1 want=$2 sni=(-servername "$1")
    shift 2
    [ -n "$name" ] || sni=(-noservername)
    openssl s_client -connect "127.0.0.1:$PORT" "${sni[@]}" -CAfile "$CERTS/ca.pem" \
        -verify_return_error "$@" </dev/null >"$WORK/out" 2>&1 ||
        { cat "$WORK/out"; fail "openssl s_client $name $*"; }
    assert_eq "$want" "$(sed -nE 's/^subject=.*CN = ?//p' "$WORK/out")" "certificate for $name $*"
}

# gnutls_served NAME CERTIFICATE PRIORITY: the same with another client, which looks at the name.
gnutls_served()
{
    gnutls-cli --x509cafile "$CERTS/ca.pem" --sni-hostname "$1" --verify-hostname "$1" \
        --port "$PORT" --priority "$3" 127.0.0.1 </dev/null >"$WORK/out" 2>&1 ||
        { cat "$WORK/out"; fail "gnutls-cli $1"; }
    assert_grep "subject .CN=$2'" "$WORK/out"
}

for version in -tls1_2 -tls1_3; do
    served www.w.test exact "$version"
    served WWW.W.test exact "$version"
    served other.test exact "$version"
    served x.w.test wild "$version"
    served aaa.test aaa "$version"
    # A wildcard stands for one label.
    served a.b.w.test default "$version"
    served w.test default "$version"
    served unknown.test default "$version"
    served "" default "$version"
    served both.test both-ec "$version"
    served rsa.test only-rsa "$version"
done
served both.test both-rsa -tls1_3 -sigalgs RSA-PSS+SHA256
served both.test both-rsa -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
served unknown.test default-rsa -tls1_3 -sigalgs RSA-PSS+SHA256
# Better another name than none that can be verified.
served www.w.test default-rsa -tls1_3 -sigalgs RSA-PSS+SHA256
gnutls_served www.w.test exact NORMAL
gnutls_served x.w.test wild NORMAL
gnutls_served both.test both-ec 'NORMAL:-VERS-ALL:+VERS-TLS1.2'
gnutls_served both.test both-rsa 'NORMAL:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256'

# --- reload -----------------------------------------------------------------------------------

put new DNS:new.test
rm "$DIR/wild.crt" "$DIR/wild.key"
served new.test default
reload_postern
served new.test new
served x.w.test default

# Listed certificates are for whoever fits none; the folder adds to them.
configure "$WORK/postern.conf" \
    "certificates = ( { certificate = \"$CERTS/a.pem\"; key = \"$CERTS/a.key\"; } );"
reload_postern
served unknown.test a.test
served a.test a.test
served both.test both-ec

# A broken pair changes nothing, and is named.
cp "$CERTS/b.key" "$DIR/new.key"
rm "$DIR/aaa.key"
reload_postern
assert_grep 'new.key does not belong to the certificate in .*/new.crt' "$POSTERN_LOG"
assert_grep 'aaa.crt: its key, aaa.key, is missing' "$POSTERN_LOG"
served new.test new
served aaa.test aaa
stop_postern

# --- ten thousand ------------------------------------------------------------------------------

[ -z "${SANITIZERS:-}${POSTERN_WRAP:-}" ] || exit 0
rm -r "$DIR"
mkdir "$DIR"
put n00000 DNS:n00000.test,DNS:www.n00000.test
configure "$WORK/postern.conf"
start_postern "$WORK/postern.conf"
python_test 71-certificate-dir.py multiply "$DIR" n00000 10000
limit=5
"$POSTERN" -V -c "$WORK/postern.conf" >"$WORK/version" 2>&1 || true
! grep -q 'no acceleration' "$WORK/version" || limit=30
python_test 71-certificate-dir.py measure "$POSTERN_PID" "$POSTERN_LOG" 10000 "$limit"
for n in 00000 00001 04999 09999; do
    for name in "n$n.test" "www.n$n.test"; do
        openssl s_client -connect "127.0.0.1:$PORT" -servername "$name" </dev/null 2>/dev/null |
            openssl x509 -noout -ext subjectAltName >"$WORK/out" 2>&1
        assert_grep "DNS:n$n.test" "$WORK/out"
    done
done
stop_postern
