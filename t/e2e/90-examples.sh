#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The example modules sni-allow and geo in the running daemon, between curl and nginx: who passes,
# what the event says of the others, and new lists and databases with a reload.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need curl nginx openssl python3
free_ports PORT EDGE UPSTREAM
start_nginx_tls one "$UPSTREAM" a

# country NETWORK=COUNTRY...: the database that is read next.
country()
{
    python3 "$top_srcdir/t/tools/mmdb_write.py" "$WORK/country.new" "$@"
    mv "$WORK/country.new" "$WORK/country.mmdb"
}

GEO=
if [ -e "$MODULE_DIR/geo.so" ]; then
    country 127.0.0.1/32=DE 127.0.0.2/32=FR 127.0.0.3/32=JP
    if command -v mmdblookup >/dev/null; then
        mmdblookup --file "$WORK/country.mmdb" --ip 127.0.0.2 country iso_code >"$WORK/looked-up"
        assert_grep '"FR"' "$WORK/looked-up"
    fi
    GEO='{ module = "geo"; database = "country.mmdb"; allow = [ "DE", "FR" ]; }'
fi
cat >"$WORK/names" <<'EOC'
a.test         # exact
*.wild.test    # below
EOC
cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
listeners = (
  { name = "public"; address = "127.0.0.1:$PORT"; unknown_sni = "any";
    modules = ( { module = "sni-allow"; file = "names"; } ); },
  { name = "second"; address = "127.0.0.1:$EDGE"; unknown_sni = "shadow"; }
);
edges = (
  { name = "any"; upstream = "127.0.0.1:$UPSTREAM"; },
  { name = "shadow"; upstream = "127.0.0.1:$UPSTREAM";
    modules = ( { module = "sni-allow"; file = "names"; enforce = false; } ); },
  { name = "geo"; domains = [ "geo.test" ]; upstream = "127.0.0.1:$UPSTREAM"; modules = ( $GEO ); }
);
EOC
start_postern "$WORK/postern.conf"

# answer PORT NAME [OPTION...]: what curl gets, nothing when it is refused.
answer()
{
    curl_to "$1" "$2" / --insecure "${@:3}" 2>/dev/null || true
}

say "names"
for name in a.test x.wild.test y.x.wild.test; do
    assert_eq "one $name /" "$(answer "$PORT" "$name")" "$name"
done
for name in b.test wild.test a.test.evil.test geo.test; do
    assert_eq "" "$(answer "$PORT" "$name")" "$name"
done
wait_for_log 'reason=denied .*stage=on_client_hello module=sni-allow code=sni-unlisted' "$POSTERN_LOG"
assert_eq "one b.test /" "$(answer "$EDGE" b.test)" "not enforced"
wait_for_log 'would be denied.*module=sni-allow .*code=sni-unlisted' "$POSTERN_LOG"

say "a list that is reloaded, and one that is wrong"
printf 'b.test\n' >"$WORK/names"
reload_postern
assert_eq "one b.test /" "$(answer "$PORT" b.test)" "a name that is new"
assert_eq "" "$(answer "$PORT" a.test)" "a name that is gone"
printf 'b.test\na..test\n' >"$WORK/names"
reload_postern
assert_grep 'names: line 2 is no host name' "$POSTERN_LOG"
assert_eq "one b.test /" "$(answer "$PORT" b.test)" "after a wrong list"
printf 'b.test\n' >"$WORK/names"

if [ -n "$GEO" ]; then
    say "countries"
    assert_eq "one geo.test /" "$(answer "$EDGE" geo.test --interface 127.0.0.1)" "from DE"
    assert_eq "one geo.test /" "$(answer "$EDGE" geo.test --interface 127.0.0.2)" "from FR"
    assert_eq "" "$(answer "$EDGE" geo.test --interface 127.0.0.3)" "from JP"
    assert_eq "" "$(answer "$EDGE" geo.test --interface 127.0.0.4)" "from nowhere"
    wait_for_log 'client="?127.0.0.3:.*module=geo code=geo-denied' "$POSTERN_LOG"
    wait_for_log 'client="?127.0.0.4:.*module=geo code=geo-denied' "$POSTERN_LOG"

    say "another database"
    country 127.0.0.1/32=JP 127.0.0.4/32=DE
    reload_postern
    assert_eq "" "$(answer "$EDGE" geo.test --interface 127.0.0.1)" "from JP, after a reload"
    assert_eq "one geo.test /" "$(answer "$EDGE" geo.test --interface 127.0.0.4)" "from DE, after"
    echo broken >"$WORK/country.new"
    mv "$WORK/country.new" "$WORK/country.mmdb"
    reload_postern
    assert_grep 'country.mmdb: .*MaxMind' "$POSTERN_LOG"
    assert_eq "one geo.test /" "$(answer "$EDGE" geo.test --interface 127.0.0.4)" "broken database"
fi
stop_postern
