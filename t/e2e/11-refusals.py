# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of 11-refusals.sh."""
import socket
import sys
import time

from hello_peers import (
    Client,
    Segments,
    Table,
    Upstream,
    connect,
    hello,
    noise,
    read_answer,
    record,
    records,
    send_whole,
    server_name,
)

LOG = sys.argv[1]
PUBLIC, SHUT, CLOSES, ALERTS, RESETS, SHADOWS, HASTY, A = (int(p) for p in sys.argv[2:])

# What lies unread behind a hello when it is refused; more than the daemon takes in at once.
FLOOD = noise(100 * 1024, 5)

# (what, bytes, port, alert, fields of the log)
REFUSED = (
    (
        "unknown name",
        records(hello(b"nobody.test")),
        PUBLIC,
        112,
        {"reason": "unknown_sni", "listener": "public", "sni": "nobody.test", "edge": None},
    ),
    ("no name", records(hello(None)), PUBLIC, 112, {"reason": "no_sni", "sni": None}),
    (
        "NUL in the name",
        records(hello(b"a.test\0.evil")),
        PUBLIC,
        112,
        {"reason": "bad_hello", "code": "bad-name", "text": "the server name is no host name"},
    ),
    (
        "two names",
        records(hello(sni=server_name(b"a.test", b"b.test"))),
        PUBLIC,
        112,
        {"reason": "bad_hello", "code": "bad-name", "text": "more than one server name"},
    ),
    (
        "empty name",
        records(hello(b"")),
        PUBLIC,
        50,
        {"reason": "bad_hello", "code": "bad-hello", "text": "malformed server_name extension"},
    ),
    (
        "wrong record version",
        record(hello(), version=0x0200),
        PUBLIC,
        50,
        {"reason": "bad_hello", "code": "bad-hello", "text": "record version is not TLS"},
    ),
    (
        "hello of 65537 bytes",
        records(hello(size=65537)),
        PUBLIC,
        50,
        {"reason": "hello_too_large", "code": "hello-too-large"},
    ),
    (
        "denied by an edge",
        records(hello(b"alerts.test")),
        PUBLIC,
        49,
        {
            "reason": "denied",
            "edge": "alerts",
            "sni": "alerts.test",
            "stage": "on_admit",
            "module": "ip-restrictions",
            "code": "ip-denied",
        },
    ),
    (
        "denied by a listener",
        records(hello()),
        ALERTS,
        49,
        {
            "reason": "denied",
            "listener": "alerts",
            "edge": None,
            "stage": "on_client_hello",
            "module": "ip-restrictions",
            "code": "ip-denied",
        },
    ),
    (
        "upstream is down",
        records(hello(b"down.test")),
        PUBLIC,
        80,
        {
            "reason": "connect_failed",
            "side": "upstream",
            "edge": "down",
            "code": "connect-failed",
            "error": "ECONNREFUSED",
            "tries": "1",
        },
    ),
)


def send_on(sock, wire, behind):
    """The client goes on although our side is done: nothing of that may become a reset."""
    seg = Segments(sock)
    seg.send(wire)
    for at in range(0, len(behind), 10240):
        seg.send(behind[at : at + 10240])
    seg.close()


def alerts(t, upstreams):
    for name, wire, port, alert, fields in REFUSED:
        client = Client(port, upstreams)
        want = "alert %d" % alert
        for how, behind, send in (
            ("", b"", send_whole),
            (", 100 KiB behind", FLOOD, send_whole),
            (", 100 KiB more later", FLOOD, send_on),
        ):
            got, source = client.ask_from(wire, behind, send=send)
            t.row(name + how, want, got)
            t.log_row(name + how, LOG, source, {**fields, "alert": str(alert), "bytes_out": "7"})


def at_once(t, upstreams):
    """The end follows the alert, not the daemon's patience with clients that never end."""
    begin = time.monotonic()
    for _, wire, port, _, _ in REFUSED:
        Client(port, upstreams).ask(wire, b"")
    took = time.monotonic() - begin
    t.row("refused at once", True, took < len(REFUSED) or "%.1f s" % took)


def half_closed(t):
    """A client that has ended its own direction is told all the same."""
    with connect(PUBLIC) as sock:
        sock.sendall(records(hello(b"nobody.test")) + FLOOD)
        sock.shutdown(socket.SHUT_WR)
        t.row("unknown name, half-closed", "alert 112", read_answer(sock))


def no_alerts(t, upstreams):
    """Ends without a word."""
    nobody, known = records(hello(b"nobody.test")), records(hello())
    http = b"GET / HTTP/1.0\r\n\r\n"
    listener = {"stage": "on_client_hello", "module": "ip-restrictions", "code": "ip-denied"}
    for name, wire, port, want, fields in (
        ("no TLS", http, PUBLIC, "closed", {"reason": "not_tls", "sni": None}),
        ("unknown name, close", nobody, SHUT, "closed", {"reason": "unknown_sni"}),
        ("no name, close", records(hello(None)), SHUT, "closed", {"reason": "no_sni"}),
        ("half a hello", known[:80], HASTY, "closed", {"reason": "hello_timeout"}),
        ("listener, on_deny close", known, CLOSES, "closed", {"reason": "denied", **listener}),
        ("listener, on_deny reset", known, RESETS, "reset", {"reason": "denied", **listener}),
        ("no TLS, on_deny alert", http, ALERTS, "closed", {"reason": "denied", **listener}),
        (
            "edge, on_deny close",
            records(hello(b"closes.test")),
            PUBLIC,
            "closed",
            {"reason": "denied", "stage": "on_admit", "edge": "closes", "code": "ip-not-allowed"},
        ),
        (
            "edge, on_deny reset",
            records(hello(b"resets.test")),
            PUBLIC,
            "reset",
            {"reason": "denied", "stage": "on_admit", "edge": "resets", "code": "ip-denied"},
        ),
    ):
        got, source = Client(port, upstreams).ask_from(wire)
        t.row(name, want, got)
        t.log_row(name, LOG, source, {**fields, "alert": None, "bytes_out": "0"})


def texts(t, upstreams):
    """Which rule it was."""
    for name, wire, port, text in (
        ("listener's rule", hello(), CLOSES, "%s matches deny 127.0.0.0/8 (deny[0])"),
        ("no rule", hello(b"closes.test"), PUBLIC, "%s matches no allow rule"),
        (
            "rule of a policy",
            hello(b"alerts.test"),
            PUBLIC,
            "%s matches deny 127.0.0.0/8 (policy loopback: this machine)",
        ),
    ):
        _, source = Client(port, upstreams).ask_from(records(wire))
        t.log_row(name, LOG, source, {"text": text % source[0]})


def shadows(t, upstreams):
    """enforce = false: the connection passes, the log tells."""
    denied = {"module": "ip-restrictions", "code": "ip-denied", "level": "info"}
    for name, wire, port, stage, edge in (
        ("edge, enforce = false", records(hello(b"shadows.test")), PUBLIC, "on_admit", "shadows"),
        ("listener, enforce = false", records(hello()), SHADOWS, "on_client_hello", "a"),
    ):
        got, source = Client(port, upstreams).ask_from(wire, noise(50), noise(50))
        t.row(name, "A", got)
        would = {**denied, "stage": stage}
        t.log_row(name, LOG, source, would, msg="would be denied (not enforced)")
        t.log_row(name + ", end", LOG, source, {"reason": "client_fin", "edge": edge, "code": None})


def main():
    upstreams = [Upstream("A", ("127.0.0.1", A))]
    t = Table()
    t.row("allowed", "A", Client(PUBLIC, upstreams).ask(records(hello())))
    alerts(t, upstreams)
    at_once(t, upstreams)
    half_closed(t)
    no_alerts(t, upstreams)
    texts(t, upstreams)
    shadows(t, upstreams)
    return t.finish()


sys.exit(main())
