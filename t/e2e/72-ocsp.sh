#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# OCSP responses stapled to the handshake: from the list and from a folder, verified by two clients,
# gone when they expire, and refused when they are about something else.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need openssl gnutls-cli python3
free_ports PORT HTTP
make_certs
start_nginx_plain plain "$HTTP"
DIR=$WORK/folder
mkdir "$DIR"

# response FILE STATUS CERTIFICATE [ARGUMENT...]: see t/certs/ocsp.sh.
response()
{
    (cd "$CERTS" && bash "$top_srcdir/t/certs/ocsp.sh" "$@") || fail "no response"
}

# until_in FILE SECONDS: let the response end that much later from now. Its signature is wrong then.
until_in()
{
    python3 -c '
import re, sys, time
with open(sys.argv[1], "rb") as f:
    der = f.read()
old = re.findall(rb"\x18\x0f(\d{14}Z)", der)[-1]
new = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + int(sys.argv[2]))).encode()
with open(sys.argv[1], "wb") as f:
    f.write(der.replace(b"\x18\x0f" + old, b"\x18\x0f" + new))' "$1" "$2"
}

# Clients look for the responder among the certificates that they were sent.
for c in a b; do
    cat "$CERTS/ca.pem" >>"$CERTS/$c.pem"
done
response a.ocsp V a -ndays 5
response b.ocsp V b -ndays 5 -sha256
for e in pem key ocsp; do
    cp "$CERTS/b.$e" "$DIR"
done
cp "$CERTS/w.pem" "$CERTS/w.key" "$DIR"

# configure FILE OCSP: that response for a.test.
configure()
{
    cat >"$1" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = ( { name = "all"; domains = [ "a.test", "b.test", "*.w.test" ]; upstream = "127.0.0.1:$HTTP";
    modules = ( { module = "tls-termination"; terminate_at = "edge"; certificate_dir = "$DIR";
        certificates = ( { certificate = "$CERTS/a.pem"; key = "$CERTS/a.key"; ocsp = "$2"; } );
    } ); } );
EOC
}
configure "$WORK/postern.conf" "$CERTS/a.ocsp"
got=0
"$POSTERN" -t -c "$WORK/postern.conf" >"$WORK/out" 2>&1 || got=$?
if [ "$got" -ne 0 ] && grep -q 'this build of wolfSSL cannot staple' "$WORK/out"; then
    # It says so, and nothing else is wrong.
    assert_eq 2 "$(grep -c 'edges' "$WORK/out")" "errors"
    exit 0
fi
assert_eq 0 "$got" "postern -t"
start_postern "$WORK/postern.conf"

# status NAME ARGUMENT...: what openssl s_client says about it, in $WORK/out.
status()
{
    local name=$1
    shift
    openssl s_client -connect "127.0.0.1:$PORT" -servername "$name" -CAfile "$CERTS/ca.pem" \
        -verify_return_error -status "$@" </dev/null >"$WORK/out" 2>&1 ||
        { cat "$WORK/out"; fail "openssl s_client $name $*"; }
}

stapled()
{
    status "$@"
    grep -q 'OCSP Response Status: successful' "$WORK/out"
}

not_stapled()
{
    ! stapled "$@"
}

for version in -tls1_2 -tls1_3; do
    stapled a.test "$version" || fail "no response for a.test"
    assert_grep 'Cert Status: good' "$WORK/out"
    stapled b.test "$version" || fail "no response for b.test"
    not_stapled x.w.test "$version" || fail "a response for x.w.test"
    assert_grep 'OCSP response: no response sent' "$WORK/out"
done
# Again and again, with a resumed session, and for clients that do not ask.
for _ in 1 2 3 4 5; do
    stapled a.test || fail "no response for a.test"
done
status a.test -tls1_2 -sess_out "$WORK/session"
status a.test -tls1_2 -sess_in "$WORK/session"
assert_grep '^Reused' "$WORK/out"
openssl s_client -connect "127.0.0.1:$PORT" -servername a.test </dev/null >"$WORK/out" 2>&1 ||
    fail "a client without status_request"

for priority in NORMAL 'NORMAL:-VERS-ALL:+VERS-TLS1.2'; do
    for name in a.test b.test; do
        gnutls-cli --x509cafile "$CERTS/ca.pem" --sni-hostname "$name" --verify-hostname "$name" \
            --port "$PORT" --priority "$priority" 127.0.0.1 </dev/null >"$WORK/out" 2>&1 ||
            { cat "$WORK/out"; fail "gnutls-cli $name"; }
        assert_grep 'Options: .*OCSP status request' "$WORK/out"
        assert_grep 'Status: The certificate is trusted' "$WORK/out"
    done
done

# --- age and reload ---------------------------------------------------------------------------

cp "$CERTS/a.ocsp" "$CERTS/good.ocsp"
until_in "$CERTS/a.ocsp" 10
reload_postern
stapled a.test || fail "no response while it is good"
wait_until "$DEADLINE" not_stapled a.test || fail "a response that has expired"
status a.test -tls1_2

until_in "$CERTS/a.ocsp" -60
reload_postern
assert_grep 'level=warning .*a.ocsp has expired' "$POSTERN_LOG"
not_stapled a.test || fail "a response that has expired"
cp "$CERTS/good.ocsp" "$CERTS/a.ocsp"
reload_postern
stapled a.test || fail "no response after a reload"

response a.ocsp R a -ndays 5
reload_postern
assert_grep 'level=warning .*a.ocsp says that the certificate is not good' "$POSTERN_LOG"
not_stapled a.test || fail "a response that revokes"
stop_postern

# --- what must not start ----------------------------------------------------------------------

refused()
{
    configure "$WORK/wrong.conf" "$1"
    assert_status 1 "$POSTERN" -t -c "$WORK/wrong.conf"
    assert_grep "$2" "$WORK/out"
}

refused "$CERTS/none.ocsp" 'none.ocsp: No such file'
refused "$CERTS/a.pem" 'a.pem is not an OCSP response in DER'
refused "$CERTS/b.ocsp" 'b.ocsp says nothing about this certificate'
cp "$CERTS/b.ocsp" "$DIR/w.ocsp"
refused "$CERTS/good.ocsp" 'folder/w.ocsp says nothing about this certificate'
rm "$DIR/w.ocsp"
cp "$CERTS/b.ocsp" "$DIR/x.ocsp"
refused "$CERTS/good.ocsp" 'x.ocsp: its certificate, x.crt or x.pem, is missing'
