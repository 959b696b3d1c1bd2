#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a refused client sees: its alert, whole, before the end, whatever it still sends; and what
# the log says about it. Rows in 11-refusals.py, then real TLS clients.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 openssl curl
[ -e "$MODULE_DIR/ip-restrictions.so" ] || fail "no module ip-restrictions in $MODULE_DIR"
free_ports PUBLIC SHUT CLOSES ALERTS RESETS SHADOWS HASTY A

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
timeouts = { hello = "60s"; };
ip_policies = (
    { name = "loopback"; rules = (
        { cidr = "192.0.2.0/24"; action = "allow"; description = "somewhere"; },
        { cidr = "127.0.0.0/8"; action = "deny"; description = "this machine"; } ); }
);
listeners = (
    { name = "public"; address = "127.0.0.1:$PUBLIC"; },
    { name = "shut"; address = "127.0.0.1:$SHUT"; unknown_sni = "close"; no_sni = "close"; },
    { name = "closes"; address = "127.0.0.1:$CLOSES";
      modules = ( { module = "ip-restrictions"; deny = [ "127.0.0.0/8" ]; default = "allow"; } ); },
    { name = "alerts"; address = "127.0.0.1:$ALERTS"; on_deny = "alert";
      modules = ( { module = "ip-restrictions"; deny = [ "127.0.0.0/8" ]; default = "allow"; } ); },
    { name = "resets"; address = "127.0.0.1:$RESETS"; on_deny = "reset";
      modules = ( { module = "ip-restrictions"; deny = [ "127.0.0.0/8" ]; default = "allow"; } ); },
    { name = "shadows"; address = "127.0.0.1:$SHADOWS"; on_deny = "reset";
      modules = ( { module = "ip-restrictions"; enforce = false;
                    deny = [ "127.0.0.0/8" ]; default = "allow"; } ); },
    { name = "hasty"; address = "127.0.0.1:$HASTY"; timeouts = { hello = "200ms"; }; }
);
edges = (
    { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$A";
      modules = ( { module = "ip-restrictions"; allow = [ "127.0.0.0/8", "::1" ]; } ); },
    # A port that other tests cannot get.
    { name = "down"; domains = [ "down.test" ]; upstream = "127.0.0.1:1"; },
    { name = "closes"; domains = [ "closes.test" ]; upstream = "127.0.0.1:$A";
      modules = ( { module = "ip-restrictions"; allow = [ "192.0.2.0/24", "2001:db8::/32" ]; } ); },
    { name = "alerts"; domains = [ "alerts.test" ]; upstream = "127.0.0.1:$A"; on_deny = "alert";
      modules = ( { module = "ip-restrictions"; policies = [ "loopback" ]; } ); },
    { name = "resets"; domains = [ "resets.test" ]; upstream = "127.0.0.1:$A"; on_deny = "reset";
      modules = ( { module = "ip-restrictions"; policies = [ "loopback" ]; } ); },
    { name = "shadows"; domains = [ "shadows.test" ]; upstream = "127.0.0.1:$A"; on_deny = "reset";
      modules = ( { module = "ip-restrictions"; enforce = false; policies = [ "loopback" ]; } ); }
);
EOC

start_postern "$WORK/postern.conf"
export DEADLINE
PYTHONDONTWRITEBYTECODE=1 python3 "$top_srcdir/t/e2e/11-refusals.py" "$POSTERN_LOG" \
    "$PUBLIC" "$SHUT" "$CLOSES" "$ALERTS" "$RESETS" "$SHADOWS" "$HASTY" "$A" ||
    fail "wrong answers, see the table"

# refused PATTERN COMMAND...: the client fails, and what it tells its user matches.
refused()
{
    local want=$1 status=0
    shift
    timeout "$DEADLINE" "$@" >"$WORK/out" 2>&1 </dev/null || status=$?
    if [ "$status" -eq 0 ] || [ "$status" -eq 124 ] || ! grep -qiE -e "$want" "$WORK/out"; then
        cat "$WORK/out"
        fail "status $status, want a failure with \"$want\": $*"
    fi
}

# Each TLS library has its own words for alert 112.
UNRECOGNIZED='unrecognized name|name sent was not recognized'
S_CLIENT=(openssl s_client -connect "127.0.0.1:$PUBLIC")
refused "$UNRECOGNIZED" "${S_CLIENT[@]}" -servername nobody.test
refused "$UNRECOGNIZED" "${S_CLIENT[@]}" -servername nobody.test -tls1_2
refused "$UNRECOGNIZED" "${S_CLIENT[@]}" -noservername
refused 'access denied' "${S_CLIENT[@]}" -servername alerts.test
refused 'internal error' "${S_CLIENT[@]}" -servername down.test
refused "$UNRECOGNIZED" curl --silent --show-error --noproxy '*' --insecure \
    --resolve "nobody.test:$PUBLIC:127.0.0.1" "https://nobody.test:$PUBLIC/"
stop_postern

need gnutls-cli
start_postern "$WORK/postern.conf"
refused "$UNRECOGNIZED" gnutls-cli --insecure --port "$PUBLIC" --sni-hostname nobody.test 127.0.0.1
refused "$UNRECOGNIZED" gnutls-cli --insecure --port "$PUBLIC" --disable-sni 127.0.0.1
stop_postern
