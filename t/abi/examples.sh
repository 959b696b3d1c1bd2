#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The example modules, from where they are installed, built and checked with what is installed, and
# loaded by the daemon.
set -eu
. "$top_srcdir/t/abi/installed.sh"

examples=$(find "$root" -type d -path '*/examples/modules')
[ -n "$examples" ] || {
    echo "examples: none are installed" >&2
    exit 1
}
cp -r "$examples" "$tmp/src"
[ "$(cd "$tmp/src" && echo *)" = "ext-auth geo sni-allow" ]
chain=
for dir in "$tmp"/src/*; do
    name=${dir##*/}
    if [ "$name" = geo ]; then
        if ! echo '#include <maxminddb.h>' | $CC -E - >/dev/null 2>&1 ||
            ! command -v python3 >/dev/null; then
            echo "examples: without geo, which needs libmaxminddb-dev and python3"
            continue
        fi
        python3 "$top_srcdir/t/tools/mmdb_write.py" "$dir/country.mmdb" 192.0.2.0/24=DE
    fi
    author_make -C "$dir" check install DESTDIR="$destdir"
    case $name in
    ext-auth) options='socket = "ext-auth/socket";' ;;
    geo) options='database = "geo/country.mmdb"; allow = [ "DE" ];' ;;
    sni-allow) options='file = "sni-allow/names.example";' ;;
    esac
    chain="$chain${chain:+, }{ module = \"$name\"; $options }"
done
cat >"$tmp/src/postern.conf" <<CONF
module_dir = "$moduledir";
listeners = ( { name = "l"; address = "127.0.0.1:4433"; } );
edges = ( { name = "e"; domains = [ "example.com" ]; upstream = "127.0.0.1:9"; modules = ( $chain ); } );
CONF
"$sbindir/postern" -t -v -c "$tmp/src/postern.conf" >"$tmp/plan" 2>&1 || {
    cat "$tmp/plan" >&2
    exit 1
}
for name in sni-allow ext-auth; do
    grep -q "$name" "$tmp/plan"
done
