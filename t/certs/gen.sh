#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gen.sh DIR: a test CA and certificates signed by it, EC P-256, made anew each time.
#   ca.pem              the CA                   w.pem w.key      server, *.w.test
#   a.pem a.key         server, a.test           client.pem .key  client, CN=client-1
#   b.pem b.key         server, b.test           other-ca.pem     a CA nobody trusts
#   localhost.pem .key  server, localhost        stranger.pem .key client signed by that one
set -euo pipefail

dir=${1:?usage: gen.sh DIR}
mkdir -p "$dir"
cd "$dir"
umask 077

# new_ca NAME COMMON-NAME
new_ca()
{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
        -subj "/O=Postern tests/CN=$2" -keyout "$1.key" -out "$1.pem" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

# new_cert FILE CA COMMON-NAME USAGE SUBJECT-ALTERNATIVE-NAMES
new_cert()
{
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -subj "/O=Postern tests/CN=$3" -keyout "$1.key" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 30 \
        -out "$1.pem" -extfile <(printf '%s\n' "basicConstraints=CA:FALSE" \
            "keyUsage=critical,digitalSignature" "extendedKeyUsage=$4" "subjectAltName=$5")
    rm -f "$1.csr"
}

make_all()
{
    new_ca ca "Postern test CA"
    new_ca other-ca "A CA nobody trusts"
    new_cert a ca a.test serverAuth DNS:a.test
    new_cert b ca b.test serverAuth DNS:b.test
    new_cert w ca '*.w.test' serverAuth 'DNS:*.w.test'
    new_cert localhost ca localhost serverAuth DNS:localhost,IP:127.0.0.1,IP:::1
    new_cert client ca client-1 clientAuth DNS:client-1.test,email:client-1@a.test
    new_cert stranger other-ca stranger clientAuth DNS:stranger.test
}

if ! make_all >gen.log 2>&1; then
    cat gen.log >&2
    exit 1
fi
