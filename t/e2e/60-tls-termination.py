# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 60-tls-termination.sh that need both ends: arguments are the daemon's pid, log and
port, the CA, the ports of the upstream of echo.test and of a reload's, and the configuration."""
import hashlib
import os
import random
import shutil
import signal
import socket
import ssl
import sys
import threading

from hello_peers import SUITES, connect, hello, noise, record
from relay_peers import listen, log_line, memory, read_exactly, read_to_end, reset, run, same, \
    until_stalled, wait_for
from tls_peers import Client, client_context, tiny_records

PID, LOG, PORT, CA, UPSTREAM, CERTS = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], \
    listen(int(sys.argv[5])), sys.argv[6]
VERSIONS = ("1.2", "1.3")
BULK = 64 * 1024 * 1024


class Pair:
    """A TLS client of echo.test and the plain end of the same connection."""

    def __init__(self, name="echo.test", version=None, context=None, **kw):
        self.client = Client(PORT, name, context or client_context(CA, version=version), **kw)
        self.upstream, _ = UPSTREAM.accept()
        self.upstream.settimeout(UPSTREAM.gettimeout())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.client.sock.close()
        self.upstream.close()

    def exchange(self):
        self.client.write(b"question")
        same("question", b"question", read_exactly(self.upstream, 8))
        self.upstream.sendall(b"answer")
        same("answer", b"answer", self.client.read_exactly(6))

    def logged(self, **want):
        fields = log_line(LOG, self.client.source)
        same("log", want, {k: fields.get(k) for k in want})


def fragmented():
    """a hello in records of one byte, and in others, is terminated"""
    for version in VERSIONS:
        for sizes in ((1,), (3, 1), (7,), (100,), (1, 1000)):
            with Pair(version=version, shape=tiny_records(sizes)) as p:
                p.exchange()


def more_in_record():
    """a record that ends the hello and begins something else is refused with alert 10"""
    def shape(data, sock):
        body = data[5:]
        half = len(body) // 2
        first = bytes([22, 3, 1]) + half.to_bytes(2, "big") + body[:half]
        rest = body[half:] + b"\x01\x00\x00\x00"
        sock.sendall(first + bytes([22, 3, 1]) + len(rest).to_bytes(2, "big") + rest)

    client = Client(PORT, "echo.test", client_context(CA), shape=shape, handshake=False)
    try:
        client.drive(client.tls.do_handshake)
        raise AssertionError("accepted")
    except ssl.SSLError as e:
        same("alert", True, "unexpected message" in str(e).lower().replace("_", " "))
    client.sock.close()


def answer_to(name, suites):
    """What a hello with these suites gets: "hello", or the number of an alert."""
    with connect(PORT) as sock:
        sock.sendall(record(hello(name=name, suites=suites)))
        head = read_exactly(sock, 5)
        body = read_exactly(sock, int.from_bytes(head[3:5], "big"))
        return "hello" if head[0] == 22 and body[0] == 2 else body[1] if head[0] == 21 else None


def no_room():
    with open(LOG, encoding="utf-8") as f:
        return f.read().count("more cipher suites than")


def many_suites():
    """suites by the hundred are taken, or refused with alert 40 where wolfSSL has no room for them"""
    unknown = tuple(range(0xD000, 0xD000 + 400))
    for name in (b"echo.test", b"b12.test"):
        same("140 more", "hello", answer_to(name, unknown[:140] + SUITES + (0xC030,)))
        before = no_room()
        if answer_to(name, unknown + SUITES + (0xC030,)) != "hello":
            wait_for("the reason in the log", lambda b=before: no_room() > b)
            same("alert", 40, answer_to(name, unknown + SUITES + (0xC030,)))


def bulk_each(version, up):
    with Pair(version=version) as p:
        rng = random.Random(up)
        block = noise(1 << 20, 7)
        want, got = hashlib.sha256(), hashlib.sha256()
        total = 0

        def produce(send):
            left = BULK
            while left:
                n = min(left, rng.choice((1, 100, 1400, 16384, 16385, 70000, 1 << 20)))
                part = block[:n]
                want.update(part)
                send(part)
                left -= n

        def upload():
            produce(p.client.write)
            p.client.close_notify()

        def download():
            produce(p.upstream.sendall)
            p.upstream.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=upload if up else download)
        thread.start()
        while True:
            part = p.upstream.recv(1 << 18) if up else p.client.read(1 << 18)
            if not part:
                break
            got.update(part)
            total += len(part)
        thread.join()
        same("bytes", BULK, total)
        same("sum", want.hexdigest(), got.hexdigest())


def bulk():
    """64 MiB each way in pieces of all sizes keep their SHA-256"""
    for version in VERSIONS:
        for up in (True, False):
            bulk_each(version, up)


def slow_client():
    """a client that does not read stops the upstream, and gets all of it later"""
    with Pair() as p:
        data = noise(24 * 1024 * 1024, 9)
        thread = threading.Thread(target=lambda: (p.upstream.sendall(data),
                                                  p.upstream.shutdown(socket.SHUT_WR)))
        before = memory(PID)
        thread.start()
        until_stalled(p.upstream)
        grown = memory(PID) - before
        if not os.environ.get("SANITIZERS") and not os.environ.get("POSTERN_WRAP"):
            same("kept for it at most 4 MiB", True, grown < 4 << 20)
        got, end = p.client.read_to_end()
        thread.join()
        same("data", (True, "close_notify"), (got == data, end))
        p.client.close_notify()
        same("end", b"", p.upstream.recv(1))


def half_close():
    """close_notify of the client is an end for the upstream, whose answer still comes"""
    for version in VERSIONS:
        with Pair(version=version) as p:
            p.client.write(b"question")
            p.client.close_notify()
            same("question", (b"question", "fin"), read_to_end(p.upstream))
            p.upstream.sendall(b"late answer")
            p.upstream.close()
            same("answer", (b"late answer", "close_notify"), p.client.read_to_end())
            p.client.sock.close()
            p.logged(reason="client_fin", truncated=None)


def half_close_other():
    """an end of the upstream is a close_notify, after which the client goes on sending"""
    for version in VERSIONS:
        with Pair(version=version) as p:
            p.upstream.sendall(b"enough")
            p.upstream.shutdown(socket.SHUT_WR)
            same("answer", (b"enough", "close_notify"), p.client.read_to_end())
            p.client.write(b"more")
            p.client.close_notify()
            same("more", (b"more", "fin"), read_to_end(p.upstream))
            p.logged(reason="upstream_fin", truncated=None)


def truncated():
    """a wire that ends without close_notify is no end for the upstream, but a reset"""
    for version in VERSIONS:
        with Pair(version=version) as p:
            p.exchange()
            p.client.write(b"part of a whole")
            same("part", b"part of a whole", read_exactly(p.upstream, 15))
            p.client.end_wire()
            same("end", (b"", "rst"), read_to_end(p.upstream))
            p.logged(reason="reset", side="client", truncated="true")


def upstream_reset():
    """a reset of the upstream is not a close_notify"""
    with Pair() as p:
        p.exchange()
        reset(p.upstream)
        data, end = p.client.read_to_end()
        same("end", (b"", True), (data, end in ("cut", "rst")))
        p.logged(reason="reset", side="upstream", truncated="true")


def resumed(context, session, name="echo.test"):
    with Pair(name=name, context=context, session=session) as p:
        p.exchange()
        answer = p.client.tls.session_reused
        new = p.client.tls.session
        p.client.close_notify()
        p.upstream.close()
        return answer, new


def resumption():
    """tickets are taken by every worker, and by the configuration after a reload"""
    for version in VERSIONS:
        context = client_context(CA, version=version)
        same("first", False, (first := resumed(context, None))[0])
        for _ in range(6):
            same("again", True, resumed(context, first[1])[0])
        reload()
        same("after a reload", True, resumed(context, first[1])[0])


def crossing():
    """a ticket of another edge, or of one whose policy changed, is worth nothing"""
    for version in VERSIONS:
        context = client_context(CA, version=version)
        _, session = resumed(context, None)
        same("other name of the edge", True, resumed(context, session, "echo3.test")[0])
        same("other edge", False, resumed(context, session, "echo2.test")[0])
        same("without tickets", False, resumed(context, session, "noticket.test")[0])
        _, session = resumed(context, None, "noticket.test")
        same("none given", False, resumed(context, session, "noticket.test")[0])


def reload():
    with open(LOG, encoding="utf-8") as f:
        before = f.read().count('msg="reload')
    os.kill(PID, signal.SIGHUP)

    def answered():
        with open(LOG, encoding="utf-8") as f:
            return f.read().count('msg="reload') > before
    wait_for("answer to a reload", answered)


def serial(client):
    return client.tls.getpeercert()["serialNumber"]


def new_certificate():
    """a reload picks up a new certificate; connections that are open do not notice"""
    with Pair() as old:
        old.exchange()
        before = serial(old.client)
        for kind in ("pem", "key"):
            shutil.copy("%s/next.%s" % (CERTS, kind), "%s/live.tmp" % CERTS)
            os.chmod("%s/live.tmp" % CERTS, 0o600)
            os.rename("%s/live.tmp" % CERTS, "%s/live.%s" % (CERTS, kind))
        reload()
        with Pair() as new:
            new.exchange()
            same("another certificate", True, serial(new.client) != before)
        old.exchange()
        old.client.close_notify()
        same("end", (b"", "fin"), read_to_end(old.upstream))


def aborts():
    """clients that vanish anywhere in the handshake cost no upstream connection"""
    for version in VERSIONS:
        for n in list(range(1, 400, 23)) + [600, 700]:
            def shape(data, sock, n=n):
                sock.sendall(data[:n])
                raise ConnectionAbortedError
            try:
                Client(PORT, "echo.test", client_context(CA, version=version), shape=shape)
            except ConnectionAbortedError:
                pass
    UPSTREAM.settimeout(0.2)
    try:
        UPSTREAM.accept()
        raise AssertionError("an upstream was dialled")
    except socket.timeout:
        pass
    UPSTREAM.settimeout(20)
    with Pair() as p:
        p.exchange()


def garbage():
    """rubbish after the handshake is refused; the alert arrives"""
    with Pair(version="1.3") as p:
        p.exchange()
        p.client.sock.sendall(bytes([23, 3, 3, 0, 40]) + bytes(40))
        try:
            p.client.read()
            raise AssertionError("accepted")
        except ssl.SSLError as e:
            same("alert", True, "bad record mac" in str(e).lower().replace("_", " "))
        same("upstream", "rst", read_to_end(p.upstream)[1])


def pieces():
    """records that come byte by byte, and many in one segment"""
    with Pair() as p:
        def trickle(data, sock):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                sock.sendall(data[i:i + 1])
        p.client.shape = trickle
        p.client.write(b"slowly")
        same("slowly", b"slowly", read_exactly(p.upstream, 6))
        held = []
        p.client.shape = lambda data, sock: held.append(data)
        for _ in range(2000):
            p.client.write(b"x" * 11)
        p.client.close_notify()
        p.client.sock.sendall(b"".join(held))
        same("all", (2000 * 11, "fin"), (lambda r: (len(r[0]), r[1]))(read_to_end(p.upstream)))


sys.exit(run(fragmented, more_in_record, many_suites, pieces, half_close, half_close_other, truncated,
             upstream_reset, garbage, aborts, resumption, crossing, new_certificate, slow_client,
             bulk))
