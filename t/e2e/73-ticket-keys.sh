#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ticket keys from a file: two daemons take each other's sessions, only with the same file and the same
# policy, and keys are changed without a client noticing.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need openssl gnutls-cli python3
free_ports PORT_A PORT_B ECHO
make_certs
umask 077

# Something that accepts, answers a line, and ends: clients get their tickets before they go.
cat >"$WORK/upstream.py" <<'EOC'
import socketserver, sys
class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"answered\n")
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
EOC
background upstream python3 "$WORK/upstream.py" "$ECHO"
wait_for_port "$ECHO"

# configure NAME PORT [MEMBERS]: a daemon's, with the keys in $WORK/NAME.keys.
configure()
{
    cat >"$WORK/$1.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
listeners = ( { name = "public"; address = "127.0.0.1:$2"; } );
edges = ( { name = "shop"; domains = [ "a.test" ]; upstream = "127.0.0.1:$ECHO";
    modules = ( { module = "tls-termination"; terminate_at = "edge"; ticket_keys = "$WORK/$1.keys";
        certificates = ( { certificate = "$CERTS/a.pem"; key = "$CERTS/a.key"; } ); ${3:-} } ); } );
EOC
}

# keys NAME KEY...: the file of that daemon.
keys()
{
    local name=$1 k
    shift
    for k; do
        cat "$WORK/$k.key"
    done >"$WORK/$name.keys.new"
    mv "$WORK/$name.keys.new" "$WORK/$name.keys"
}

for k in one two three; do
    openssl rand -base64 48 | tr -d '\n' >"$WORK/$k.key"
    echo >>"$WORK/$k.key"
done
keys a one
keys b one
configure a "$PORT_A"
configure b "$PORT_B"
start_postern "$WORK/a.conf"
PID_A=$POSTERN_PID LOG_A=$POSTERN_LOG
start_postern "$WORK/b.conf"
PID_B=$POSTERN_PID LOG_B=$POSTERN_LOG

# reload a|b
reload()
{
    local which=$1
    [ "$which" = a ] && POSTERN_PID=$PID_A POSTERN_LOG=$LOG_A
    [ "$which" = b ] && POSTERN_PID=$PID_B POSTERN_LOG=$LOG_B
    reload_postern
    grep 'msg="reload' "$POSTERN_LOG" | tail -n 1 >"$WORK/last"
    assert_no_grep 'reload refused' "$WORK/last"
}

# s_client PORT ARGUMENT...: output in $WORK/out.
s_client()
{
    local port=$1
    shift
    openssl s_client -connect "127.0.0.1:$port" -servername a.test -CAfile "$CERTS/ca.pem" \
        -verify_return_error -ign_eof "$@" </dev/null >"$WORK/out" 2>&1 ||
        { cat "$WORK/out"; fail "openssl s_client $port $*"; }
    assert_grep '^answered' "$WORK/out"
}

# won PORT VERSION FILE: a session of that daemon.
won()
{
    rm -f "$3"
    s_client "$1" "-tls1_$2" -sess_out "$3"
    assert_grep '^New' "$WORK/out"
    [ -s "$3" ] || fail "no session of TLS 1.$2"
}

# good|worthless PORT VERSION FILE
good()
{
    s_client "$1" "-tls1_$2" -sess_in "$3"
    assert_grep '^Reused' "$WORK/out"
}

worthless()
{
    s_client "$1" "-tls1_$2" -sess_in "$3"
    assert_grep '^New' "$WORK/out"
}

# --- one host's tickets at the other ----------------------------------------------------------

for version in 2 3; do
    for _ in 1 2 3 4; do
        won "$PORT_A" "$version" "$WORK/s"
        good "$PORT_B" "$version" "$WORK/s"
        won "$PORT_B" "$version" "$WORK/s"
        good "$PORT_A" "$version" "$WORK/s"
    done
done
# gnutls-cli waits only a moment for a ticket, so that it may need a second try.
resumed()
{
    gnutls-cli --x509cafile "$CERTS/ca.pem" --sni-hostname a.test --verify-hostname a.test \
        --port "$PORT_A" --priority "$1" --resume 127.0.0.1 </dev/null >"$WORK/out" 2>&1 &&
        grep -q 'This is a resumed session' "$WORK/out"
}
for p in NORMAL 'NORMAL:-VERS-ALL:+VERS-TLS1.2'; do
    wait_until "$DEADLINE" resumed "$p" || { cat "$WORK/out"; fail "gnutls-cli does not resume"; }
done

# --- keys change ------------------------------------------------------------------------------

# First the new key is known everywhere, then it seals, then the old one goes.
for version in 2 3; do
    keys a one
    keys b one
    reload a
    reload b
    won "$PORT_A" "$version" "$WORK/old"
    for k in "one two" "two one"; do
        for d in a b; do
            # shellcheck disable=SC2086 # several keys
            keys "$d" $k
            reload "$d"
            good "$PORT_A" "$version" "$WORK/old"
            good "$PORT_B" "$version" "$WORK/old"
        done
    done
    won "$PORT_B" "$version" "$WORK/new"
    keys a two
    reload a
    worthless "$PORT_A" "$version" "$WORK/old"
    good "$PORT_A" "$version" "$WORK/new"
    good "$PORT_B" "$version" "$WORK/old"
    keys b three
    reload b
    worthless "$PORT_B" "$version" "$WORK/new"
done

# --- the same keys, another policy ------------------------------------------------------------

keys a one
keys b one
configure b "$PORT_B" 'groups = [ "P-256" ];'
reload a
reload b
for version in 2 3; do
    won "$PORT_A" "$version" "$WORK/s"
    worthless "$PORT_B" "$version" "$WORK/s"
done

# A file that others may read changes nothing; without the key the daemon makes its own again.
chmod 644 "$WORK/a.keys"
won "$PORT_A" 3 "$WORK/s"
POSTERN_PID=$PID_A POSTERN_LOG=$LOG_A
reload_postern
assert_grep 'a.keys: a secret that group or others may use' "$LOG_A"
good "$PORT_A" 3 "$WORK/s"
chmod 600 "$WORK/a.keys"
sed -i 's/ticket_keys = "[^"]*";//' "$WORK/a.conf"
reload a
worthless "$PORT_A" 3 "$WORK/s"
won "$PORT_A" 3 "$WORK/s"
reload a
good "$PORT_A" 3 "$WORK/s"

# --- the ticket of another server ---------------------------------------------------------------

# One that knew the client by its certificate: such tickets are longer than any of ours.
free_ports OTHER
background other openssl s_server -accept "127.0.0.1:$OTHER" -www -quiet -tls1_2 -Verify 1 \
    -cert "$CERTS/a.pem" -key "$CERTS/a.key" -CAfile "$CERTS/ca.pem"
wait_for_port "$OTHER"
rm -f "$WORK/s"
openssl s_client -connect "127.0.0.1:$OTHER" -tls1_2 -cert "$CERTS/client.pem" \
    -key "$CERTS/client.key" -sess_out "$WORK/s" </dev/null >"$WORK/out" 2>&1 || true
[ -s "$WORK/s" ] || { cat "$WORK/out"; fail "no session of another server"; }
# Wherever wolfSSL was not built by contrib/build-wolfssl.sh it may take such a ticket for an attack.
if compgen -G "$MODULE_DIR/../libwolfssl-postern.so.*" >/dev/null; then
    worthless "$PORT_A" 2 "$WORK/s"
    s_client "$PORT_A" -sess_in "$WORK/s"
fi

stop_postern
POSTERN_PID=$PID_B
stop_postern

# --- the same keys, another version of the library --------------------------------------------

[ -z "${SANITIZERS:-}${POSTERN_WRAP:-}" ] || exit 0
command -v cc >/dev/null || skip "no C compiler for the last case"
echo 'unsigned wolfSSL_lib_version_hex(void) { return 0x07000000; }' >"$WORK/version.c"
cc -shared -fPIC -o "$WORK/version.so" "$WORK/version.c"
keys a one
keys b one
configure a "$PORT_A"
configure b "$PORT_B"
start_postern "$WORK/a.conf"
PID_A=$POSTERN_PID
POSTERN_WRAP="env LD_PRELOAD=$WORK/version.so" start_postern "$WORK/b.conf"
for version in 2 3; do
    won "$PORT_A" "$version" "$WORK/s"
    worthless "$PORT_B" "$version" "$WORK/s"
    won "$PORT_B" "$version" "$WORK/s"
    good "$PORT_B" "$version" "$WORK/s"
done
stop_postern
POSTERN_PID=$PID_A
stop_postern
