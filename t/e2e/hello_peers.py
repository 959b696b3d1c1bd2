# SPDX-License-Identifier: GPL-2.0-or-later
"""ClientHellos, clients, upstreams and a table of results for the tests of routing by name.

The ClientHellos are built here, not by code the daemon shares: a second opinion about the format.
"""
import itertools
import os
import random
import re
import socket
import struct
import sys
import termios
import threading
import time
from array import array
from fcntl import ioctl

# Seconds that any single wait may take; a right answer never takes that long.
DEADLINE = float(os.environ.get("DEADLINE", "20"))

RECORD_MAX = 16384


def noise(n, seed=1):
    """n bytes, the same ones for the same seed."""
    return random.Random(seed).getrandbits(8 * n).to_bytes(n, "big") if n else b""


# --- ClientHellos ---------------------------------------------------------------------------------


def vector(width, body):
    return len(body).to_bytes(width, "big") + body


def extension(kind, body):
    return struct.pack("!H", kind) + vector(2, body)


def server_name(*names, kind=0):
    """The server_name extension, RFC 6066 section 3."""
    return extension(0, vector(2, b"".join(bytes([kind]) + vector(2, n) for n in names)))


def alpn_list(*protocols):
    return extension(16, vector(2, b"".join(vector(1, p) for p in protocols)))


SUITES = (0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F)


def hello(name=b"a.test", alpn=(), size=0, sni=None, extra=b"", suites=SUITES):
    """A ClientHello message. sni: that extension as bytes instead; size: of the whole message."""
    body = b"\x03\x03" + noise(32, 7) + vector(1, noise(32, 8))
    body += vector(2, b"".join(struct.pack("!H", s) for s in suites))
    body += vector(1, b"\0")
    ext = extension(43, vector(1, struct.pack("!HH", 0x0304, 0x0303)))
    ext += extension(10, vector(2, struct.pack("!HH", 0x001D, 0x0017)))
    ext += extension(13, vector(2, struct.pack("!3H", 0x0403, 0x0804, 0x0401)))
    ext += extension(51, vector(2, struct.pack("!H", 0x001D) + vector(2, noise(32, 9))))
    ext += alpn_list(*alpn) if alpn else b""
    ext += extra
    if sni is None:
        sni = b"" if name is None else server_name(name)
    if size:
        filler = size - (4 + len(body) + 2 + len(ext) + len(sni) + 4)
        assert filler >= 0, "the hello is larger than %d" % size
        # Before the name: only a parser that reads everything finds it.
        ext += extension(0xFE00, noise(filler, 10))
    message = b"\x01" + vector(3, body + vector(2, ext + sni))
    assert not size or len(message) == size
    return message


def record(body, kind=22, version=0x0301):
    return struct.pack("!BH", kind, version) + vector(2, body)


def records(message, each=RECORD_MAX, first=0):
    """The message in records of `each` bytes, the first one of `first` bytes."""
    out = record(message[:first]) if first else b""
    for at in range(first, len(message), each):
        out += record(message[at : at + each])
    return out


# --- upstreams ------------------------------------------------------------------------------------


class Upstream:
    """A server that answers its first bytes with a line and records all it gets until the end.

    The line is "<marker> <number of the connection>"; "end" follows after the client's end.
    manner: "plain"; "late" gives its only line 0.7 s after the client's end; "early" ends its own
    direction right after the line and goes on receiving.
    """

    LATE = 0.7

    def __init__(self, marker, address, manner="plain"):
        self.marker = marker
        self.manner = manner
        self.lock = threading.Lock()
        self.got = []
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(address)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.sock = socket.socket(family)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind(address)
        self.sock.listen(1024)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.sock.accept()
            with self.lock:
                number = len(self.got)
                self.got.append([bytearray(), threading.Event()])
            threading.Thread(target=self.serve, args=(sock, number), daemon=True).start()

    def serve(self, sock, number):
        data, done = self.got[number]
        line = ("%s %d\n" % (self.marker, number)).encode()
        told = self.manner == "late"
        try:
            while True:
                part = sock.recv(65536)
                data += part
                if not part:
                    break
                if not told:
                    sock.sendall(line)
                    told = True
                    if self.manner == "early":
                        sock.shutdown(socket.SHUT_WR)
            if self.manner == "late":
                time.sleep(self.LATE)
                sock.sendall(line)
            elif self.manner == "plain":
                sock.sendall(b"end\n")
        except OSError as e:
            data += ("<%s>" % e).encode()
        finally:
            done.set()
            sock.close()

    def received(self, number):
        """All that connection `number` brought; waits for its end."""
        data, done = self.got[number]
        if not done.wait(DEADLINE):
            return bytes(data) + b"<no end>"
        return bytes(data)

    def count(self):
        with self.lock:
            return len(self.got)


# --- real segments --------------------------------------------------------------------------------


class Segments:
    """Sends in TCP segments of which each is read by the daemon before the next is sent.

    The kernel is asked (sock_diag(7)) what the socket at the other end has received and how much
    of it lies unread. Without that, waiting for the acknowledgement must do.
    """

    def __init__(self, sock):
        self.sock = sock
        self.sent = 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        (local, lport), (peer, pport) = sock.getsockname()[:2], sock.getpeername()[:2]
        body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 1 << 1, 0, 0xFFFFFFFF)
        body += struct.pack("!HH", pport, lport)
        body += socket.inet_aton(peer) + bytes(12) + socket.inet_aton(local) + bytes(12)
        body += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        self.request = struct.pack("=IHHII", 16 + len(body), 20, 1, 1, 0) + body
        try:
            self.diag = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)
            self.diag.settimeout(DEADLINE)
        except OSError:
            self.diag = None

    def peer_state(self):
        """(bytes received, bytes of them unread) of the other end; None when it cannot be told."""
        self.diag.send(self.request)
        answer = self.diag.recv(65536)
        if struct.unpack_from("=IH", answer)[1] != 20:
            return None
        unread = struct.unpack_from("=I", answer, 16 + 56)[0]
        at = 16 + 72
        while at + 4 <= len(answer):
            n, kind = struct.unpack_from("=HH", answer, at)
            if kind == 2 and n >= 4 + 136:  # INET_DIAG_INFO: tcpi_bytes_received
                return struct.unpack_from("=Q", answer, at + 4 + 128)[0], unread
            at += (max(n, 4) + 3) & ~3
        return None

    def arrived(self):
        state = self.peer_state() if self.diag else None
        if state is not None:
            return state[0] >= self.sent and state[1] == 0
        left = array("i", [0])
        ioctl(self.sock, termios.TIOCOUTQ, left)
        return left[0] == 0

    def send(self, part):
        self.sock.sendall(part)
        self.sent += len(part)
        end = time.monotonic() + DEADLINE
        while not self.arrived():
            if self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise ConnectionResetError("reset")
            if time.monotonic() > end:
                raise TimeoutError("nobody reads the segment")

    def close(self):
        if self.diag:
            self.diag.close()


# --- the client -----------------------------------------------------------------------------------

# Every connection comes from an address of its own, by which its line in the log is found.
_sources = itertools.count(1)


def connect(port, host="127.0.0.1"):
    if isinstance(port, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(DEADLINE)
        sock.connect(port)
        return sock
    source = None
    if host.startswith("127."):
        n = next(_sources)
        source = ("127.77.%d.%d" % (n // 250, n % 250 + 1), 0)
    return socket.create_connection((host, port), DEADLINE, source)


def read_answer(sock):
    """What came, as a word: the upstream's line, "alert N", "closed", "reset", "silence"."""
    data = b""
    end = "closed"
    try:
        while b"\n" not in data or data[0] == 21:
            part = sock.recv(65536)
            if not part:
                break
            data += part
    except ConnectionResetError:
        end = "reset"
    except socket.timeout:
        end = "silence"
    if not data:
        return end
    if data[0] == 21 and len(data) == 7 and data[:6] == b"\x15\x03\x03\x00\x02\x02":
        return "alert %d%s" % (data[6], "" if end == "closed" else ", then " + end)
    if data.endswith(b"\n") and end == "closed":
        return data[:-1].decode("latin-1")
    return "%r, then %s" % (data, end)


def send_whole(sock, hello_bytes, behind):
    sock.sendall(hello_bytes + behind)


def send_parts(*offsets):
    """Two or more real segments; what follows the hello is in the last one."""

    def send(sock, hello_bytes, behind):
        seg = Segments(sock)
        at = 0
        for o in offsets:
            seg.send(hello_bytes[at:o])
            at = o
        sock.sendall(hello_bytes[at:] + behind)
        seg.close()

    return send


def send_bytes(sock, hello_bytes, behind):
    """Every byte of the hello is a real segment."""
    send_parts(*range(1, len(hello_bytes)))(sock, hello_bytes, behind)


class Client:
    """Asks the daemon on one port and judges the answer. upstreams: by their marker."""

    def __init__(self, port, upstreams, host="127.0.0.1"):
        self.port = port
        self.host = host
        self.upstreams = {u.marker: u for u in upstreams}

    def ask(self, wire, behind=noise(3000, 2), after=noise(5000, 3), send=send_whole):
        """One connection. Answers the marker of the upstream that got everything verbatim, or what
        happened instead."""
        return self.ask_from(wire, behind, after, send)[0]

    def ask_from(self, wire, behind=b"", after=b"", send=send_whole):
        """The same, and the address the client had."""
        before = sum(u.count() for u in self.upstreams.values())
        try:
            sock = connect(self.port, self.host)
        except OSError as e:
            return "cannot connect: %s" % e, None
        with sock:
            source = sock.getsockname()
            failed = ""
            try:
                send(sock, wire, behind)
            except OSError as e:
                failed = ", cannot send: %s" % e
            answer = read_answer(sock) + failed
            upstream = self.upstreams.get(answer.split(" ")[0])
            if upstream is None or failed:
                if sum(u.count() for u in self.upstreams.values()) != before:
                    answer += ", but an upstream was asked"
                return answer, source
            sock.sendall(after)
            sock.shutdown(socket.SHUT_WR)
            rest = read_answer(sock)
        if rest != ("closed" if upstream.manner == "early" else "end"):
            return "%s, whose end is %s" % (upstream.marker, rest), source
        return self.verbatim(upstream, answer, wire + behind + after), source

    @staticmethod
    def verbatim(upstream, answer, want):
        got = upstream.received(int(answer.split(" ")[1]))
        if got == want:
            return upstream.marker
        same = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), None)
        return "%s, which got %d bytes instead of %d%s" % (
            upstream.marker,
            len(got),
            len(want),
            "" if same is None else ", different from byte %d on" % same,
        )


# --- the log --------------------------------------------------------------------------------------


def log_fields(line):
    """key=value and key="va lue" of a line of the daemon's log."""
    found = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line)
    return {key: quoted or plain for key, quoted, plain in found}


def log_line(path, source, msg="connection closed"):
    """The fields of the line about the connection from there; waits for it."""
    if source is None:
        return {}
    client = "client=%s:%d " % source
    end = time.monotonic() + DEADLINE
    while True:
        with open(path, encoding="utf-8") as f:
            for line in f:
                if client in line and 'msg="%s"' % msg in line and line.endswith("\n"):
                    return log_fields(line.rstrip("\n"))
        if time.monotonic() > end:
            return {}
        time.sleep(0.01)


# --- results --------------------------------------------------------------------------------------


class Table:
    """Rows of what was tried, what is right, and what came."""

    def __init__(self):
        self.rows = []
        self.lock = threading.Lock()

    def row(self, name, want, got):
        with self.lock:
            self.rows.append((name, want, got))

    def all_same(self, name, want, answers):
        """One row for many attempts: the first wrong one is shown. answers: (what, answer)."""
        n = 0
        for what, got in answers:
            n += 1
            if got != want:
                self.row(name, want, "%s (%s)" % (got, what))
                return
        self.row(name, want, want if n else "nothing was tried")

    def log_row(self, name, path, source, want, msg="connection closed"):
        """Fields of a line in the log; None: the field must not be there."""
        fields = log_line(path, source, msg)
        got = {k: fields.get(k) for k in want}
        self.row(name + ", log", want, got if fields else "no such line")

    def finish(self):
        wrong = [r for r in self.rows if r[1] != r[2]]
        if not wrong and self.rows:
            print("%d rows, all right" % len(self.rows))
            return 0
        width = max(len(r[0]) for r in self.rows) if self.rows else 0
        for name, want, got in self.rows:
            mark = "      " if want == got else "WRONG "
            print("%s%-*s  want %s, got %s" % (mark, width, name, want, got))
        print("%d of %d rows are wrong" % (len(wrong), len(self.rows)), file=sys.stderr)
        return 1
