#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# As an author of a module: install Postern somewhere, build the example with pkg-config alone, test
# it with the installed fake host, and have the daemon load it.
set -eu
. "$top_srcdir/t/abi/installed.sh"

mkdir "$tmp/src"
for f in module.c check.c Makefile; do
    cp "$top_srcdir/modules/example-hello/$f" "$tmp/src"
done
author_make -C "$tmp/src" check install DESTDIR="$destdir"
so=$moduledir/example-hello.so
[ "$(nm -D --defined-only "$so" | awk '{ print $NF }')" = postern_module_v1 ]

cat >"$tmp/postern.conf" <<CONF
module_dir = "$moduledir";
listeners = ( { name = "l"; address = "127.0.0.1:4433"; modules = ( { module = "example-hello"; } ); } );
edges = ( { name = "e"; domains = [ "example.com" ]; upstream = "127.0.0.1:9";
            modules = ( { module = "example-hello"; greeting = "good day"; } ); } );
CONF
"$sbindir/postern" -t -v -c "$tmp/postern.conf" >"$tmp/plan" 2>&1 || {
    cat "$tmp/plan" >&2
    exit 1
}
grep -q example-hello "$tmp/plan" || {
    echo "out-of-tree: the plan does not name the module:" >&2
    cat "$tmp/plan" >&2
    exit 1
}
