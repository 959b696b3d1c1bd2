#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# postern -O, and that the tables of options in the manuals and the keys of the sample are those
# that the modules and the core declare.

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

known()
{
    awk 'NR > 1 { sub(/.*\./, "", $1); print $1 }'
}

"$POSTERN" -O postern.conf >"$WORK/out"
grep -qE "^timeouts\.hello +duration 1ms to 365d +3s " "$WORK/out" || fail "no key of the core"
known <"$WORK/out" >"$WORK/keys"
page=$top_srcdir/doc/postern.conf.5
"$BASH" "$top_srcdir/doc/options.sh" "$POSTERN" postern.conf "$page" >"$WORK/page"
diff -u "$page" "$WORK/page" ||
    fail "the tables in ${page##*/} are not what the core declares: run make manual-options"

checked=0
for page in "$top_srcdir"/doc/postern-*.7; do
    module=${page##*/postern-}
    module=${module%.7}
    [ -e "$MODULE_DIR/$module.so" ] || continue
    "$POSTERN" -O "$MODULE_DIR/$module.so" | known >>"$WORK/keys"
    "$BASH" "$top_srcdir/doc/options.sh" "$POSTERN" "$MODULE_DIR/$module.so" "$page" >"$WORK/page"
    diff -u "$page" "$WORK/page" ||
        fail "the table in ${page##*/} is not what the module declares: run make manual-options"
    checked=$((checked + 1))
done
[ "$checked" -ge 3 ] || fail "only $checked manuals of modules were looked at"

# What is commented out is checked, too. The sample has tls-termination and upstream-tls.
if [ -e "$MODULE_DIR/tls-termination.so" ]; then
    tr '{};,(' '\n' <"$top_srcdir/etc/postern.conf.sample" |
        sed -nE 's/^[# ]*([a-z_]+) *= *["0-9([{tf].*/\1/p; s/^[# ]*([a-z_]+) *= *$/\1/p' |
        sort -u >"$WORK/used"
    grep -qx certificate_dir "$WORK/used" || fail "the keys of the sample were not found"
    assert_eq "" "$(grep -vxFf "$WORK/keys" "$WORK/used")" "keys of the sample that are none"
fi
