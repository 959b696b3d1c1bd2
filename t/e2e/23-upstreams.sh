#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Which target gets a connection, and what happens when it does not answer.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
TARGETS=(A B C late1 late2 hole v6 nobody1 nobody2)
LISTENERS=(weights backup next once health least hash blackhole dead unix six)
declare -A P
for name in "${TARGETS[@]}" "${LISTENERS[@]}"; do
    read -r "P[$name]"
done < <("$TCP_PEER" --free-port $((${#TARGETS[@]} + ${#LISTENERS[@]})) $$)

listener()
{
    printf '{ name = "%s"; address = "127.0.0.1:%s"; not_tls = "%s"; }' "$1" "${P[$1]}" "$1"
}

listeners=
for name in "${LISTENERS[@]}"; do
    listeners+="${listeners:+,
  }$(listener "$name")"
done

# One worker: the shares are exact however connections would be spread over several.
cat >"$WORK/postern.conf" <<EOC
workers = 1;
module_dir = "$MODULE_DIR";
log = { level = "debug"; };
listeners = (
  $listeners
);
edges = (
  { name = "weights"; upstream = { targets = (
      { address = "127.0.0.1:${P[A]}"; weight = 3; }, "127.0.0.1:${P[B]}",
      { address = "127.0.0.1:${P[C]}"; weight = 2; } ); }; },
  { name = "backup"; upstream = { max_fails = 0; targets = (
      { address = "127.0.0.1:${P[C]}"; backup = true; },
      "127.0.0.1:${P[late1]}", "127.0.0.1:${P[nobody1]}" ); }; },
  { name = "next"; upstream = { max_fails = 0;
      targets = ( "127.0.0.1:${P[nobody1]}", "127.0.0.1:${P[A]}" ); }; },
  { name = "once"; upstream = { max_fails = 0; tries = 1;
      targets = ( "127.0.0.1:${P[nobody1]}", "127.0.0.1:${P[A]}" ); }; },
  { name = "health"; upstream = { max_fails = 2; fail_timeout = "2s";
      targets = ( "127.0.0.1:${P[late2]}", "127.0.0.1:${P[A]}" ); }; },
  { name = "least"; upstream = { balance = "least-conn";
      targets = ( "127.0.0.1:${P[A]}", "127.0.0.1:${P[B]}" ); }; },
  { name = "hash"; upstream = { balance = "source-hash";
      targets = ( "127.0.0.1:${P[A]}", "127.0.0.1:${P[B]}", "127.0.0.1:${P[C]}" ); }; },
  { name = "blackhole"; timeouts = { connect = "300ms"; }; upstream = { max_fails = 0;
      targets = ( "127.0.0.1:${P[hole]}", "127.0.0.1:${P[A]}" ); }; },
  { name = "dead"; domains = [ "dead.test" ];
    upstream = ( "127.0.0.1:${P[nobody1]}", "127.0.0.1:${P[nobody2]}" ); },
  { name = "unix"; upstream = "unix:$WORK/target.sock"; },
  { name = "six"; upstream = "[::1]:${P[v6]}"; }
);
EOC

start_postern "$WORK/postern.conf"
pairs=()
for name in "${!P[@]}"; do
    pairs+=("$name=${P[$name]}")
done
python_test 23-upstreams.py "$POSTERN_LOG" "$WORK" "${pairs[@]}"
assert_grep 'msg="?upstream target is out.*target=127\.0\.0\.1:'"${P[late2]}" "$POSTERN_LOG"
assert_grep 'msg="?upstream target is back.*target=127\.0\.0\.1:'"${P[late2]}" "$POSTERN_LOG"
stop_postern
