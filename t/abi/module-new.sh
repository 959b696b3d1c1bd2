#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# postern-module-new, as installed: what it writes builds without a warning and passes its own
# tests, in a running Postern too, and is loaded after make install. What it refuses is not written.
set -eu
. "$top_srcdir/t/abi/installed.sh"

fail()
{
    echo "module-new: $*" >&2
    cat "$tmp/out" >&2
    exit 1
}

POSTERN_MODULE_TEMPLATE=$(find "$root" -type d -name module-template)
export POSTERN_MODULE_TEMPLATE
mkdir "$tmp/src"
cd "$tmp/src"
new=$bindir/postern-module-new

"$new" my-module-2 >"$tmp/out" 2>&1 || fail "no module was made"
grep -q 'cd my-module-2 && make check' "$tmp/out" || fail "does not say what is next"
! grep -r '@NAME@' my-module-2 || fail "placeholders are left"
for f in my-module-2/*; do
    case $f in
    */README.md) grep -q 'licence MIT-0' "$f" || fail "$f has no licence" ;;
    *) head -n 2 "$f" | grep 'SPDX-License-Identifier: MIT-0' >/dev/null || fail "$f has no licence" ;;
    esac
done
author_make -C my-module-2 check install DESTDIR="$destdir" >"$tmp/out" 2>&1 ||
    fail "the new module does not pass"
grep -q 'my-module-2.so: my-module-2 0.1.0 is in order' "$tmp/out" || fail "was not checked"
grep -q '^e2e: greeted' "$tmp/out" || grep -q '^e2e: skipped, no curl' "$tmp/out" ||
    fail "did not greet"
[ -e "$moduledir/my-module-2.so" ] || fail "was not installed"

"$new" other "$tmp/src/else where" >"$tmp/out" 2>&1 || fail "no module in a folder of another name"
[ -e "else where/other.c" ] || fail "the source is not called as the module"

# refused STATUS PATTERN ARGUMENT...
refused()
{
    want=$1 pattern=$2
    shift 2
    status=0
    "$new" "$@" >"$tmp/out" 2>&1 || status=$?
    [ "$status" -eq "$want" ] || fail "status $status instead of $want: $*"
    grep -qe "$pattern" "$tmp/out" || fail "does not say $pattern: $*"
}

for name in '' My-module my_module 'my module' ../up mod.so -name 'a/b' "a'b" 'ä'; do
    refused 1 'is no name for a module' "$name" "$tmp/src/refused"
    [ ! -e "$tmp/src/refused" ] || fail "wrote something for \"$name\""
done
echo mine >my-module-2/my-module-2.c
refused 1 'is there already' my-module-2
[ "$(cat my-module-2/my-module-2.c)" = mine ] || fail "overwrote a file"
mkdir empty
refused 1 'is there already' one empty
refused 2 '^usage:'
refused 2 '^usage:' a b c
POSTERN_MODULE_TEMPLATE=$tmp/nowhere refused 1 'no template in' good
[ ! -e good ] || fail "made a folder without a template"
