# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients and upstreams of the soak test, each in processes of their own.

Every connection asks for a name that no other one has; by it its event is found. What became of it
is a line of JSON in a file of its process.
"""
import json
import multiprocessing
import os
import random
import socket
import ssl
import threading
import time

from hello_peers import DEADLINE, hello, noise, records
from relay_peers import listen, reset

BODY = noise(200000, 11)


# --- upstreams ----------------------------------------------------------------------------------


class Echo:
    """Sends back what it gets, in a process; its counts are shared."""

    def __init__(self, port, certificate=None):
        self.received = multiprocessing.Value("Q", 0)
        self.sent = multiprocessing.Value("Q", 0)
        self.port, self.certificate = port, certificate
        self.process = None

    def start(self):
        ready = multiprocessing.Event()
        self.process = multiprocessing.Process(target=self.run, args=(ready,), daemon=True)
        self.process.start()
        ready.wait(DEADLINE)

    def kill(self):
        self.process.kill()
        self.process.join()

    def run(self, ready):
        context = None
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate + ".pem", self.certificate + ".key")
        server = listen(self.port, 1024)
        server.settimeout(None)
        ready.set()
        while True:
            sock, _ = server.accept()
            sock.settimeout(DEADLINE * 3)
            threading.Thread(target=self.serve, args=(sock, context), daemon=True).start()

    def serve(self, sock, context):
        received = sent = 0
        try:
            if context:
                sock = context.wrap_socket(sock, server_side=True)
            while True:
                data = sock.recv(65536)
                if not data:
                    break
                received += len(data)
                sock.sendall(data)
                sent += len(data)
            if context:
                sock.unwrap().close()
        except OSError:
            pass
        sock.close()
        with self.received.get_lock():
            self.received.value += received
        with self.sent.get_lock():
            self.sent.value += sent


# --- clients ------------------------------------------------------------------------------------


class Wire:
    """A socket, or TLS over one, that counts what goes over the wire."""

    def __init__(self, port, name, context=None):
        self.name, self.sent, self.got = name, 0, 0
        self.sock = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self.tls = None
        if context:
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def push(self, data):
        self.sock.sendall(data)
        self.sent += len(data)

    def pull(self, n=65536):
        data = self.sock.recv(n)
        self.got += len(data)
        return data

    def step(self, call, *args):
        while True:
            try:
                value = call(*args)
                self.push(self.outgoing.read())
                return value
            except ssl.SSLWantReadError:
                self.push(self.outgoing.read())
                data = self.pull()
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()

    def begin(self):
        if self.tls:
            self.step(self.tls.do_handshake)
            return b""
        first = records(hello(self.name.encode()))
        self.push(first)
        return first

    def write(self, data):
        if self.tls:
            self.step(self.tls.write, data)
        else:
            self.push(data)

    def read(self, n=65536):
        return self.step(self.tls.read, n) if self.tls else self.pull(n)

    def echoed(self, want, pause=0.0, piece=65536):
        at = 0
        while at < len(want):
            data = self.read(piece)
            if not data or want[at:at + len(data)] != data:
                raise EOFError("wrong after %d of %d bytes" % (at, len(want)))
            at += len(data)
            if pause:
                time.sleep(pause)

    def end(self):
        """Both ends over, all bytes counted."""
        if self.tls:
            self.outgoing.write(b"")
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass
            self.push(self.outgoing.read())
        self.sock.shutdown(socket.SHUT_WR)
        try:
            while self.pull():
                pass
        except ConnectionResetError:
            raise EOFError("a reset at the end") from None


def whole(w, rng):
    first = w.begin()
    body = BODY[:rng.choice((1, 700, 20000, 150000))]
    w.write(body)
    w.echoed(first + body)
    w.end()


def slow(w, rng):
    w.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    first = w.begin()
    for _ in range(rng.randrange(2, 6)):
        w.write(BODY[:30000])
        w.echoed(first + BODY[:30000], 0.01, 4096)
        first = b""
        time.sleep(rng.random() / 2)
    w.end()


def half(w, rng):
    """The end of the one direction first; a TLS client says so with close_notify."""
    first = w.begin()
    body = BODY[:rng.randrange(1, 60000)]
    w.write(body)
    if not w.tls:
        w.sock.shutdown(socket.SHUT_WR)
        w.echoed(first + body)
        while w.pull():
            pass
    else:
        w.echoed(body)
        w.end()


def rude(w, rng):
    """A reset somewhere."""
    if rng.random() < 0.3:
        time.sleep(rng.random() / 20)
    else:
        w.begin()
        w.write(BODY[:rng.randrange(1, 100000)])
        if rng.random() < 0.5:
            w.read(4096)
    reset(w.sock)


def mute(w, rng):
    """Part of a hello, and an end."""
    first = records(hello(w.name.encode()))
    w.push(first[:rng.randrange(0, len(first) - 1)])
    time.sleep(rng.random() / 10)
    w.sock.close()


def page(w, _rng):
    """From nginx, while it lives."""
    w.begin()
    w.write(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % w.name.encode())
    data = b""
    while True:
        part = w.read()
        if not part:
            break
        data += part
    if not data.startswith(b"HTTP/1.1 200") or not data.endswith(b"\n"):
        raise EOFError("half a page")
    w.end()


# (what, edge, does it end TLS, share, must it get its reply)
KINDS = (
    (whole, "pass", False, 6, True), (whole, "term", True, 4, True), (whole, "mutual", True, 3, True),
    (whole, "again", True, 3, True), (slow, "pass", False, 1, True), (slow, "term", True, 1, True),
    (half, "pass", False, 3, True), (half, "again", True, 1, True), (rude, "rude", False, 3, False),
    (rude, "gone", True, 2, False), (mute, "pass", False, 2, False), (page, "nginx", True, 2, False),
    (whole, "flap", False, 2, False),
)


class Clients:
    """Threads in a process, until stop()."""

    def __init__(self, number, threads, port, certs, folder):
        self.number, self.port, self.certs = number, port, certs
        self.path = os.path.join(folder, "clients.%d" % number)
        self.stopped = multiprocessing.Event()
        self.process = multiprocessing.Process(target=self.run, args=(threads,))
        self.process.start()

    def stop(self):
        self.stopped.set()
        self.process.join(DEADLINE * 4)

    def results(self):
        with open(self.path, encoding="ascii") as f:
            return [json.loads(line) for line in f]

    def run(self, threads):
        self.lock = threading.Lock()
        self.plain = ssl.create_default_context(cafile=self.certs + "/ca.pem")
        self.known = ssl.create_default_context(cafile=self.certs + "/ca.pem")
        self.known.load_cert_chain(self.certs + "/client.pem", self.certs + "/client.key")
        with open(self.path, "w", encoding="ascii") as self.out:
            all_of_them = [threading.Thread(target=self.loop, args=(i,)) for i in range(threads)]
            for t in all_of_them:
                t.start()
            for t in all_of_them:
                t.join()

    def loop(self, thread):
        rng = random.Random(self.number * 1000 + thread)
        weights = [k[3] for k in KINDS]
        n = 0
        while not self.stopped.is_set():
            n += 1
            kind = rng.choices(KINDS, weights)[0]
            name = "c%d-%d-%d.%s.test" % (self.number, thread, n, kind[1])
            self.one(kind, name, rng)
            time.sleep(rng.random() / 50)

    def one(self, kind, name, rng):
        do, edge, ends_tls, _, must = kind
        context = None if not ends_tls else self.known if edge == "mutual" else self.plain
        row = {"name": name, "kind": do.__name__, "edge": edge, "must": must, "ok": True}
        w = None
        try:
            w = Wire(self.port, name, context)
            do(w, rng)
        except (OSError, EOFError) as e:
            row.update(ok=False, why="%s: %s" % (type(e).__name__, e), at=time.time())
        row.update(made=w is not None, sent=w.sent if w else 0, got=w.got if w else 0)
        if w:
            w.sock.close()
        with self.lock:
            self.out.write(json.dumps(row) + "\n")
