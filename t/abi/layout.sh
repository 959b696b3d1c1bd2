#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The layout lock: sizes, offsets and values of the public headers are those of 1.0, or appended.
set -eu
here=$top_srcdir/t/abi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

expected()
{
    case $(grep '^fixed pst_iov ' "$1") in
    *' 16') echo "$here/layout-1.expected" ;;
    *) echo "$here/layout-1-32.expected" ;;
    esac
}

# "long long" values and "size_t" sizes are all a platform may differ in; others would show here.
check()
{
    awk -f "$here/layout.awk" "$(expected "$1")" "$1" || {
        echo "layout: the ABI of modules already built would break; see plugin-api/ABI.md" >&2
        exit 1
    }
}

"$top_builddir/t/abi/layout" >"$tmp/now"
check "$tmp/now"

# The lock must notice what it is for.
sed 's/^  log 16 /  log 24 /' "$tmp/now" >"$tmp/moved"
sed '/^value PST_DENY /s/2$/3/' "$tmp/now" >"$tmp/changed"
sed '/^  fini /d' "$tmp/now" >"$tmp/lost"
for f in moved changed lost; do
    if ! cmp -s "$tmp/$f" "$tmp/now" &&
        awk -f "$here/layout.awk" "$tmp/now" "$tmp/$f" >/dev/null; then
        echo "layout: a layout with something $f passed" >&2
        exit 1
    fi
done
awk '/^(fixed|grows|value) / { if (host) print "  appended 8000 8"; host = $2 == "pst_host" } { print }' \
    "$tmp/now" >"$tmp/grown"
awk -f "$here/layout.awk" "$tmp/now" "$tmp/grown"

if $CC -m32 -I"$top_srcdir/plugin-api" "$here/layout.c" "$here/layout_values.c" -o "$tmp/l32" \
    2>/dev/null && "$tmp/l32" >"$tmp/now32" 2>/dev/null; then
    check "$tmp/now32"
else
    echo "layout: no 32-bit compiler here (gcc-multilib): only this machine's layout was checked"
fi
