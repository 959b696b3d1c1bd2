# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of 12-routing.sh: GROUP LOG FOLDER V6 "MARKER=PORT ..." PORT..."""
import errno
import os
import stat
import sys

from hello_peers import Client, Table, Upstream, hello, records

GROUP, LOG, FOLDER, V6 = sys.argv[1:5]
UPSTREAM_PORTS = dict(m.split("=") for m in sys.argv[5].split())
PORTS = [int(p) for p in sys.argv[6:]]

REFUSED = "alert 112"
NOBODY = "cannot connect: [Errno %d] %s" % (errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

# A name leads to the exact edge, else to the longest wildcard, else to "*", else nowhere.
NAMES = (
    (b"a.test", "A"),
    (b"A.Test.", "A"),
    (b"x.a.test", REFUSED),
    (b"mixed.test", "MIXED"),
    (b"MIXED.test.", "MIXED"),
    (b"x.w.test", "W"),
    (b"x.y.z.w.test", "W"),
    (b"1.2.3.4.5.6.7.8.9.w.test", "W"),
    (b"w.test", REFUSED),
    (b"deep.w.test", "W"),
    (b"y.deep.w.test", "DEEP"),
    (b"z.y.deep.w.test", "DEEP"),
    (b"notdeep.w.test", "W"),
    (b"x.notdeep.w.test", "W"),
    (b"x.deep.w.test", "EXACT"),
    (b"X.DEEP.W.TEST.", "EXACT"),
    (b"y.x.deep.w.test", "DEEP"),
    (b"inner.w.test", "INNER"),
    (b"x.inner.w.test", "W"),
    (b"x.other.test", "INNER"),
    (b"other.test", REFUSED),
    (b"only.test", REFUSED),
    (b"only.w.test", "W"),
    (b"test", REFUSED),
    (b"xn--bcher-kva.test", "IDN"),
    (b"XN--BCHER-KVA.TEST", "IDN"),
    ("bücher.test".encode(), REFUSED),
    (b"bucher.test", REFUSED),
    (b"x.xn--mnchen-3ya.test", "IDNW"),
    (b"x.y.xn--MNCHEN-3YA.test", "IDNW"),
    (b"xn--mnchen-3ya.test", REFUSED),
    (b"www.xn--r8jz45g.test", "IDNW"),
    (b"xn--fa-hia.test", "ESZETT"),
    (b"fass.test", REFUSED),
    (b"first.test", "CONFD"),
    (b"second.test", "CONFD2"),
    (b"unix.test", "UNIX"),
)

# Of edges with the same name, the one whose alpn the client offers, in the client's order.
ALPN = (
    (b"a.test", [b"h2", b"http/1.1"], "A"),
    (b"a.test", [b"acme-tls/1"], "ACME"),
    (b"a.test", [b"acme-tls/2"], "ACME"),
    (b"a.test", [b"h2", b"acme-tls/1"], "ACME"),
    (b"a.test", [b"acme-tls/1", b"h2"], "ACME"),
    (b"A.TEST.", [b"acme-tls/1"], "ACME"),
    (b"a.test", [b"acme-tls/"], "A"),
    (b"a.test", [b"acme-tls/11"], "A"),
    (b"a.test", [b"ACME-TLS/1"], "A"),
    (b"a.test", [b"x" * 255, b"acme-tls/1"], "ACME"),
    (b"x.w.test", [b"acme-tls/1"], "ACME"),
    (b"x.deep.w.test", [b"acme-tls/1"], "EXACT"),
    (b"y.deep.w.test", [b"acme-tls/1"], "DEEP"),
    (b"only.test", [b"h2"], "ONLY"),
    (b"only.test", [b"http/1.1"], REFUSED),
    (b"only.w.test", [b"http/1.1", b"h2"], "ONLY"),
    (b"only.w.test", [b"http/1.1"], "W"),
    (b"only.w.test", [b"acme-tls/1"], "ACME"),
    (b"only.w.test", [b"acme-tls/1", b"h2"], "ONLY"),
    (b"nobody.test", [b"any/1"], "ANY"),
    (b"nobody.test", [b"any/2"], REFUSED),
    (b"only.test", [b"any/1"], "ANY"),
    (b"a.test", [b"any/1"], "A"),
    (None, [b"any/1"], REFUSED),
)

ANY = (
    (b"a.test", [], "A"),
    (b"a.test", [b"acme-tls/1"], "A"),
    (b"x.w.test", [], "W"),
    (b"w.test", [], "ANY"),
    (b"nobody.test", [], "ANY"),
    (b"test", [], "ANY"),
    (b"nobody.test", [b"acme-tls/1"], "ACME"),
    (b"nobody.test", [b"h2"], "ANY"),
    (b"192.0.2.1", [], "ANY"),
    (None, [], REFUSED),
    (b"nobody.test\0", [], REFUSED),
    (b"", [], "alert 50"),
)


def ask_all(t, client, rows):
    for name, alpn, want in rows:
        shown = "no name" if name is None else repr(name)[2:-1]
        if alpn:
            shown += " with " + ", ".join(p.decode()[:20] for p in alpn)
        t.row(shown, want, client.ask(records(hello(name, alpn))))


def unix_socket(t, upstreams):
    path = FOLDER + "/in.sock"
    t.row("mode of the socket", 0o600, stat.S_IMODE(os.stat(path).st_mode))
    client = Client(path, upstreams)
    t.row("unix to TCP", "A", client.ask(records(hello())))
    t.row("unix to unix", "UNIX", client.ask(records(hello(b"unix.test"))))
    t.row("unix, unknown name", REFUSED, client.ask(records(hello(b"nobody.test"))))


def ipv6(t, upstreams, dual, only6, loop6):
    wire = records(hello())
    for name, port, host in (
        ("[::] reached by ::1", dual, "::1"),
        ("[::] reached by 127.0.0.1", dual, "127.0.0.1"),
        ("[::] without dual_stack, by ::1", only6, "::1"),
        ("[::1] reached by ::1", loop6, "::1"),
    ):
        client = Client(port, upstreams, host)
        t.row(name, "A", client.ask(wire))
        t.row(name + ", unknown name", REFUSED, client.ask(records(hello(b"nobody.test"))))
        t.row(name + ", to an IPv6 upstream", "SIX", client.ask(records(hello(b"six.test"))))
    for name, port in (("[::] without dual_stack", only6), ("[::1]", loop6)):
        t.row(name + " by 127.0.0.1", NOBODY, Client(port, upstreams).ask(wire))
    # In the log an IPv4 client of an IPv6 socket is an IPv4 client.
    _, source = Client(dual, upstreams).ask_from(wire)
    t.log_row("IPv4 over [::]", LOG, source, {"listener": "dual", "edge": "a"})


def places(t, upstreams):
    main, extra, two, dual, only6, loop6 = PORTS
    ask = [Client(main, upstreams), Client(extra, upstreams)]
    unknown = records(hello(b"nobody.test"))
    for name, client in zip(("listener of the main file", "of an included file"), ask):
        t.row(name, "A", client.ask(records(hello())))
        t.row(name + ", included edge", "CONFD", client.ask(records(hello(b"first.test"))))
    t.row("main listener, unknown name", REFUSED, ask[0].ask(unknown))
    t.row("included listener, unknown name", "CONFD2", ask[1].ask(unknown))
    for host in ("127.0.0.2", "127.0.0.3"):
        t.row("second address " + host, "A", Client(two, upstreams, host).ask(records(hello())))
    t.row("address not listed", NOBODY, Client(two, upstreams).ask(unknown))
    unix_socket(t, upstreams)
    if V6 == "yes":
        ipv6(t, upstreams, dual, only6, loop6)
    else:
        print("no ::1 on this machine: the IPv6 rows are left out")


def start_upstreams():
    upstreams = [
        Upstream(m, ("127.0.0.1", int(p))) for m, p in UPSTREAM_PORTS.items() if m != "SIX"
    ]
    out = FOLDER + "/out.sock"
    if os.path.exists(out):
        os.unlink(out)
    upstreams.append(Upstream("UNIX", out))
    if V6 == "yes":
        upstreams.append(Upstream("SIX", ("::1", int(UPSTREAM_PORTS["SIX"]))))
    return upstreams


def main():
    t = Table()
    upstreams = start_upstreams()
    if GROUP == "names":
        ask_all(t, Client(PORTS[0], upstreams), ((n, [], want) for n, want in NAMES))
    elif GROUP == "alpn":
        ask_all(t, Client(PORTS[0], upstreams), ALPN)
    elif GROUP == "places":
        places(t, upstreams)
    else:
        ask_all(t, Client(PORTS[0], upstreams), ANY)
    return t.finish()


sys.exit(main())
