# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstreams that break off at every byte of their TLS handshake: arguments are the daemon's pid, log
and port, the folder with the certificates, and the step. Edges are VERSION-MANNER, their upstreams
the ports that follow."""
import random
import select
import sys
import threading

from hello_peers import DEADLINE
from relay_peers import listen, log_line, memory, reset, run, same
from tls_peers import Client, Cut, Server, budget, client_context, server_context

PID, LOG, PORT, CERTS, STEP = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], \
    int(sys.argv[5])
EDGES = {name: listen(int(port)) for name, port in (word.split(":") for word in sys.argv[6:])}


def serve(sock, context, at, manner):
    """One connection of the upstream: whether it was whole."""
    sock.settimeout(DEADLINE)
    try:
        server = Server(sock, context, budget(at))
    except Cut:
        if manner == "rst":
            reset(sock)
        sock.close()
        return False
    server.shape = lambda data, sock: sock.sendall(data)
    same("question", b"question", server.read_exactly(8))
    server.write(b"answer")
    server.close_notify()
    sock.close()
    return True


def attempt(edge, context, at, manner):
    """One client, and all connections that the daemon makes for it: with a session that it kept it
    tries a second time without. Whether one was whole; how it ended for the client; its address."""
    client = Client(PORT, edge + ".test", client_context(CERTS + "/ca.pem"))
    client.write(b"question")
    ends, whole = [], False
    reader = threading.Thread(target=lambda: ends.append(client.read_to_end()))
    reader.start()
    while reader.is_alive():
        if select.select([EDGES[edge]], [], [], 0.01)[0]:
            whole = serve(EDGES[edge].accept()[0], context, at, manner)
    client.sock.close()
    return whole, ends[0], client.source


def storm(edge, broken):
    """Break off later and later until a handshake is whole."""
    version, manner = edge.split("-")
    at = random.randrange(STEP)
    context = server_context(CERTS + "/up", "1." + version[-1])
    while True:
        whole, (data, end), source = attempt(edge, context, at, manner)
        if whole:
            same("end", (b"answer", "close_notify"), (data, end))
            return
        same("end after %d bytes" % at, (b"", True), (data, end in ("cut", "rst")))
        if at % 50 < STEP:
            fields = log_line(LOG, source)
            # In TLS 1.3 the tickets come when the handshake is over for the daemon.
            same("log", True, fields.get("reason") == "upstream_tls_failed" or
                 (fields.get("reason"), fields.get("truncated")) == ("reset", "true"))
        at += STEP
        broken.append(at)


def storms():
    broken, errors, threads = [], [], []

    def guarded(edge):
        try:
            storm(edge, broken)
        except Exception as e:  # pylint: disable=broad-except
            errors.append("%s: %s: %s" % (edge, type(e).__name__, e))

    for edge in EDGES:
        threads.append(threading.Thread(target=guarded, args=(edge,)))
        threads[-1].start()
    for t in threads:
        t.join()
    same("errors", [], errors)
    return len(broken)


def every_byte():
    """an upstream that breaks off is no clean end for the client, wherever it does"""
    storms()
    before = memory(PID)
    n = storms()
    return "%d broken off in the second round, %+d KiB" % (n, (memory(PID) - before) >> 10)


def nobody_there():
    """nor is a target that refuses"""
    for version in ("1.2", "1.3"):
        client = Client(PORT, "nobody.test", client_context(CERTS + "/ca.pem", version=version))
        data, end = client.read_to_end()
        same("end", (b"", True), (data, end in ("cut", "rst")))
        same("log", "connect_failed", log_line(LOG, client.source).get("reason"))
        client.sock.close()


sys.exit(run(every_byte, nobody_there))
