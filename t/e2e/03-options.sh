#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# postern -O, and that the tables of options in the manuals are those that the modules declare.

. "${top_srcdir:-.}/t/e2e/lib.sh"

"$POSTERN" -O no-such-module >"$WORK/out" 2>"$WORK/err" && fail "a module that is not there"
grep -q "module no-such-module: .*No such file" "$WORK/err" || fail "what was not found"
"$POSTERN" --options "$MODULE_DIR/ip-restrictions.so" >"$WORK/out"
grep -qE "^default +deny\|allow +deny +" "$WORK/out" || fail "no row for a default"
cat >"$WORK/postern.conf" <<EOC
module_dir = "$MODULE_DIR";
listeners = ( { name = "public"; address = "127.0.0.1:443"; } );
edges = ( { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:80"; } );
EOC
assert_eq "$(cat "$WORK/out")" "$("$POSTERN" -O ip-restrictions -c "$WORK/postern.conf")" \
    "the same by name"

checked=0
for page in "$top_srcdir"/doc/postern-*.7; do
    module=${page##*/postern-}
    module=${module%.7}
    [ -e "$MODULE_DIR/$module.so" ] || continue
    "$BASH" "$top_srcdir/doc/options.sh" "$POSTERN" "$MODULE_DIR/$module.so" "$page" >"$WORK/page"
    diff -u "$page" "$WORK/page" ||
        fail "the table in ${page##*/} is not what the module declares: run make manual-options"
    checked=$((checked + 1))
done
[ "$checked" -ge 3 ] || fail "only $checked manuals of modules were looked at"
