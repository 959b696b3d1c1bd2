# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, that of certificates, rounds, the daemon's port, one that wants PROXY headers,
that of metrics, and of upstreams: one that echoes, one that greets in plain text, one that nobody
listens on. Environment: POSTERNCTL."""
import os
import random
import re
import socket
import ssl
import sys
import threading
import urllib.request

from control_peers import Control
from hello_peers import DEADLINE, connect, hello, noise, record, records
from proxy_peers import header
from relay_peers import read_exactly, read_to_end, reset, same, wait_for
from reload_peers import Daemon, guarded, module

FOLDER, CERTS = sys.argv[1:3]
ROUNDS = int(sys.argv[3])
PORT, PROXIED, METRICS, ECHO, PLAIN, GONE = (int(a) for a in sys.argv[4:])
CONTROL = os.path.join(FOLDER, "control.sock")
LIMIT = 6  # of the edge "few"
# What must have come about; killed and overload are a matter of luck.
ENDS = {"client_fin", "idle", "denied", "hello_timeout", "bad_hello", "no_sni", "unknown_sni", "not_tls",
        "handshake_failed", "connect_failed", "upstream_tls_failed", "reset"}
THREADS = 8

daemon = Daemon(FOLDER, workers=2, settings="""control = { socket = "%s"; };
metrics = { address = "127.0.0.1:%d"; };""" % (CONTROL, METRICS))
ctl = Control(CONTROL)


def configure(i):
    limits = '{ module = "conn-limits"; max_conns = 1000; max_conns_per_client = 900; }'
    first = limits.replace("}", "max_preread = 800; max_preread_per_client = 700; }")
    few = '{ module = "conn-limits"; max_conns = %d; max_conns_per_client = %d; }' % (LIMIT, LIMIT)
    terminate = ('{ module = "tls-termination"; terminate_at = "edge"; certificates = ( '
                 '{ certificate = "%s/a.pem"; key = "%s/a.key"; } ); }' % (CERTS, CERTS))
    mutual = '{ module = "mutual-tls"; ca = [ "%s/ca.pem" ]; }' % CERTS
    denied = '{ module = "ip-restrictions"; deny = [ "127.0.0.0/8" ]; default = "allow"; }'
    tried = denied.replace("deny =", "enforce = false; deny =")
    again = '{ module = "upstream-tls"; verify = false; }'
    proxy = '{ module = "proxy-protocol"; accept = [ "127.0.0.0/8" ]; }'

    def edge(name, port, *modules):
        return ('name = "%s"; domains = [ "%s.test" ]; upstream = { targets = ( "127.0.0.1:%d" ); '
                'max_fails = 0; }; modules = ( %s ); timeouts = { pending = "100ms"; idle = "400ms"; '
                'half_close = "300ms"; handshake = "300ms"; };' % (
                    name, name, port, ", ".join((limits,) + modules)))

    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; timeouts = { hello = "300ms"; }; '
         'modules = ( %s );' % (PORT, first),
         'name = "proxied"; address = "127.0.0.1:%d"; timeouts = { hello = "300ms"; }; '
         'modules = ( %s, %s );' % (PROXIED, proxy, first)],
        [edge("pass", ECHO), edge("few", ECHO, few), edge("gone", GONE),
         edge("denied", ECHO, denied), edge("tried", ECHO, tried), edge("term", ECHO, terminate),
         edge("mutual", ECHO, terminate, mutual), edge("again", PLAIN, again),
         edge("slow", ECHO, module("live-pending", mode="never")),
         edge("late", ECHO, module("live-pending", mode="late", delay="%dms" % (80 + i % 40))),
         edge("any", ECHO, module("live-pending", mode="any"))])


# --- upstreams ----------------------------------------------------------------------------------


def serve(port, greeting):
    def one(sock):
        try:
            sock.settimeout(DEADLINE)
            if greeting:
                sock.sendall(greeting)
            while (data := sock.recv(65536)):
                sock.sendall(data)
        except OSError:
            pass
        sock.close()

    def accept():
        while True:
            threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    threading.Thread(target=accept, daemon=True).start()


# --- clients ------------------------------------------------------------------------------------

NAMES = [b"pass", b"few", b"gone", b"denied", b"tried", b"term", b"mutual", b"again", b"slow",
         b"late", b"any", b"unknown"]
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


def first_bytes(rng):
    """What a client begins with, and how much of it it sends."""
    message = hello(None if rng.random() < 0.05 else rng.choice(NAMES) + b".test")
    wire = records(message, each=rng.choice((16384, 100, 7)))
    kind = rng.random()
    if kind < 0.05:
        wire = b"GET / HTTP/1.0\r\n\r\n"
    elif kind < 0.10:
        wire = record(noise(200, rng.randrange(99)))
    elif kind < 0.15:
        wire = records(hello(sni=b"\0\0\0\x02\0\0"))
    elif kind < 0.30:
        wire = wire[:rng.randrange(len(wire))]
    if rng.random() < 0.2:
        wire += noise(rng.randrange(3000), 5)
    return wire


def end(sock, rng):
    kind = rng.random()
    if kind < 0.35:
        reset(sock)
    elif kind < 0.6:
        sock.shutdown(socket.SHUT_WR)
        if rng.random() < 0.7:
            read_to_end(sock)
    elif kind < 0.8:
        read_to_end(sock)
    elif kind < 0.9:
        sock.recv(1)


def raw(port, rng):
    with connect(port) as sock:
        if port == PROXIED:
            src = ("198.51.100.%d" % rng.randrange(1, 9), 1000)
            head = rng.choice((header(src), header(src), header(src, checksum=True),
                               header(command=0x20), header(src)[:-1], b"PROXY x\r\n", b""))
            sock.sendall(head[:rng.randrange(len(head) + 1)] if rng.random() < 0.2 else head)
        sock.sendall(first_bytes(rng))
        end(sock, rng)


def through_tls(rng):
    with connect(PORT) as sock:
        name = rng.choice(("term", "term", "mutual"))
        with CONTEXT.wrap_socket(sock, server_hostname=name + ".test") as tls:
            tls.sendall(b"x" * rng.randrange(1, 9))
            tls.recv(1)
            if rng.random() < 0.5:
                tls.unwrap()


def clients(seed):
    rng = random.Random(seed)
    for _ in range(30):
        try:
            if rng.random() < 0.2:
                through_tls(rng)
            else:
                raw(rng.choice((PORT, PORT, PROXIED)), rng)
        except OSError:
            pass  # refused, reset: that is what is wanted


# --- figures ------------------------------------------------------------------------------------

ZERO = ["postern_connections", "postern_conn_limits_conns", "postern_conn_limits_preread"]


def figures():
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % METRICS, timeout=DEADLINE) as f:
        lines = f.read().decode().splitlines()
    found = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        if not line.startswith("#"):
            found[name] = float(value)
    return found


def settled():
    now = figures()
    return all(now[name] == 0 for name in ZERO)


def nothing_is_left():
    try:
        wait_for("end of all", settled)
    except TimeoutError:
        now = figures()
        raise AssertionError(str({name: now[name] for name in ZERO})) from None


def few_fits_again():
    """As many as the limit says, and not one more."""
    held = []
    for _ in range(LIMIT):
        sock = connect(PORT)
        wire = records(hello(b"few.test"))
        sock.sendall(wire)
        same("echo", wire, read_exactly(sock, len(wire)))
        held.append(sock)
    with connect(PORT) as sock:
        sock.sendall(records(hello(b"few.test")))
        same("one too many", b"", read_to_end(sock)[0])
    for sock in held:
        sock.close()


def steps():
    serve(ECHO, b"")
    serve(PLAIN, b"220 no TLS here\r\n")
    configure(0)
    daemon.start()
    seed = random.randrange(1 << 30)
    print("93-all-ends: seed %d" % seed)
    for i in range(ROUNDS):
        threads = [threading.Thread(target=clients, args=(seed + i * THREADS + n,))
                   for n in range(THREADS)]
        for t in threads:
            t.start()
        configure(i)
        daemon.reload()
        ctl.ask(b"kill edge=" + (b"pass", b"slow", b"term", b"few")[i % 4] + b"\n")
        for t in threads:
            t.join()
    nothing_is_left()
    few_fits_again()
    nothing_is_left()
    met = {reason for name, value in figures().items() if value > 0
           for reason in re.findall(r'reason="(\w+)"', name)}
    print("93-all-ends: " + " ".join(sorted(met)))
    same("ends that were not met", set(), ENDS - met)
    wait_for("one generation", lambda: figures()["postern_generations"] == 1)
    daemon.stop()


guarded(daemon, steps)
