# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 62-upstream-tls.sh that need both ends: arguments are the daemon's pid, log and
port, the folder of certificates, the ports of three upstreams that are made here, and how many MiB
are a lot."""
import hashlib
import random
import ssl
import sys
import threading
import time

from hello_peers import DEADLINE, log_line, noise
from relay_peers import listen, reset, run, same, until_stalled
from tls_peers import Client, client_context

PID, LOG, PORT, CERTS = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
ECHO, STALL, FLAKY = (listen(int(p)) for p in sys.argv[5:8])
VERSIONS = ("1.2", "1.3")
BULK = int(sys.argv[8]) * 1024 * 1024


def server_context(version=None, cert="a", tickets=True):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("%s/%s.pem" % (CERTS, cert), "%s/%s.key" % (CERTS, cert))
    if version == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    elif version == "1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
    return context


class Server:
    """The upstream's end of one connection, TLS in our hands."""

    def __init__(self, listener, context):
        self.sock, _ = listener.accept()
        self.sock.settimeout(DEADLINE)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    drive, write, read, read_exactly = Client.drive, Client.write, Client.read, Client.read_exactly
    read_to_end, close_notify, end_wire = Client.read_to_end, Client.close_notify, Client.end_wire
    send_out = Client.send_out

    @staticmethod
    def shape(data, sock):
        sock.sendall(data)


class Pair:
    """A TLS client of an edge, and the TLS upstream of the same connection."""

    def __init__(self, version=None, name="echo.front.test", listener=ECHO, context=None,
                 again=False):
        self.error, self.again = None, again
        context = context or server_context(version)
        thread = threading.Thread(target=self.serve, args=(listener, context))
        thread.start()
        self.client = Client(PORT, name, client_context("%s/ca.pem" % CERTS, version=version))
        thread.join()
        if self.error:
            raise self.error

    def serve(self, listener, context):
        try:
            self.upstream = Server(listener, context)
            self.upstream.drive(self.upstream.tls.do_handshake)
        except (OSError, ssl.SSLError) as e:
            self.error = e
            if self.again:
                self.again, self.error = False, None
                self.upstream.sock.close()
                self.serve(listener, context)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.client.sock.close()
        self.upstream.sock.close()

    def exchange(self):
        self.client.write(b"question")
        same("question", b"question", self.upstream.read_exactly(8))
        self.upstream.write(b"answer")
        same("answer", b"answer", self.client.read_exactly(6))

    def end(self):
        """Both ends, properly: the client first."""
        self.client.close_notify()
        same("end", (b"", "close_notify"), self.upstream.read_to_end())
        self.upstream.close_notify()
        same("end", (b"", "close_notify"), self.client.read_to_end())

    def logged(self, **want):
        fields = log_line(LOG, self.client.source)
        same("log", want, {k: fields.get(k) for k in want})


def half_close():
    """close_notify goes through, in both directions and orders"""
    for version in VERSIONS:
        with Pair(version) as p:
            p.exchange()
            p.client.close_notify()
            same("upstream sees", (b"", "close_notify"), p.upstream.read_to_end())
            p.upstream.write(b"late answer")
            p.upstream.close_notify()
            same("client sees", (b"late answer", "close_notify"), p.client.read_to_end())
            p.logged(reason="client_fin", truncated=None)
        with Pair(version) as p:
            p.upstream.write(b"enough")
            p.upstream.close_notify()
            same("client sees", (b"enough", "close_notify"), p.client.read_to_end())
            p.client.write(b"more")
            p.client.close_notify()
            same("upstream sees", (b"more", "close_notify"), p.upstream.read_to_end())
            p.logged(reason="upstream_fin", truncated=None)


def truncated():
    """an upstream's wire that ends without close_notify is no clean end for the client"""
    for version in VERSIONS:
        with Pair(version) as p:
            p.exchange()
            p.upstream.write(b"part of a whole")
            same("part", b"part of a whole", p.client.read_exactly(15))
            p.upstream.end_wire()
            data, end = p.client.read_to_end()
            same("client sees", (b"", True), (data, end in ("cut", "rst")))
            p.logged(reason="reset", side="upstream", truncated="true")
        with Pair(version) as p:
            p.client.close_notify()
            same("upstream sees", (b"", "close_notify"), p.upstream.read_to_end())
            p.upstream.write(b"part")
            same("part", b"part", p.client.read_exactly(4))
            p.upstream.end_wire()
            same("client sees", True, p.client.read_to_end()[1] in ("cut", "rst"))
            p.logged(reason="client_fin", truncated="true")


def client_truncated():
    """nor is a client's for the upstream"""
    for version in VERSIONS:
        with Pair(version) as p:
            p.exchange()
            p.client.end_wire()
            data, end = p.upstream.read_to_end()
            same("upstream sees", (b"", True), (data, end in ("cut", "rst")))
            p.logged(reason="reset", side="client", truncated="true")


def upstream_reset():
    """a reset of the upstream"""
    with Pair() as p:
        p.exchange()
        reset(p.upstream.sock)
        data, end = p.client.read_to_end()
        same("client sees", (b"", True), (data, end in ("cut", "rst")))
        p.logged(reason="reset", side="upstream", truncated="true")


def garbage():
    """rubbish from the upstream after the handshake gets an alert, and never to the client"""
    with Pair("1.3") as p:
        p.exchange()
        p.upstream.sock.sendall(bytes([23, 3, 3, 0, 40]) + bytes(40))
        try:
            while p.upstream.read():
                pass
            raise AssertionError("accepted")
        except ssl.SSLError as e:
            same("alert", True, "bad record mac" in str(e).lower().replace("_", " "))
        data, end = p.client.read_to_end()
        same("client sees", (b"", True), (data, end in ("cut", "rst")))


def bulk_each(version, up):
    with Pair(version) as p:
        rng = random.Random(up)
        block = noise(1 << 20, 7)
        want, got, total = hashlib.sha256(), hashlib.sha256(), 0
        source, drain = (p.client, p.upstream) if up else (p.upstream, p.client)

        def produce():
            left = BULK
            while left:
                n = min(left, rng.choice((1, 100, 1400, 16384, 16385, 70000, 1 << 20)))
                part = block[:n]
                want.update(part)
                source.write(part)
                left -= n
            source.close_notify()

        thread = threading.Thread(target=produce)
        thread.start()
        while True:
            try:
                part = drain.read(1 << 18)
            except ssl.SSLZeroReturnError:
                break
            if not part:
                break
            got.update(part)
            total += len(part)
        thread.join()
        same("bytes", BULK, total)
        same("sum", want.hexdigest(), got.hexdigest())


def bulk():
    """many MiB each way in pieces of all sizes keep their SHA-256"""
    for version in VERSIONS:
        for up in (True, False):
            bulk_each(version, up)


def slow_client():
    """a client that does not read stops the upstream, and gets all of it later"""
    with Pair() as p:
        data = noise(24 * 1024 * 1024, 9)
        thread = threading.Thread(target=lambda: (p.upstream.write(data),
                                                  p.upstream.close_notify()))
        thread.start()
        until_stalled(p.upstream.sock)
        same("the upstream waits", True, thread.is_alive())
        same("data", (True, "close_notify"),
             (lambda r: (r[0] == data, r[1]))(p.client.read_to_end()))
        thread.join()


def cut_after_all():
    """what an upstream sent before it just closed arrives, however late the client reads it"""
    for version in VERSIONS:
        with Pair(version) as p:
            p.exchange()
            data = noise(512 * 1024, 11)
            p.upstream.write(data)
            p.upstream.sock.close()
            p.logged(reason="reset", side="upstream", truncated="true")
            got, end = p.client.read_to_end()
            same("data", (len(data), True, "cut"), (len(got), got == data, end))


def refuse_early():
    """bytes that an upstream sends before TLS are not the client's"""
    greeting = b"220 you are welcome\r\n"
    context = server_context()
    seen = []

    def serve():
        for first in (True, False):
            sock, _ = ECHO.accept()
            sock.settimeout(DEADLINE)
            if first:
                sock.sendall(greeting)
                while sock.recv(65536):
                    pass
            else:
                seen.append(sock)

    client = None
    thread = threading.Thread(target=serve)
    thread.start()
    client = Client(PORT, "pair.front.test", client_context("%s/ca.pem" % CERTS))
    thread.join()
    server = Server.__new__(Server)
    server.sock = seen[0]
    server.incoming, server.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server.tls = context.wrap_bio(server.incoming, server.outgoing, server_side=True)
    server.drive(server.tls.do_handshake)
    server.write(b"answer")
    same("answer", b"answer", client.read_exactly(6))
    client.sock.close()
    server.sock.close()


def stall():
    """an upstream that accepts and is silent costs the handshake's deadline, then the next helps"""
    begin = time.monotonic()
    held = []
    thread = threading.Thread(target=lambda: held.append(STALL.accept()[0]))
    thread.start()
    with Pair(name="stall.front.test") as p:
        p.exchange()
        p.end()
        p.logged(tries="2", reason="client_fin")
    thread.join()
    same("took the deadline", True, 2.5 < time.monotonic() - begin)
    held[0].close()


def resumed(version, name, context):
    with Pair(version, name, FLAKY, context, again=True) as p:
        p.exchange()
        reused = p.upstream.tls.session_reused
        p.end()
        p.logged(reason="client_fin", tries="1")
        return reused


def session_rejected():
    """an upstream that has forgotten its keys gets a whole handshake; its client notices nothing"""
    for i in range(4):
        version, tickets = VERSIONS[i // 2], i % 2 == 0
        name = "flaky%d.front.test" % i
        context = server_context(version, tickets=tickets)
        same("resumed after a while", True,
             True in [resumed(version, name, context) for _ in range(8)])
        # A new context is a restart: other ticket keys, an empty cache.
        for _ in range(4):
            context = server_context(version, tickets=tickets)
            same("forgotten", False, resumed(version, name, context))


def wrapped():
    """an edge that passes TLS through wraps it once more"""
    context = server_context()
    inner = server_context(cert="b")
    done = []

    def serve():
        outer = Server(ECHO, context)
        outer.drive(outer.tls.do_handshake)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = inner.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                outer.write(outgoing.read())
                break
            except ssl.SSLWantReadError:
                pending = outgoing.read()
                if pending:
                    outer.write(pending)
                incoming.write(outer.read())
        done.append((outer.tls.version(), tls.version()))
        outer.sock.close()

    thread = threading.Thread(target=serve)
    thread.start()
    lenient = client_context("%s/ca.pem" % CERTS)
    lenient.check_hostname = False
    client = Client(PORT, "wrapped.test", lenient)
    thread.join()
    same("both", [("TLSv1.3", "TLSv1.3")], done)
    client.sock.close()


def alpn():
    """what the client agreed on, and nothing else, is offered to the upstream"""
    context = server_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    for offered, agreed in ((["http/1.1"], "http/1.1"), (["foo", "h2"], "h2"), (None, None)):
        result = []

        def serve(result=result):
            server = Server(ECHO, context)
            server.drive(server.tls.do_handshake)
            result.append(server.tls.selected_alpn_protocol())
            server.sock.close()

        thread = threading.Thread(target=serve)
        thread.start()
        client = Client(PORT, "alpn.front.test", client_context("%s/ca.pem" % CERTS, alpn=offered))
        thread.join()
        same("client", agreed, client.tls.selected_alpn_protocol())
        same("upstream", [agreed], result)
        client.sock.close()


sys.exit(run(half_close, truncated, client_truncated, upstream_reset, garbage, refuse_early, stall,
             session_rejected, wrapped, alpn, slow_client, cut_after_all,
             bulk))
