# SPDX-License-Identifier: GPL-2.0-or-later
"""haproxy sends with every option it has, to a listener that passes all of it on."""
import sys

import tls_peers
from hello_peers import Table, Upstream
from proxy_peers import ALPN, AUTHORITY, CRC32C, SSL, UNIQUE_ID, read_header

PORT, H, CERTS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

# Long enough for haproxy to see at once that it is no TLS.
h = Upstream("no-tls", ("127.0.0.1", H))
table = Table()


def ask(version, certificate):
    """What the upstream was told of a client of haproxy's. The upstream speaks no TLS."""
    context = tls_peers.client_context(CERTS + "/ca.pem", ["http/1.1"], version)
    context.check_hostname = False
    if certificate:
        context.load_cert_chain(CERTS + "/client.pem", CERTS + "/client.key")
    before = h.count()
    with tls_peers.Client(PORT, "term.test", context) as c:
        source, cipher = c.source, c.tls.cipher()[0]
        c.write(b"x")
        try:
            c.read()
        except OSError:
            pass
    says, rest = read_header(h.received(before))
    table.row("a hello behind it", b"\x16\x03\x01", rest[:3])
    return says, source, cipher


for version in ("1.2", "1.3"):
    for certificate in (False, True):
        name = "TLS %s, %s certificate" % (version, "with" if certificate else "without")
        says, source, cipher = ask(version, certificate)
        told = says.get(SSL, {})
        table.row(name, (2, 0x21, 0x11, source, ("127.0.0.1", PORT)),
                  tuple(says.get(k) for k in ("version", "command", "family", "src", "dst")))
        table.row(name + ", names", (b"http/1.1", b"term.test", True, False),
                  (says.get(ALPN), says.get(AUTHORITY), len(says.get(UNIQUE_ID, b"")) > 3,
                   CRC32C in says))
        table.row(name + ", SSL",
                  (7 if certificate else 1, "TLSv" + version, cipher, "EC256", "ecdsa-with-SHA256",
                   "client-1" if certificate else None),
                  tuple(told.get(k) for k in ("client", "version", "cipher", "key_alg", "sig_alg",
                                              "cn")))
sys.exit(table.finish())
