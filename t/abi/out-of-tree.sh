#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# As an author of a module: install Postern somewhere, build the example with pkg-config alone, test
# it with the installed fake host, and have the daemon load it.
set -eu
# shellcheck disable=SC2015 # both must hold, or this test is skipped
[ -n "${MAKE:-}" ] && [ -f "$top_builddir/Makefile" ] || {
    echo "out-of-tree: runs from make check only"
    exit 77
}
command -v pkg-config >/dev/null || {
    echo "out-of-tree: no pkg-config"
    exit 77
}
case ${SANITIZERS:-} in
*thread*)
    echo "out-of-tree: a module without the thread sanitizer would mislead it"
    exit 77
    ;;
esac
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL || true

$MAKE -C "$top_builddir" install DESTDIR="$tmp/root" >"$tmp/log" 2>&1 || {
    cat "$tmp/log" >&2
    exit 1
}
pc=$(find "$tmp/root" -name postern-module.pc)
[ -n "$pc" ] || {
    echo "out-of-tree: postern-module.pc was not installed" >&2
    exit 1
}
export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
mkdir "$tmp/src"
for f in module.c check.c Makefile; do
    cp "$top_srcdir/modules/example-hello/$f" "$tmp/src"
done
# pkg-config puts the sysroot before variables, too, in some versions.
moduledir=$(pkg-config --variable=moduledir postern-module)
root=$tmp/root
case $moduledir in
"$tmp"/*) root= ;;
esac
harnessdir=$root$(pkg-config --variable=harnessdir postern-module)
$MAKE -C "$tmp/src" CC="$CC" CFLAGS='-O2 -Wall -Wextra -Werror' HARNESS_DIR="$harnessdir" \
    check install DESTDIR="$root"
so=$root$moduledir/example-hello.so
[ "$(nm -D --defined-only "$so" | awk '{ print $NF }')" = postern_module_v1 ]

daemon=$(find "$tmp/root" -name postern -type f -perm -100 | head -n 1)
cat >"$tmp/postern.conf" <<CONF
module_dir = "$root$moduledir";
listeners = ( { name = "l"; address = "127.0.0.1:4433"; modules = ( { module = "example-hello"; } ); } );
edges = ( { name = "e"; domains = [ "example.com" ]; upstream = "127.0.0.1:9";
            modules = ( { module = "example-hello"; greeting = "good day"; } ); } );
CONF
"$daemon" -t -v -c "$tmp/postern.conf" >"$tmp/plan" 2>&1 || {
    cat "$tmp/plan" >&2
    exit 1
}
grep -q example-hello "$tmp/plan" || {
    echo "out-of-tree: the plan does not name the module:" >&2
    cat "$tmp/plan" >&2
    exit 1
}
