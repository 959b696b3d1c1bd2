# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that break off at every byte of the handshake, in every kind of it.

    70-tls-storm.py FOLDER CERTS PORT PATIENT UPSTREAM STEP
        runs the daemon, a child for each kind, good clients, and reloads in between
    70-tls-storm.py KIND CERTS PORT STEP
        is such a child: breaks off after 0, STEP, 2 STEP... bytes until one handshake is whole
"""
import os
import random
import socket
import subprocess
import sys
import threading
import time

from relay_peers import listen, reset, same, wait_for
from reload_peers import Daemon, guarded
from tls_peers import Client, Cut, budget, client_context

# kind: name of the edge, version, with a client certificate, resumed
KINDS = {
    "tls12": ("ends", "1.2", False, False),
    "tls13": ("ends", "1.3", False, False),
    "tls12-certificate": ("demands", "1.2", True, False),
    "tls13-certificate": ("demands", "1.3", True, False),
    "tls12-resumed": ("ends", "1.2", False, True),
    "tls13-resumed": ("ends", "1.3", False, True),
    "tls13-retry": ("narrow", "1.3", False, False),
}
MANNERS = ("fin", "rst", "stall")
# Stalled connections that a child holds at most; the daemon's deadline ends them.
STALLED = 250
SLOW = bool(os.environ.get("SANITIZERS") or os.environ.get("POSTERN_WRAP"))
HANDSHAKE = 8 if SLOW else 1  # seconds


# --- clients --------------------------------------------------------------------------------------


def exchange(client):
    """A whole handshake must be good for an exchange."""
    client.shape = lambda data, sock: sock.sendall(data)
    client.write(b"question")
    same("answer", b"question", client.read_exactly(8))
    session = client.tls.session
    client.close_notify()
    same("end", (b"", "close_notify"), client.read_to_end())
    client.sock.close()
    return session


def drain(sock):
    """Until the daemon has ended it too."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    sock.close()


def broken_off(client, manner, stalled):
    if manner == "rst":
        reset(client.sock)
    elif manner == "fin":
        try:
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        drain(client.sock)
    else:
        stalled.append(client.sock)
        if len(stalled) == STALLED:
            while stalled:
                drain(stalled.pop())


def storm(context, name, port, session, step, manner):
    """How many were broken off until one was whole."""
    at, done, stalled = random.randrange(step), 0, []
    while True:
        began = time.monotonic()
        client = Client(port, name, context, session=session, shape=budget(at), handshake=False)
        try:
            client.drive(client.tls.do_handshake)
            break
        except Cut:
            broken_off(client, manner, stalled)
        except OSError:
            # On a busy machine it may be us who were too slow.
            if time.monotonic() - began < HANDSHAKE:
                raise
            client.sock.close()
            continue
        at, done = at + step, done + 1
    same("resumed", session is not None, client.tls.session_reused)
    exchange(client)
    while stalled:
        drain(stalled.pop())
    return done


def clients(kind, certs, port, step):
    name, version, certificate, resumed = KINDS[kind]
    context = client_context(certs + "/ca.pem", version=version)
    if certificate:
        context.load_cert_chain(certs + "/client.pem", certs + "/client.key")
    session, whole, broken = None, 0, 0
    if resumed:
        session = exchange(Client(port, name + ".test", context))
        whole += 1
    for manner in MANNERS:
        broken += storm(context, name + ".test", port, session, step, manner)
        whole += 1
    print(whole, broken)


# --- the daemon and all of them -------------------------------------------------------------------


class Echo:
    """The upstream; counts its connections."""

    def __init__(self, port):
        self.listener = listen(port, backlog=1024)
        self.served = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except socket.timeout:
                continue
            self.served += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    @staticmethod
    def serve(sock):
        with sock:
            while data := sock.recv(65536):
                sock.sendall(data)


def edge(certs, upstream, name, members="", more="", handshake="%ds" % HANDSHAKE):
    return """name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%d";
      timeouts = { handshake = "%s"; };
      modules = ( { module = "tls-termination"; terminate_at = "edge"; %s
        certificates = ( { certificate = "%s/storm.pem"; key = "%s/storm.key"; } ); } %s );""" % (
        name, name, upstream, handshake, members, certs, certs, more)


def configure(daemon, certs, port, patient, upstream):
    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; timeouts = { hello = "%ds"; };' % (
            port, HANDSHAKE),
         'name = "patient"; address = "127.0.0.1:%d"; timeouts = { hello = "60s"; };' % patient],
        [edge(certs, upstream, "ends"),
         # For those that must be served, however slow the machine is.
         edge(certs, upstream, "served", handshake="60s"),
         edge(certs, upstream, "narrow", 'groups = [ "x25519" ];'),
         edge(certs, upstream, "demands",
              more=', { module = "mutual-tls"; ca = [ "%s/ca.pem" ]; }' % certs)])


def start_clients(kind, folder, certs, port, step):
    env = dict(os.environ)
    if kind == "tls13-retry":
        # A key share of a group that the edge does not have: it asks for another one.
        conf = os.path.join(folder, "retry.cnf")
        with open(conf, "w", encoding="ascii") as f:
            f.write("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
                    "[c]\nGroups = P-521:X25519\n")
        env["OPENSSL_CONF"] = conf
    return subprocess.Popen([sys.executable, __file__, kind, certs, str(port), str(step)], env=env,
                            stdout=subprocess.PIPE, encoding="ascii")


def good_clients(certs, port, over, counts):
    """Whoever does not break off is served all the while."""
    contexts = [client_context(certs + "/ca.pem", version=v) for v in ("1.2", "1.3")]
    while not over.is_set():
        for context in contexts:
            exchange(Client(port, "served.test", context))
            counts.append(1)


def round_of(daemon, folder, certs, port, patient, step):
    """All kinds at once, with reloads in between; handshakes that were whole, and broken ones."""
    over, good, totals = threading.Event(), [], []
    background = threading.Thread(target=good_clients, args=(certs, patient, over, good))
    children = {kind: start_clients(kind, folder, certs, port, step) for kind in KINDS}
    background.start()
    while any(child.poll() is None for child in children.values()):
        daemon.reload()
        over.wait(0.5)
    over.set()
    background.join()
    for kind, child in children.items():
        same("exit status of " + kind, 0, child.wait())
        totals.append([int(n) for n in child.stdout.read().split()])
        print("  %s: broken off %d times" % (kind, totals[-1][1]))
    whole, broken = (sum(column) for column in zip(*totals))
    same("broken handshakes of each kind", True, min(t[1] for t in totals) >= 3 * 50 / step)
    same("good clients beside them", True, len(good) > 0)
    return whole + len(good), broken


def at_rest(daemon, listening):
    wait_for("single generation", lambda: len(daemon.alive()) == 1)
    wait_for("end of all connections", lambda: daemon.sockets() == listening)


def steps(daemon, folder, certs, port, patient, upstream, step):
    echo = Echo(upstream)
    configure(daemon, certs, port, patient, upstream)
    daemon.start()
    listening = daemon.sockets()
    whole, broken = round_of(daemon, folder, certs, port, patient, step)
    at_rest(daemon, listening)
    if not SLOW:
        # The first round made what stays: pools, threads, room that malloc keeps.
        before, fds = daemon.rss_kib(), daemon.fds()
        more = round_of(daemon, folder, certs, port, patient, step)
        at_rest(daemon, listening)
        whole, broken = whole + more[0], broken + more[1]
        print("  %d KiB, then %d" % (before, daemon.rss_kib()))
        same("descriptors", True, daemon.fds() <= fds)
        same("at most 2 MiB more after a second round", True, daemon.rss_kib() - before < 2048)
    print("  %d whole, %d broken off" % (whole, broken))
    same("upstream connections", whole, echo.served)
    same("internal errors", [], daemon.found("reason=internal|level=error"))
    daemon.stop()


def main(first, certs, port, *rest):
    if first in KINDS:
        clients(first, certs, int(port), int(rest[0]))
        return
    daemon = Daemon(first, workers=4)
    guarded(daemon, lambda: steps(daemon, first, certs, int(port), *map(int, rest)))


main(*sys.argv[1:])
