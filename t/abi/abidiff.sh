#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# abidiff over the witness library: tail growth passes, everything else fails.
set -eu
# shellcheck disable=SC2015 # both must hold, or this test is skipped
command -v abidiff >/dev/null && command -v abidw >/dev/null || {
    echo "abidiff: abigail-tools is not installed"
    exit 77
}
case $(uname -m)${SANITIZERS:+-sanitized} in
x86_64) ;;
*)
    echo "abidiff: the stored dump is of x86_64 without sanitizers"
    exit 77
    ;;
esac
case $($CC --version) in
*clang*)
    echo "abidiff: the stored dump is of gcc"
    exit 77
    ;;
esac
here=$top_srcdir/t/abi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

witness()
{
    $CC -std=gnu11 -g -O0 -shared -fPIC -fvisibility=hidden -I"$1" "$here/witness.c" -o "$tmp/$2"
}

compare()
{
    abidiff --no-added-syms --suppressions "$here/witness.abignore" "$here/witness-1.abi" "$tmp/$1"
}

witness "$top_srcdir/plugin-api" witness.so
if [ "${1-}" = --update ]; then
    abidw --no-corpus-path --no-comp-dir-path --short-locs --no-show-locs "$tmp/witness.so" \
        >"$here/witness-1.abi"
fi
compare witness.so || {
    echo "abidiff: the ABI of modules already built would break; see plugin-api/ABI.md" >&2
    exit 1
}

# What it is for: a member appended passes, one inserted does not.
cp -R "$top_srcdir/plugin-api" "$tmp/api"
chmod -R u+w "$tmp/api"
sed 's|^    uint64_t (\*wall_us).*|&\n    void (*appended)(void);|' "$top_srcdir/plugin-api/pst_host.h" \
    >"$tmp/api/pst_host.h"
witness "$tmp/api" grown.so
compare grown.so >/dev/null || {
    echo "abidiff: a member appended to the host table does not pass" >&2
    exit 1
}
sed 's|^    uint32_t (\*log_enabled).*|    void (*inserted)(void);\n&|' \
    "$top_srcdir/plugin-api/pst_host.h" >"$tmp/api/pst_host.h"
witness "$tmp/api" broken.so
if compare broken.so >/dev/null; then
    echo "abidiff: a member inserted in the middle of the host table passes" >&2
    exit 1
fi
