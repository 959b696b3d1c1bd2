# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of 63-proxy-protocol.sh."""
import itertools
import socket
import ssl
import sys
import time

import tls_peers
from hello_peers import (
    Segments,
    Table,
    Upstream,
    connect,
    hello,
    noise,
    read_answer,
    records,
)
from proxy_peers import (
    ALPN,
    AUTHORITY,
    CRC32C,
    NETNS,
    NOOP,
    SSL,
    UNIQUE_ID,
    header,
    line,
    read_header,
    tlv,
)

LOG, CERTS, UNIX_IN, UNIX_OUT = sys.argv[1:5]
TAKES, SPOOFED, HASTY, DUAL, PLAIN, A, H = (int(p) for p in sys.argv[5:])

BEHIND = noise(2000, 2)
DST = ("203.0.113.1", 443)
_ports = itertools.count(10000)


class FirstWrite(Upstream):
    """Keeps what the first read brings, too."""

    def __init__(self, *args):
        self.first = {}
        super().__init__(*args)

    def serve(self, sock, number):
        self.first[number] = sock.recv(65536, socket.MSG_PEEK)
        super().serve(sock, number)


a = Upstream("a", ("127.0.0.1", A))
h = FirstWrite("h", ("127.0.0.1", H))
u = FirstWrite("u", UNIX_OUT)
table = Table()


def client(ip="198.51.100.7"):
    """A client's address of its own, by which its line in the log is found."""
    return (ip, next(_ports))


def exchange(sock, wire, upstreams=(a, h, u), send=None):
    """(word of the answer, what the upstream got). Only the wire's first bytes may be cut."""
    with sock:
        try:
            if send:
                send(sock, wire)
            else:
                sock.sendall(wire)
            answer = read_answer(sock)
            if answer[1:2] == " ":
                sock.shutdown(socket.SHUT_WR)
                read_answer(sock)
        except OSError as e:
            return str(e), None
    for up in upstreams:
        if answer.startswith(up.marker + " "):
            return up.marker, up.received(int(answer.split(" ")[1]))
    return answer, None


def ask(port, head, name=b"a.test", send=None, host="127.0.0.1"):
    return exchange(connect(port, host), head + records(hello(name)) + BEHIND, send=send)


def by_bytes(n):
    """The first n bytes one by one, each read before the next."""

    def send(sock, wire):
        seg = Segments(sock)
        for i in range(n):
            seg.send(wire[i:i + 1])
        sock.sendall(wire[n:])
        seg.close()

    return send


def cut_at(*offsets):
    def send(sock, wire):
        seg = Segments(sock)
        at = 0
        for o in offsets:
            seg.send(wire[at:o])
            at = o
        sock.sendall(wire[at:])
        seg.close()

    return send


# --- a listener takes headers ---------------------------------------------------------------------


def taken():
    tlvs = tlv(AUTHORITY, b"a.test") + tlv(NOOP, bytes(40)) + tlv(0xEE, b"x" * 300)
    for name, make in (
        ("v1", lambda c: line(c, DST)),
        ("v2", lambda c: header(c, DST)),
        ("v2 with TLVs", lambda c: header(c, DST, tlvs)),
        ("v2 with checksum", lambda c: header(c, DST, tlvs, checksum=True)),
        ("v2 of 4112 bytes", lambda c: header(c, DST, tlv(NOOP, bytes(4096 - 12 - 3)))),
    ):
        c = client()
        head = make(c)
        table.row(name, ("a", records(hello()) + BEHIND), ask(TAKES, head))
        table.log_row(name, LOG, c, {"edge": "a", "reason": "client_fin"})
        c = client()
        table.row(name + ", by bytes", ("a", records(hello()) + BEHIND),
                  ask(TAKES, make(c), send=by_bytes(min(len(head) + 10, 400))))
        table.log_row(name + ", by bytes", LOG, c, {"edge": "a"})
    for cut in (1, 11, 12, 13, 16, 17, 27, 28, 29, 33):
        c = client()
        table.row("cut at %d" % cut, ("a", records(hello()) + BEHIND),
                  ask(TAKES, header(c, DST), send=cut_at(cut, cut + 40)))
        table.log_row("cut at %d" % cut, LOG, c, {"edge": "a"})
    for make in (line, header):
        c = ("2001:db8::7", next(_ports))
        table.row("IPv6", "a", ask(TAKES, make(c, ("2001:db8::1", 443)))[0])
        table.log_row("IPv6", LOG, ("[%s]" % c[0], c[1]), {"edge": "a"})
        c = client()
        table.row("mapped", "a",
                  ask(TAKES, make(("::ffff:" + c[0], c[1]), ("::ffff:1.2.3.4", 443)))[0])
        table.log_row("mapped", LOG, c, {"edge": "a"})
    c = client()
    table.row("mapped peer", "a", ask(DUAL, line(c))[0])
    table.log_row("mapped peer", LOG, c, {"edge": "a", "listener": "dual"})
    c = client()
    table.row("unix peer", "a", ask(UNIX_IN, header(c))[0])
    table.log_row("unix peer", LOG, c, {"edge": "a", "listener": "unix"})


def without_address():
    for name, head in (
        ("UNKNOWN", b"PROXY UNKNOWN\r\n"),
        ("UNKNOWN with text", b"PROXY UNKNOWN 198.51.100.66 1 2 3\r\n"),
        ("LOCAL", header(command=0x20)),
        ("LOCAL with an address", header(client("198.51.100.66"), command=0x20)),
        ("LOCAL with junk", header(command=0x20, family=0xFF, body=b"\xff" * 77)),
        ("UNSPEC", header()),
        ("UNSPEC with TLVs", header(tlvs=tlv(UNIQUE_ID, b"x"), checksum=True)),
        ("datagrams", header(client("198.51.100.66"), family=0x12)),
    ):
        sock = connect(TAKES)
        peer = sock.getsockname()
        table.row(name, "a", exchange(sock, head + records(hello()))[0])
        table.log_row(name, LOG, peer, {"edge": "a"})
    table.row("client of a unix socket", "closed", ask(TAKES, header(body=bytes(216)))[0])


BAD = "proxy-bad-header"
MISSING = "proxy-missing"
SRC = ("198.51.100.7", 1)


def refused():
    """Each is refused by its first wrong byte: what would make it whole never comes."""
    for name, head, code in (
        ("no header", records(hello()), MISSING),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n", MISSING),
        ("almost v1", b"PROXYTCP4", MISSING),
        ("lower case", b"proxy TCP4", MISSING),
        ("almost v2", b"\r\n\r\n\0\r\nQUIT\r", MISSING),
        ("LF alone", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", BAD),
        ("CR alone", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx", BAD),
        ("leading zero", b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", BAD),
        ("leading zero in the address", b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", BAD),
        ("plus", b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", BAD),
        ("port 65536", b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", BAD),
        ("two spaces", b"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", BAD),
        ("a word too many", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", BAD),
        ("a word too few", b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", BAD),
        ("IPv6 as TCP4", b"PROXY TCP4 ::1 ::1 1 2\r\n", BAD),
        ("IPv4 as TCP6", b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", BAD),
        ("a zone", b"PROXY TCP6 fe80::1%lo ::1 1 2\r\n", BAD),
        ("NUL", b"PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n", BAD),
        ("UDP4", b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", BAD),
        ("107 bytes without an end", b"PROXY UNKNOWN ".ljust(107, b"x"), BAD),
        ("version 1 in binary", header(SRC, command=0x11)[:13], BAD),
        ("version 3", header(SRC, command=0x31)[:13], BAD),
        ("command 2", header(SRC, command=0x22)[:13], BAD),
        ("family 4", header(SRC, family=0x41)[:14], BAD),
        ("transport 3", header(SRC, family=0x13)[:14], BAD),
        ("4097 bytes", header(SRC)[:14] + b"\x10\x01", BAD),
        ("65535 bytes", header(SRC)[:14] + b"\xff\xff", BAD),
        ("too short for IPv4", header(body=bytes(11), family=0x11), BAD),
        ("too short for IPv6", header(body=bytes(35), family=0x21), BAD),
        ("too short for unix", header(body=bytes(215), family=0x31), BAD),
        ("TLV cut", header(SRC, tlvs=b"\x02\0"), BAD),
        ("TLV past the end", header(SRC, tlvs=b"\x02\0\x07a.test"), BAD),
        ("wrong checksum", header(SRC, tlvs=tlv(CRC32C, b"abcd")), BAD),
        ("checksum of 3 bytes", header(SRC, tlvs=tlv(CRC32C, b"abc")), BAD),
        ("two checksums", header(SRC, tlvs=tlv(CRC32C, bytes(4)), checksum=True), BAD),
        ("unique id of 129 bytes", header(SRC, tlvs=tlv(UNIQUE_ID, bytes(129))), BAD),
        ("authority of 256 bytes", header(SRC, tlvs=tlv(AUTHORITY, b"a" * 256)), BAD),
        ("SSL of 4 bytes", header(SRC, tlvs=tlv(SSL, bytes(4))), BAD),
        ("inside SSL past its end",
         header(SRC, tlvs=tlv(SSL, bytes(5) + b"\x21\0\x04") + tlv(NOOP, b"")), BAD),
    ):
        sock = connect(TAKES)
        peer = sock.getsockname()
        sock.sendall(head)
        with sock:
            table.row(name, "closed", read_answer(sock))
        table.log_row(name, LOG, peer, {"reason": "denied", "module": "proxy-protocol",
                                        "code": code, "stage": "on_preface", "edge": None})
    for name, head in (("v1 cut off", line(SRC)[:20]), ("v2 cut off", header(SRC)[:20])):
        sock = connect(TAKES)
        peer = sock.getsockname()
        sock.sendall(head)
        sock.shutdown(socket.SHUT_WR)
        with sock:
            table.row(name, "closed", read_answer(sock))
        table.log_row(name, LOG, peer, {"reason": "denied", "code": "proxy-truncated"})
    sock = connect(TAKES)
    peer = sock.getsockname()
    sock.shutdown(socket.SHUT_WR)
    with sock:
        table.row("looks if we live", "closed", read_answer(sock))
    table.log_row("looks if we live", LOG, peer, {"reason": "client_fin", "code": None})


def deadlines():
    """One deadline for header and hello; it is not begun anew."""
    c = client()
    for name, head, where in (
        ("silence", b"", "peer"),
        ("part of v1", line(c)[:-1], "peer"),
        ("part of v2", header(c)[:-1], "peer"),
        ("a header without hello", header(c), "client"),
    ):
        begin = time.monotonic()
        sock = connect(HASTY)
        source = sock.getsockname() if where == "peer" else c
        with sock:
            sock.sendall(head)
            table.row("slow: " + name, "closed", read_answer(sock))
        took = time.monotonic() - begin
        table.row("slow: %s, at the deadline" % name, True, took > 0.35)
        table.log_row("slow: " + name, LOG, source, {"reason": "hello_timeout", "edge": None})
    # A byte now and then does not help: were the deadline begun anew, all of them would go.
    sock = connect(HASTY)
    peer = sock.getsockname()
    head = b"PROXY UNKNOWN ".ljust(105, b"x")
    answer = "never closed"
    with sock:
        sock.settimeout(0.05)
        for i in range(len(head)):
            try:
                sock.sendall(head[i:i + 1])
                if sock.recv(1) == b"":
                    answer = "closed"
                    break
            except socket.timeout:
                pass
            except OSError:
                answer = "closed"
                break
    table.row("slow: drops", "closed", answer)
    table.log_row("slow: drops", LOG, peer, {"reason": "hello_timeout"})


# --- who is believed ------------------------------------------------------------------------------


def spoofed():
    """A header of somebody who is not named is no header: bytes that are not TLS."""
    for name, make in (("v1", line), ("v2", header)):
        for port in (SPOOFED, PLAIN):
            sock = connect(port)
            peer = sock.getsockname()
            c = client()
            table.row("spoofed " + name, "closed", exchange(sock, make(c) + records(hello()))[0])
            table.log_row("spoofed " + name, LOG, peer, {"reason": "not_tls", "edge": None})
            table.row("spoofed %s, no such client" % name, True,
                      "%s:%d" % c not in open(LOG, encoding="utf-8").read())
    # Whoever is not named goes on without a header.
    table.row("not named, no header", "a", ask(SPOOFED, b"")[0])
    # A header inside a header names nobody.
    sock = connect(TAKES)
    c, d = client(), client()
    table.row("two headers", "closed", exchange(sock, line(c) + line(d) + records(hello()))[0])
    table.log_row("two headers", LOG, c, {"reason": "not_tls"})


def rules():
    """ip-restrictions judges the client, not its peer."""
    for name, ip, edge, answer, fields in (
        ("listener denies", "198.51.100.66", b"a.test", "closed",
         {"reason": "denied", "module": "ip-restrictions", "edge": None, "code": "ip-denied"}),
        ("edge denies", "198.51.100.99", b"a.test", "closed",
         {"reason": "denied", "module": "ip-restrictions", "edge": "a", "code": "ip-denied"}),
        ("edge does not allow", "203.0.113.5", b"a.test", "closed",
         {"reason": "denied", "module": "ip-restrictions", "edge": "a", "code": "ip-not-allowed"}),
        ("both allow", "198.51.100.1", b"a.test", "a", {"edge": "a"}),
    ):
        for make in (line, header):
            c = client(ip)
            table.row(name, answer, ask(TAKES, make(c), edge)[0])
            table.log_row(name, LOG, c, fields)


# --- an edge sends headers ------------------------------------------------------------------------


def said(upstream, got, first=None):
    """What the header said; what follows it must be the client's."""
    if got is None:
        return "nothing"
    try:
        says, rest = read_header(got)
        if first is not None:
            read_header(first)
    except (ValueError, IndexError) as e:
        return str(e)
    want = records(hello(upstream)) + BEHIND
    if rest != want:
        return "other bytes behind it"
    # The header and the hello leave in one write.
    if first is not None and not first.endswith(want):
        return "the header alone in the first write"
    return says


def sent(name, edge, want, head=b"", port=None):
    before = {h: h.count(), u: u.count()}
    sock = connect(PLAIN if port is None else port)
    source, local = sock.getsockname(), sock.getpeername()
    word, got = exchange(sock, head + records(hello(edge)) + BEHIND)
    up = {"h": h, "u": u}.get(word)
    says = said(edge, got, up.first.get(before[up])) if up else word
    if isinstance(says, dict) and UNIQUE_ID in want and want[UNIQUE_ID] is True:
        says[UNIQUE_ID] = 0 < len(says.get(UNIQUE_ID, b"")) <= 128
    want = dict(want)
    if want.get("src") is None and "src" in want:
        want["src"], want["dst"] = source, local
    table.row(name, want, says if isinstance(says, dict) else (says, got))


def sends():
    here = {"src": None, "dst": None}
    sent("v1", b"v1.test", {"version": 1, "family": "TCP4", **here})
    sent("v2", b"v2.test", {"version": 2, "command": 0x21, "family": 0x11, **here})
    checksum = {CRC32C: None}
    full = {"version": 2, "command": 0x21, "family": 0x11, AUTHORITY: b"full.test",
            UNIQUE_ID: True, **here, **checksum}
    # The checksum's value is judged by read_header().
    for name, edge in (("all of passthrough", b"full.test"),):
        before = h.count()
        sock = connect(PLAIN)
        source, local = sock.getsockname(), sock.getpeername()
        _, got = exchange(sock, records(hello(edge)) + BEHIND)
        says = said(edge, got, h.first.get(before))
        if isinstance(says, dict):
            says[CRC32C] = None
            says[UNIQUE_ID] = 0 < len(says.get(UNIQUE_ID, b"")) <= 128
        full["src"], full["dst"] = source, local
        table.row(name, full, says)
    sent("to a unix socket", b"unix.test",
         {"version": 2, "command": 0x21, "family": 0x11, **here})
    # A client of a unix socket has no address to tell.
    sent("from a unix socket, v1", b"v1.test", {"version": 1, "family": "UNKNOWN"},
         header(command=0x20), UNIX_IN)
    sent("from a unix socket, v2", b"v2.test", {"version": 2, "command": 0x21, "family": 0},
         header(command=0x20), UNIX_IN)
    ids = set()
    for _ in range(20):
        _, got = exchange(connect(PLAIN), records(hello(b"full.test")) + BEHIND)
        ids.add(read_header(got)[0].get(UNIQUE_ID))
    table.row("unique ids", 20, len(ids))


def passed_on():
    """Addresses of a received header go on, its TLVs as the edge's list says."""
    c = client()
    both = {"src": c, "dst": DST}
    sent("v1 to v1", b"v1.test", {"version": 1, "family": "TCP4", **both}, line(c, DST), TAKES)
    sent("v1 to v2", b"v2.test", {"version": 2, "command": 0x21, "family": 0x11, **both},
         line(c, DST), TAKES)
    secret = tlv(0xEA, b"vpc-1") + tlv(0xEB, b"secret") + tlv(AUTHORITY, b"other.test")
    sent("TLVs stay here", b"v2.test", {"version": 2, "command": 0x21, "family": 0x11, **both},
         header(c, DST, secret + tlv(UNIQUE_ID, b"id1") + tlv(SSL, bytes(5))), TAKES)
    sent("listed TLVs go on", b"fwd.test",
         {"version": 2, "command": 0x21, "family": 0x11, 0xEA: b"vpc-1", UNIQUE_ID: b"id1",
          NETNS: b"ns", AUTHORITY: b"fwd.test", **both},
         header(c, DST, secret + tlv(UNIQUE_ID, b"id1") + tlv(NETNS, b"ns") + tlv(ALPN, b"h2"),
                checksum=True), TAKES)
    # Whoever is not named cannot bring any.
    sent("without a header", b"fwd.test",
         {"version": 2, "command": 0x21, "family": 0x11, UNIQUE_ID: True, "src": None,
          "dst": None, AUTHORITY: b"fwd.test"})
    c6 = ("2001:db8::7", 999)
    six = ("2001:db8::1", 443)
    sent("IPv6", b"v2.test", {"version": 2, "command": 0x21, "family": 0x21, "src": c6, "dst": six},
         header(c6, six), TAKES)
    # IPv4 beside IPv6 is written as IPv4-mapped IPv6.
    mixed = header(("::ffff:198.51.100.7", 9), six)
    sent("mixed, v2", b"v2.test", {"version": 2, "command": 0x21, "family": 0x21,
                                   "src": ("::ffff:198.51.100.7", 9), "dst": six}, mixed, TAKES)
    sent("mixed, v1", b"v1.test", {"version": 1, "family": "TCP6",
                                   "src": ("::ffff:c633:6407", 9), "dst": six}, mixed, TAKES)


def tls_ask(context, name):
    """What the upstream was told, and what the client knows itself."""
    before = h.count()
    with tls_peers.Client(PLAIN, name, context) as c:
        c.write(b"hello\n")
        c.read()
        c.close_notify()
        source = c.source
        info = (c.tls.version(), c.tls.cipher()[0])
    says, rest = read_header(h.received(before))
    table.row("terminated, what follows", b"hello\n", rest)
    return says, source, info


def terminated():
    """The header of an edge that ends TLS tells what was negotiated, and whose certificate."""
    for version in ("1.2", "1.3"):
        context = tls_peers.client_context(CERTS + "/ca.pem", ["http/1.1"], version)
        says, source, info = tls_ask(context, "term.test")
        told = says.get(SSL, {})
        table.row("terminated, source", source, says.get("src"))
        table.row("terminated, names", (b"term.test", b"http/1.1"),
                  (says.get(AUTHORITY), says.get(ALPN)))
        # Suites are called as this client's OpenSSL calls them.
        table.row("terminated, SSL", (1, 1) + info,
                  tuple(told.get(k) for k in ("client", "verify", "version", "cipher")))
        table.row("terminated, group", True, bool(told.get("group")))
        table.row("terminated, no certificate", (None, None),
                  (told.get("cn"), told.get("client_cert")))
    # Through a tunnel that knows nothing of addresses, into a listener that takes the header there.
    context = tls_peers.client_context(CERTS + "/ca.pem")
    says, source, _ = tls_ask(context, "tunnel.test")
    table.row("through a tunnel", (2, source, ("127.0.0.1", PLAIN)),
              tuple(says.get(k) for k in ("version", "src", "dst")))
    with open(CERTS + "/client.pem", encoding="ascii") as f:
        der = ssl.PEM_cert_to_DER_cert(f.read())
    for version in ("1.2", "1.3"):
        context = tls_peers.client_context(CERTS + "/ca.pem", None, version)
        context.load_cert_chain(CERTS + "/client.pem", CERTS + "/client.key")
        told = tls_ask(context, "term.test")[0].get(SSL, {})
        table.row("certificate, TLS " + version, (7, 0, "TLSv" + version, "client-1"),
                  (told.get("client"), told.get("verify"), told.get("version"), told.get("cn")))
        table.row("certificate as DER", der, told.get("client_cert"))
        table.row("our key and signature", ("EC256", "ecdsa-with-SHA256"),
                  (told.get("key_alg"), told.get("sig_alg")))


taken()
without_address()
refused()
deadlines()
spoofed()
rules()
sends()
passed_on()
if CERTS != "-":
    terminated()
sys.exit(table.finish())
