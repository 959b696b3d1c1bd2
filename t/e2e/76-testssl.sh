#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# testssl.sh has nothing to say above LOW about an edge with default settings. It takes a minute or
# three: only with TEST_LONG=1. Its CA is told to it, and the web server sends the headers it wants;
# the rest is ours.

. "${top_srcdir:-.}/t/e2e/lib.sh"
. "${top_srcdir:-.}/t/e2e/tls_lib.sh"

[ "${TEST_LONG:-0}" = 1 ] || skip "takes minutes, TEST_LONG=1 runs it"
need testssl python3
free_ports PORT HTTP
start_nginx_plain plain "$HTTP" "server_tokens off;" "add_header X-Frame-Options DENY;" \
    'add_header Strict-Transport-Security "max-age=31536000";'
for key in ec rsa; do
    [ "$key" = rsa ] && kind=rsa:2048 || kind=$EC_P256
    certificate "$key" ca "$kind" subjectAltName=DNS:ends.test extendedKeyUsage=serverAuth \
        basicConstraints=CA:FALSE keyUsage=critical,digitalSignature \
        crlDistributionPoints=URI:http://127.0.0.1:9/ca.crl
done
BOTH=$(terminate ec | sed "s|( {|( { certificate = \"$CERTS/rsa.pem\"; key = \"$CERTS/rsa.key\"; }, {|")
LISTENER='no_sni = "ends";'
configure "$WORK/postern.conf" "$(edge ends "$HTTP" "$BOTH")"
start_postern "$WORK/postern.conf"

cd "$WORK"
testssl --quiet --color 0 --warnings off --nodns none --ip 127.0.0.1 --add-ca "$CERTS/ca.pem" \
    --jsonfile "$WORK/found.json" "ends.test:$PORT" >"$WORK/out" 2>&1 </dev/null || true
python3 - "$WORK/found.json" <<'EOP' || fail "see the findings above"
import json
import sys

findings = json.load(open(sys.argv[1], encoding="utf-8"))
bad = [f for f in findings if f["severity"] not in ("OK", "INFO", "LOW")]
for f in bad:
    print(f["severity"], f["id"], f["finding"])
print("%d findings, %d above LOW" % (len(findings), len(bad)))
sys.exit(1 if bad or len(findings) < 100 else 0)
EOP
stop_postern
assert_no_grep 'level=error' "$POSTERN_LOG"
