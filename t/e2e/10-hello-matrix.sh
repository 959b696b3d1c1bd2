#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every way a ClientHello can arrive, be cut, be written or be wrong: the right upstream gets all of
# it verbatim, or the client is told no. The rows are in 10-hello-matrix.py.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
free_ports STRICT FALLBACK SHUT HASTY A B W D LATE EARLY

cat >"$WORK/postern.conf" <<EOC
workers = 2;
log = { level = "debug"; };
timeouts = { hello = "60s"; };
listeners = (
    { name = "strict"; address = "127.0.0.1:$STRICT"; },
    { name = "fallback"; address = "127.0.0.1:$FALLBACK";
      no_sni = "d"; unknown_sni = "d"; not_tls = "d"; },
    { name = "shut"; address = "127.0.0.1:$SHUT";
      no_sni = "close"; unknown_sni = "close"; not_tls = "close"; },
    { name = "hasty"; address = "127.0.0.1:$HASTY"; timeouts = { hello = "700ms"; }; }
);
edges = (
    { name = "a"; domains = [ "a.test" ]; upstream = "127.0.0.1:$A"; },
    { name = "b"; domains = [ "b.test" ]; upstream = "127.0.0.1:$B"; },
    { name = "w"; domains = [ "*.w.test" ]; upstream = "127.0.0.1:$W"; },
    { name = "d"; upstream = "127.0.0.1:$D"; },
    { name = "late"; domains = [ "late.test" ]; upstream = "127.0.0.1:$LATE"; },
    { name = "early"; domains = [ "early.test" ]; upstream = "127.0.0.1:$EARLY"; }
);
EOC

start_postern "$WORK/postern.conf"
export DEADLINE
PYTHONDONTWRITEBYTECODE=1 python3 "$top_srcdir/t/e2e/10-hello-matrix.py" "$POSTERN_LOG" \
    "$STRICT" "$FALLBACK" "$SHUT" "$HASTY" "$A" "$B" "$W" "$D" "$LATE" "$EARLY" ||
    fail "wrong answers, see the table"
stop_postern
