# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# For tests that work as an author of modules does: installs Postern into a temporary folder and
# sets what finds it there.
#   tmp root            the folder, and where / is in it
#   moduledir           of the installed Postern, with root in front
#   destdir             what make install of a module needs as DESTDIR to get there
#   pc VARIABLE         a variable of postern-module.pc, likewise
#   author_make ARG...  make with the compiler of this build and the files installed here
set -eu
# shellcheck disable=SC2015 # both must hold, or this test is skipped
[ -n "${MAKE:-}" ] && [ -f "$top_builddir/Makefile" ] || {
    echo "$0: runs from make check only"
    exit 77
}
command -v pkg-config >/dev/null || {
    echo "$0: no pkg-config"
    exit 77
}
case ${SANITIZERS:-} in
*thread*)
    echo "$0: a module without the thread sanitizer would mislead it"
    exit 77
    ;;
esac
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL || true
root=$tmp/root

$MAKE -C "$top_builddir" install DESTDIR="$root" >"$tmp/log" 2>&1 || {
    cat "$tmp/log" >&2
    exit 1
}
pcfile=$(find "$root" -name postern-module.pc)
[ -n "$pcfile" ] || {
    echo "$0: postern-module.pc was not installed" >&2
    exit 1
}
export PKG_CONFIG_LIBDIR="${pcfile%/*}" PKG_CONFIG_SYSROOT_DIR="$root"

# pkg-config puts the sysroot before variables, too, in some versions.
pc()
{
    value=$(pkg-config --variable="$1" postern-module)
    echo "$root${value#"$root"}"
}

moduledir=$(pc moduledir)
export destdir=$root
[ "$(pkg-config --variable=moduledir postern-module)" != "$moduledir" ] || destdir=
sbindir=$(pc sbindir)
bindir=$(find "$root" -name postern-module-check -type f)
bindir=${bindir%/*}

author_make()
{
    $MAKE CC="$CC" CFLAGS='-O2 -Wall -Wextra -Werror' HARNESS_DIR="$(pc harnessdir)" \
        MODULE_CHECK="$bindir/postern-module-check" POSTERN="$sbindir/postern" "$@"
}
