#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every public header alone, as C99 and as C++11, for 64 and 32 bit, without a warning; and nothing
# is included but <stdint.h>, <stddef.h> and each other.
# shellcheck disable=SC2086,SC2035 # compilers and flags are several words; no name begins with "-"
set -eu
cd "$top_srcdir/plugin-api"
rc=0
tried=0

try()
{
    tried=$((tried + 1))
    "$@" || {
        echo "headers: $*" >&2
        rc=1
    }
}

works()
{
    echo 'int x;' >"$tmp/x.c"
    "$@" "$tmp/x.c" 2>/dev/null
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cc=${CC%% *}
case $cc in
*clang*) cxx=$(echo "$cc" | sed 's/clang/clang++/') ;;
*gcc*) cxx=$(echo "$cc" | sed 's/gcc/g++/') ;;
*) cxx=c++ ;;
esac
warn='-Wall -Wextra -pedantic -Werror -fsyntax-only'
for bits in -m64 -m32; do
    for h in *.h services/*.h unstable/*.h; do
        printf '#include "%s"\ntypedef int alone;\n' "$h" >"$tmp/alone.c"
        if works $cc $bits -fsyntax-only; then
            try $cc $bits -std=c99 -ffreestanding $warn -I. "$tmp/alone.c"
        fi
        if works $cxx $bits -fsyntax-only; then
            try $cxx $bits -std=c++11 -ffreestanding $warn -x c++ -I. "$tmp/alone.c"
        fi
    done
done
[ $tried -gt 0 ] || {
    echo "headers: $cc compiles neither for 64 nor for 32 bit"
    exit 77
}
if grep -n '^#include' *.h services/*.h unstable/*.h |
    grep -vE '#include (<std(int|def)\.h>|"(\.\./)?pst_[a-z]+\.h")$'; then
    echo "headers: includes something else" >&2
    rc=1
fi
exit $rc
