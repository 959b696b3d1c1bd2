# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of 10-hello-matrix.sh."""
import random
import socket
import sys
import threading
import time

from hello_peers import (
    DEADLINE,
    RECORD_MAX,
    Client,
    Segments,
    Table,
    Upstream,
    alpn_list,
    connect,
    extension,
    hello,
    log_line,
    noise,
    read_answer,
    record,
    records,
    send_bytes,
    send_parts,
    server_name,
    vector,
)

LOG = sys.argv[1]
PORTS = [int(p) for p in sys.argv[2:]]
# What a hello costs a client when it arrives too late: at least this, and not much more.
TICK = 0.01  # libevent takes the kernel's coarse clock, which is up to a tick behind
HELLO_DEADLINE = 0.7
# How much later than its deadline a connection may end on a busy machine.
SLACK = 3 if DEADLINE <= 20 else 10

SIZES = (200, 517, 1500, 1900, 7400, 16379, 16380, 16384, 16500, 30000, 65535, 65536)


def segments(t, strict):
    """Where TCP cuts must not matter."""
    wire = records(hello())
    t.row("one segment", "A", strict.ask(wire))
    t.row("1 byte per segment", "A", strict.ask(wire, send=send_bytes))
    t.row("1 byte per segment, no payload behind", "A", strict.ask(wire, b"", send=send_bytes))
    t.row("payload in a segment of its own", "A", strict.ask(wire, send=send_parts(len(wire))))

    def cut_everywhere(name, want, wire):
        cuts = range(1, len(wire))
        t.all_same(
            "%s, cut in two at each of %d offsets" % (name, len(cuts)),
            want,
            (
                ("cut at %d" % o, strict.ask(wire, noise(40), noise(40), send_parts(o)))
                for o in cuts
            ),
        )

    cut_everywhere("one record", "A", wire)
    cut_everywhere("records of 50", "A", records(hello(), 50))
    cut_everywhere("first record of 1 byte", "A", records(hello(), first=1))
    cut_everywhere("another name", "B", records(hello(b"b.test")))
    big = records(hello(size=40000), 9000)
    cuts = sorted(random.Random(4).sample(range(1, len(big)), 40))
    t.row("40000 bytes in 41 segments", "A", strict.ask(big, send=send_parts(*cuts)))
    # What is refused is so however it is cut.
    for name, message, want in (
        ("unknown name", hello(b"nobody.test"), "alert 112"),
        ("a.test NUL .evil", hello(b"a.test\0.evil"), "alert 112"),
        ("empty name", hello(b""), "alert 50"),
    ):
        cut_everywhere(name, want, records(message))


def fragments(t, strict):
    """Where TLS record cuts must not matter."""
    message = hello()
    every = [*range(1, 65), 200]
    t.all_same(
        "TLS records of 1 to 64 and 200 bytes",
        "A",
        (("records of %d" % n, strict.ask(records(message, n))) for n in every),
    )
    t.all_same(
        "first TLS record of 1 to %d bytes" % (len(message) - 1),
        "A",
        (
            ("first of %d" % n, strict.ask(records(message, first=n)))
            for n in range(1, len(message))
        ),
    )
    t.row("TLS records of 50", "A", strict.ask(records(message, 50)))
    t.row("TLS records of 200, name in the first", "A", strict.ask(records(hello(size=900), 200)))
    t.row("first TLS record of 1 byte", "A", strict.ask(records(message, first=1)))
    t.row(
        "records of 1 byte, 1 byte per segment",
        "A",
        strict.ask(records(hello(size=200), 1), send=send_bytes),
    )
    t.row("65536 bytes in records of 1", "A", strict.ask(records(hello(size=65536), 1)))
    t.row("more in the hello's last record", "A", strict.ask(record(message + noise(100))))
    t.row("record version 3.3", "A", strict.ask(record(message, version=0x0303)))
    t.row("empty record first", "alert 50", strict.ask(record(b"") + records(message)))
    half = record(message[:100])
    t.row("empty record within", "alert 50", strict.ask(half + record(b"") + record(message[100:])))
    t.row("alert record within", "alert 50", strict.ask(half + record(b"\1\0", kind=21)))
    t.row("data record within", "alert 50", strict.ask(half + record(message[100:], kind=23)))
    t.row("record of 2^14 + 1 bytes", "alert 50", strict.ask(record(hello(size=RECORD_MAX + 1))))
    t.row("record version 2.0", "alert 50", strict.ask(record(message, version=0x0200)))


def sizes(t, strict):
    for n in SIZES:
        t.row("hello of %d bytes" % n, "A", strict.ask(records(hello(size=n))))
        cut = records(hello(size=n), 1000)
        t.row("hello of %d bytes, records of 1000" % n, "A", strict.ask(cut))
    whole = hello(size=65537)
    t.row("hello of 65537 bytes", "alert 50", strict.ask(records(whole)))
    t.row("hello of 65537 bytes, the first 4 of them", "alert 50", strict.ask(record(whole[:4])))
    t.row("hello that says 16 MiB", "alert 50", strict.ask(record(b"\1\xff\xff\xff")))


def names(t, strict, fallback):
    """(name, answer of the strict listener, answer of the one with fallbacks)"""
    long = b".".join([b"x" * 49] * 6)
    assert len(long) == 299
    w253 = b".".join([b"x" * 63] * 3 + [b"x" * 54, b"w.test"])
    assert len(w253) == 253
    refused = ("alert 112", "alert 112")
    for name, right, with_fallback in (
        (b"a.test", "A", "A"),
        (b"A.TEST", "A", "A"),
        (b"a.test.", "A", "A"),
        (b"A.tEsT.", "A", "A"),
        (b"b.test", "B", "B"),
        (b"x.w.test", "W", "W"),
        (b"x.y.w.test", "W", "W"),
        (b"X.y.W.Test.", "W", "W"),
        (b"_x.w.test", "W", "W"),
        (b"xn--bcher-kva.w.test", "W", "W"),
        (w253, "W", "W"),
        (w253 + b".", "W", "W"),
        # Good names that nobody serves, and IPv4 addresses, which look like such.
        (b"nobody.test", "alert 112", "D"),
        (b"test", "alert 112", "D"),
        (b"w.test", "alert 112", "D"),
        (b"xw.test", "alert 112", "D"),
        (b"a.test.evil", "alert 112", "D"),
        (b"evila.test", "alert 112", "D"),
        (b"x.a.test", "alert 112", "D"),
        (b"192.0.2.1", "alert 112", "D"),
        (b"127.0.0.1", "alert 112", "D"),
        # No names at all: never routed, fallback or not.
        (b"a.test\0.evil", *refused),
        (b"a.test\0", *refused),
        (b"\0", *refused),
        (b"2001:db8::1", *refused),
        (b"[::1]", *refused),
        (b"a.test:443", *refused),
        (b"a test", *refused),
        (b"a.test/x", *refused),
        (b"a.test\n", *refused),
        (b"*.w.test", *refused),
        (b"b\xc3\xbccher.w.test", *refused),
        (b"a..test", *refused),
        (b".a.test", *refused),
        (b"a.test..", *refused),
        (b".", *refused),
        (b"-x.w.test", *refused),
        (b"x-.w.test", *refused),
        (b"x" * 64 + b".w.test", *refused),
        (b"x" + w253, *refused),
        (b"." + w253, *refused),
        (long + b"x", *refused),
        (b"", "alert 50", "alert 50"),
    ):
        shown = repr(name[:30])[1:] + ("" if len(name) <= 30 else "... %d bytes" % len(name))
        t.row("name " + shown, right, strict.ask(records(hello(name))))
        t.row("name " + shown + ", fallbacks", with_fallback, fallback.ask(records(hello(name))))


def extensions(t, strict, fallback):
    """Server names that are wrong in their form; a fallback never makes them right."""
    one = b"\0" + vector(2, b"a.test")
    long = b"\0\0\x07a.test"
    for name, message, want in (
        ("two names", hello(sni=server_name(b"a.test", b"b.test")), "alert 112"),
        ("the same name twice", hello(sni=server_name(b"a.test", b"a.test")), "alert 112"),
        ("server_name twice", hello(sni=server_name(b"a.test") * 2), "alert 112"),
        ("name of type 1", hello(sni=server_name(b"a.test", kind=1)), "alert 112"),
        ("empty server_name", hello(sni=extension(0, b"")), "alert 50"),
        ("empty list of names", hello(sni=extension(0, vector(2, b""))), "alert 50"),
        ("bytes behind the list", hello(sni=extension(0, vector(2, one) + b"x")), "alert 50"),
        ("list longer than server_name", hello(sni=extension(0, b"\0\x0a" + one)), "alert 50"),
        ("name longer than its list", hello(sni=extension(0, vector(2, long))), "alert 50"),
        ("the same extension twice", hello(extra=alpn_list(b"h2") * 2), "alert 50"),
        ("empty ALPN protocol", hello(extra=alpn_list(b"")), "alert 50"),
        ("a ServerHello", b"\2" + hello()[1:], "alert 50"),
        ("hello shorter than its fields", b"\1" + vector(3, hello()[4:-1]), "alert 50"),
        ("hello longer than its fields", b"\1" + vector(3, hello()[4:] + b"\0"), "alert 50"),
    ):
        t.row(name, want, strict.ask(records(message)))
        t.row(name + ", fallbacks", want, fallback.ask(records(message)))


def fallbacks(t, strict, fallback, shut):
    """No name, unknown name, no TLS: refuse, an edge, close."""
    http = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
    for name, wire, refused in (
        ("no server_name", records(hello(None)), "alert 112"),
        ("no server_name, records of 3", records(hello(None), 3), "alert 112"),
        ("unknown name", records(hello(b"nobody.test")), "alert 112"),
        ("plain HTTP", http, "closed"),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", "closed"),
        ("SSL 2 hello", b"\x80\x2e\1\0\2\0\x15\0\0\0\x10" + noise(37), "closed"),
        ("a single byte", b"x", "closed"),
    ):
        t.row(name, refused, strict.ask(wire, b""))
        t.row(name + " -> edge d", "D", fallback.ask(wire))
        t.row(name + " -> close", "closed", shut.ask(wire, b""))
    t.row("known name where others are closed", "A", shut.ask(records(hello())))
    t.row("1 byte per segment of HTTP -> edge d", "D", fallback.ask(http, send=send_bytes))


def too_late(t, port, name, parts, gap=0.0):
    """Parts of a hello, then silence: the end comes at the deadline, which no byte moves."""
    begin = time.monotonic()
    with connect(port) as sock:
        source = sock.getsockname()
        stop = begin + HELLO_DEADLINE + SLACK
        sock.settimeout(gap or DEADLINE)
        got = "silence"
        for part in parts:
            try:
                sock.sendall(part)
                if gap and not sock.recv(1):
                    got = "closed"
                    break
            except socket.timeout:
                pass
            except (ConnectionResetError, BrokenPipeError):
                # A byte that crossed the close on its way is answered by a reset.
                got = "closed"
                break
            except OSError as e:
                got = str(e)
                break
            if time.monotonic() > stop:
                break
        if not gap:
            got = read_answer(sock)
    took = time.monotonic() - begin
    if got == "closed" and took < HELLO_DEADLINE - TICK:
        got = "closed too early, after %.3f s" % took
    elif got == "closed" and took > HELLO_DEADLINE + SLACK:
        got = "closed too late, after %.3f s" % took
    t.row(name, "closed", got)
    t.row(name + ", log", "hello_timeout", log_line(LOG, source).get("reason"))


def half_closed(t, port, late):
    """The client has said all and ended its direction; the answer comes 0.7 s later."""
    wire = records(hello(b"late.test")) + noise(3000)
    with connect(port) as sock:
        sock.sendall(wire)
        sock.shutdown(socket.SHUT_WR)
        answer = read_answer(sock)
        rest = read_answer(sock)
    t.row("half-closed client, answer 0.7 s later", "LATE 0", answer)
    t.row("half-closed client, end", "closed", rest)
    t.row("half-closed client, request", True, answer == "LATE 0" and late.received(0) == wire)


def two_segments_apart(t, strict):
    """A pause that a person would see, as in a slow network."""
    wire = records(hello())

    def send(sock, hello_bytes, behind):
        Segments(sock).send(hello_bytes[:90])
        time.sleep(0.2)
        sock.sendall(hello_bytes[90:] + behind)

    t.row("two segments 200 ms apart", "A", strict.ask(wire, send=send))


def slow_ones(t, hasty, port, upstreams):
    """What takes time by its nature, all at once."""
    half = records(hello())[:90]
    jobs = [
        (too_late, (t, hasty, "half a hello, then silence", [half])),
        (too_late, (t, hasty, "nothing at all", [])),
        (too_late, (t, hasty, "one byte, then silence", [half[:1]])),
        (too_late, (t, hasty, "half a record header, then silence", [half[:3]])),
        (too_late, (t, hasty, "half of 65536 bytes", [records(hello(size=65536))[:30000]])),
        (too_late, (t, hasty, "a byte every 50 ms", [half[i : i + 1] for i in range(90)], 0.05)),
        (half_closed, (t, port, upstreams["LATE"])),
        (two_segments_apart, (t, Client(port, upstreams.values()))),
    ]
    threads = [threading.Thread(target=f, args=args) for f, args in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    strict_port, fallback_port, shut_port, hasty_port = PORTS[:4]
    markers = ("A", "B", "W", "D", "LATE", "EARLY")
    manners = {"LATE": "late", "EARLY": "early"}
    upstreams = {
        m: Upstream(m, ("127.0.0.1", p), manners.get(m, "plain"))
        for m, p in zip(markers, PORTS[4:])
    }
    strict, fallback, shut = (
        Client(p, upstreams.values()) for p in (strict_port, fallback_port, shut_port)
    )
    t = Table()
    slow_ones(t, hasty_port, strict_port, upstreams)
    segments(t, strict)
    fragments(t, strict)
    sizes(t, strict)
    names(t, strict, fallback)
    extensions(t, strict, fallback)
    fallbacks(t, strict, fallback, shut)
    t.row("server ends first, client goes on", "EARLY", strict.ask(records(hello(b"early.test"))))
    return t.finish()


sys.exit(main())
