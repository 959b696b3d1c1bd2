#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A browser fetches a page through each kind of edge. Chromium takes our CA and its certificate from
# an NSS database in its home, and which certificate to show from a policy that only exists in
# /etc/chromium: there it gets one in a mount namespace of its own. Not run where that is not
# allowed, or without the packages chromium and libnss3-tools, which bootstrap does not install.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

need chromium certutil pk12util unshare
free_ports PORT HTTP TLS
start_nginx_plain plain "$HTTP"
certificate server ca "$EC_P256" extendedKeyUsage=serverAuth \
    "subjectAltName=DNS:through.test,DNS:ends.test,DNS:demands.test,DNS:again.test"
start_nginx_tls secret "$TLS" server "ssl_protocols TLSv1.2 TLSv1.3;"
MUTUAL="module = \"mutual-tls\"; ca = [ \"$CERTS/ca.pem\" ];"
AGAIN="module = \"upstream-tls\"; ca = [ \"$CERTS/ca.pem\" ]; server_name = \"through.test\";"
EVENTS="module = \"event-logging\"; sink = \"file:$WORK/events\";"
configure "$WORK/postern.conf" \
    "$(edge through "$TLS" 'module = "tls-termination"; terminate_at = "upstream";')" \
    "$(edge ends "$HTTP" "$(terminate server)" "$EVENTS")" \
    "$(edge demands "$HTTP" "$(terminate server)" "$MUTUAL")" \
    "$(edge again "$TLS" "$(terminate server)" "$AGAIN")"
start_postern "$WORK/postern.conf"

# Homes: in "rich" the browser trusts our CA and has a certificate, in "poor" it has none, in
# "strange" it knows nothing.
homes()
{
    local name
    mkdir -p "$WORK/strange"
    openssl pkcs12 -export -in "$CERTS/client.pem" -inkey "$CERTS/client.key" -name client \
        -out "$WORK/client.p12" -passout pass: || return
    for name in rich poor; do
        mkdir -p "$WORK/$name/.pki/nssdb" &&
            certutil -d "sql:$WORK/$name/.pki/nssdb" -N --empty-password &&
            certutil -d "sql:$WORK/$name/.pki/nssdb" -A -t C,, -n ca -i "$CERTS/ca.pem" || return
    done
    pk12util -d "sql:$WORK/rich/.pki/nssdb" -i "$WORK/client.p12" -W "" -K ""
}
homes >"$WORK/nss.log" 2>&1 || fail "no NSS database: $(cat "$WORK/nss.log")"
mkdir -p "$WORK/policy/policies/managed"
cat >"$WORK/policy/policies/managed/certificate.json" <<'EOP'
{ "AutoSelectCertificateForUrls": [ "{\"pattern\":\"https://[*.]test\",\"filter\":{}}" ] }
EOP
unshare -m mount --bind "$WORK/policy" /etc/chromium 2>"$WORK/out" ||
    skip "no mount namespace: $(cat "$WORK/out")"

# browse NAME HOME: the page, as text, in $WORK/page.
browse()
{
    HOME=$WORK/$2 timeout "$((3 * DEADLINE))" unshare -m bash -c 'mount --bind "$1" /etc/chromium &&
        shift && exec chromium "$@"' - "$WORK/policy" --headless --no-sandbox --disable-gpu \
        --disable-quic --no-first-run --disable-background-networking --disable-component-update \
        --disable-sync --host-resolver-rules="MAP * 127.0.0.1" --user-data-dir="$WORK/$2/profile" \
        --dump-dom "https://$1.test:$PORT/page" >"$WORK/page" 2>"$WORK/browser.log" </dev/null ||
        { tail "$WORK/browser.log" && fail "the browser fails on $1"; }
}

# shows NAME ANSWER
shows()
{
    browse "$1" rich
    grep -qE "(^|>)$2\$" "$WORK/page" || { cat "$WORK/page" && fail "no \"$2\""; }
}

shows through "secret through.test /page"
shows ends "plain ends.test /page"
shows demands "plain demands.test /page"
shows again "secret through.test /page"

# Without our CA, and without a certificate to show, it gets nothing.
browse ends strange
assert_no_grep 'plain ends.test' "$WORK/page"
browse demands poor
assert_no_grep 'plain demands.test' "$WORK/page"

stop_postern
# The hybrid group where this build of wolfSSL has it.
configure "$WORK/hybrid.conf" \
    "$(edge ends "$HTTP" "$(terminate server) groups = [ \"X25519MLKEM768\" ];")"
group=X25519MLKEM768
"$POSTERN" -t -c "$WORK/hybrid.conf" >"$WORK/out" 2>&1 || {
    assert_grep 'this build of wolfSSL lacks X25519MLKEM768' "$WORK/out"
    group=x25519
}
assert_grep "\"server_name\":\"ends.test\".*\"version\":\"TLSv1.3\".*\"group\":\"$group\"" "$WORK/events"
assert_no_grep 'level=(error|warning)' "$POSTERN_LOG"
