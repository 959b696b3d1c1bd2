#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every module of ours, and every one of 1.0, passes postern-module-check.

set -euo pipefail
CHECK=${top_builddir:-.}/postern-module-check
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0
declare -A checked

# passes MODULE [ARGUMENT...]
passes()
{
    local so=$MODULE_DIR/$1.so
    [ -e "$so" ] || return 0
    checked[$1]=1
    "$CHECK" "$so" "${@:2}" || rc=1
}

passes ip-restrictions allow=10.0.0.0/8 deny=10.1.0.0/16
passes ip-restrictions default=allow
passes conn-limits max_conns=10 conn_rate_per_client=5/1s max_failures=3/1m
passes conn-limits max_preread=5 max_preread_per_client=1 -s listener
passes event-logging "sink=file:$tmp/events"
passes proxy-protocol -s listener accept=192.0.2.0/24
passes proxy-protocol -s edge send=2
passes upstream-tls
passes upstream-tls verify=false
command -v openssl >/dev/null || exit 77
bash "$top_srcdir/t/certs/gen.sh" "$tmp/certs"
passes mutual-tls "ca=$tmp/certs/ca.pem"
passes tls-termination -c "terminate_at = \"edge\";
    certificates = ( { certificate = \"$tmp/certs/a.pem\"; key = \"$tmp/certs/a.key\"; } );"
passes sni-allow "file=$top_srcdir/modules/examples/sni-allow/names.example"
passes ext-auth "socket=$tmp/nobody"
if [ -e "$MODULE_DIR/geo.so" ]; then
    python3 "$top_srcdir/t/tools/mmdb_write.py" "$tmp/country.mmdb" 192.0.2.0/24=DE 2001:db8::/32=JP
    passes geo "database=$tmp/country.mmdb" allow=DE
fi
passes frozen-deny net=192.0.2.0/24
passes frozen-mix
passes frozen-wait

# A module added later is to be added here.
for so in "$MODULE_DIR"/*.so; do
    name=${so##*/}
    name=${name%.so}
    case $name in
    tm-* | live-*) ;; # of tests, some wrong on purpose
    *)
        [ -n "${checked[$name]:-}" ] || {
            echo "nobody checked $name"
            rc=1
        }
        ;;
    esac
done
exit $rc
