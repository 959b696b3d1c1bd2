# SPDX-License-Identifier: GPL-2.0-or-later
"""Much data through each kind of edge: arguments are the daemon's port and log, the folder with the
certificates, the ports of the plain and of the TLS upstream, bytes for each direction, then the
edges, "name:plain" or "name:tls" by what their upstream is."""
import hashlib
import random
import select
import socket
import ssl
import sys
import threading
import time

from hello_peers import DEADLINE, log_line, noise
from relay_peers import listen, run, same
from tls_peers import Client, Server, client_context, server_context

PORT, LOG, CERTS = int(sys.argv[1]), sys.argv[2], sys.argv[3]
LISTENERS = {"plain": listen(int(sys.argv[4])), "tls": listen(int(sys.argv[5]))}
BULK = int(sys.argv[6])
EDGES = [word.split(":") for word in sys.argv[7:]]

CONTEXT = server_context(CERTS + "/bulk")
BLOCK = noise(1 << 20, 69)
# Of what is written at once, so that records have all lengths; of segments; of reads.
WRITES = (1, 7, 100, 1000, 1400, 4096, 16383, 16384, 16384, 16385, 60000, 200000)
SEGMENTS = (1, 5, 100, 1460, 9000, 65536, 262144)
READS = (1, 100, 1460, 16384, 65536, 262144)


class End:
    """One end of a connection, sending and receiving at the same time. late: it begins to send when
    it has received everything. slow: it reads little, and late, again and again."""

    def __init__(self, sock, client, seed, late, slow):
        self.sock, self.late, self.slow = sock, late, slow
        self.tls = client.tls if client else None
        self.incoming = client.incoming if client else None
        self.outgoing = client.outgoing if client else None
        self.dice = random.Random(seed)
        self.left, self.ended, self.over = BULK, False, False
        self.wire = memoryview(b"")
        self.sent, self.got = hashlib.sha256(), hashlib.sha256()
        self.received, self.reads = 0, 0
        self.error = None
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.take()

    def some(self, sizes):
        return self.dice.randint(1, self.dice.choice(sizes))

    # --- sending

    def produce(self):
        """The next bytes for the wire; then the end."""
        n = min(self.some(WRITES), self.left)
        if n > 0:
            at = self.dice.randrange(len(BLOCK) - n)
            part = BLOCK[at:at + n]
            self.left -= n
            self.sent.update(part)
            if self.tls:
                same("written", n, self.tls.write(part))
        elif self.tls:
            try:
                self.tls.unwrap()
            except ssl.SSLWantReadError:
                pass
        self.ended = n == 0
        self.wire = memoryview(self.outgoing.read() if self.tls else part if n else b"")

    def push(self):
        if not self.wire and not self.ended:
            self.produce()
        if self.wire:
            n = self.sock.send(self.wire[:self.some(SEGMENTS)])
            self.wire = self.wire[n:]
        if self.ended and not self.wire:
            self.sock.shutdown(socket.SHUT_WR)

    def sending(self):
        return bool(self.wire) or not self.ended and (not self.late or self.over)

    # --- receiving

    def pull(self):
        self.reads += 1
        if self.slow and self.reads % 512 < 16:
            time.sleep(0.001)
            data = self.sock.recv(self.some(READS[:4]))
        else:
            data = self.sock.recv(self.some(READS))
        if self.tls is None:
            self.note(data)
        elif data:
            self.incoming.write(data)
            self.take()
        elif not self.over:
            raise EOFError("the wire ends without close_notify after %d bytes" % self.received)

    def take(self):
        """All that has been decrypted."""
        try:
            while not self.over:
                self.note(self.tls.read(262144))
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.note(b"")

    def note(self, data):
        self.got.update(data)
        self.received += len(data)
        self.over = not data

    # --- both

    def work(self):
        poll = select.poll()
        while not (self.over and self.ended and not self.wire):
            mask = (0 if self.over else select.POLLIN) | (select.POLLOUT if self.sending() else 0)
            poll.register(self.sock, mask)
            ready = poll.poll(DEADLINE * 1000)
            if not ready:
                raise TimeoutError("nothing moves after %d bytes" % self.received)
            if ready[0][1] & ~select.POLLOUT:
                self.pull()
            if ready[0][1] & select.POLLOUT:
                self.push()

    def run(self):
        try:
            self.work()
        except (OSError, EOFError, AssertionError) as e:
            self.error = "%s: %s" % (type(e).__name__, e)
            self.sock.close()


def transfer(name, upstream, version, late, slow):
    context = client_context(CERTS + "/ca.pem", version=version)
    context.load_cert_chain(CERTS + "/client.pem", CERTS + "/client.key")
    accepted = []

    def accept():
        sock, _ = LISTENERS[upstream].accept()
        sock.settimeout(DEADLINE)
        accepted.append((sock, Server(sock, CONTEXT) if upstream == "tls" else None))

    thread = threading.Thread(target=accept)
    thread.start()
    client = Client(PORT, name + ".test", context)
    thread.join()
    same("version", "TLSv" + version, client.tls.version())
    ends = (End(client.sock, client, 1, late == "client", slow == "client"),
            End(*accepted[0], 2, late == "upstream", slow == "upstream"))
    threads = [threading.Thread(target=end.run) for end in ends]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same("errors", [None, None], [end.error for end in ends])
    for one, other in (ends, ends[::-1]):
        same("bytes", BULK, one.received)
        same("sum", other.sent.hexdigest(), one.got.hexdigest())
    for end in ends:
        end.sock.close()
    fields = log_line(LOG, client.source)
    same("truncated", None, fields.get("truncated"))
    same("reason", True, fields.get("reason") in ("client_fin", "upstream_fin"))


def edge_test(name, upstream):
    # The client first, and the upstream's bytes when that is over; the other way round; at once.
    manners = (("upstream", "", "1.3"), ("client", "", "1.2"),
               ("", "client", "1.2"), ("", "upstream", "1.3"))

    def test():
        start = time.monotonic()
        for late, slow, version in manners:
            transfer(name, upstream, version, late, slow)
        seconds = time.monotonic() - start
        total = len(manners) * 2 * BULK >> 20
        return "%d MiB in %.1f s, %.0f MiB/s" % (total, seconds, total / seconds)

    test.__doc__ = "%s: %d MiB each way" % (name, BULK >> 20)
    return test


sys.exit(run(*(edge_test(*e) for e in EDGES)))
