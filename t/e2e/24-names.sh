#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Targets by host name: resolved in the background, again and again, by a real name server that
# comes, changes its mind and goes.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3 dnsmasq
free_ports DNS PORT TARGET

cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
resolver = { nameservers = [ "127.0.0.1:$DNS" ]; min_ttl = "200ms"; max_ttl = "400ms";
             timeout = "300ms"; };
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; not_tls = "app"; } );
edges = ( { name = "app"; upstream = { targets = ( "app.test:$TARGET" ); max_fails = 0; }; } );
EOC

start_postern "$WORK/postern.conf"
LOGS+=("$WORK/dnsmasq.log")
python_test 24-names.py "$(PATH=$PATH:/usr/sbin command -v dnsmasq)" "$WORK" "$POSTERN_LOG" \
    "$DNS" "$PORT" "$TARGET"
stop_postern
