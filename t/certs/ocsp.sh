#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ocsp.sh OUT STATUS CERTIFICATE [ARGUMENT...]: in a folder of gen.sh, an OCSP response of its CA about
# CERTIFICATE.pem: STATUS V good, R revoked, U unknown. Arguments are for openssl ocsp; -ndays 5 is
# one, and further -cert are, too.
set -euo pipefail

out=$1 status=$2 cert=$3
shift 3
serial=$(openssl x509 -in "$cert.pem" -noout -serial)
revoked=
[ "$status" != R ] || revoked=$(date -u -d yesterday +%y%m%d%H%M%SZ)
[ "$status" != U ] || serial=serial=00
printf '%s\t%s\t%s\t%s\tunknown\t/CN=x\n' "${status/U/V}" "$(date -u -d '+9 days' +%y%m%d%H%M%SZ)" \
    "$revoked" "${serial#serial=}" >"$out.index"
openssl ocsp -index "$out.index" -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem "$@" \
    -cert "$cert.pem" -respout "$out" >"$out.log" 2>&1 || { cat "$out.log" >&2; exit 1; }
[ -s "$out" ]
