# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, the folder of certificates, the daemon's port, the upstream's port."""
import hashlib
import socket
import ssl
import subprocess
import sys
import threading

from event_peers import OFFERED, Client, File, expect, settled
from hello_peers import DEADLINE, hello, noise, records
from relay_peers import listen, read_exactly, read_to_end, same
from reload_peers import Daemon, guarded, module

FOLDER, CERTS = sys.argv[1:3]
PUBLIC, UPSTREAM = (int(p) for p in sys.argv[3:])
OFFERED = dict(OFFERED, alpn=["two"])

daemon = Daemon(FOLDER)
events = File(FOLDER + "/events.json")
upstream = listen(UPSTREAM)


def edge(name, *modules, extra=""):
    return 'name = "%s"; domains = [ "%s.test" ]; upstream = "127.0.0.1:%d"; modules = ( %s ); %s' % (
        name, name, UPSTREAM, ", ".join(modules), extra)


def terminate():
    return ('{ module = "tls-termination"; terminate_at = "edge"; alpn = [ "one", "two" ]; '
            'certificates = ( { certificate = "%s/a.pem"; key = "%s/a.key"; } ); }'
            % (CERTS, CERTS))


def mutual():
    return '{ module = "mutual-tls"; mode = "verify-if-given"; ca = [ "%s/ca.pem" ]; }' % CERTS


class Tls(Client):
    """A TLS client that counts what it sends and gets on the wire."""

    def __init__(self, name, context):
        super().__init__(PUBLIC)
        self.got = 0
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.send(data)

    def step(self, call, *args):
        """Do something with as many rounds on the wire as it needs."""
        while True:
            try:
                value = call(*args)
                self.flush()
                return value
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                self.got += len(data)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            except ssl.SSLError:
                self.flush()  # an alert may tell why
                raise

    def rest(self):
        """Count until the end."""
        data, how = read_to_end(self.sock)
        self.got += len(data)
        self.sock.close()
        return how


def context(certificate=None, ca="ca", alpn=("two",)):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations("%s/%s.pem" % (CERTS, ca))
    c.set_alpn_protocols(list(alpn))
    if certificate:
        c.load_cert_chain("%s/%s.pem" % (CERTS, certificate), "%s/%s.key" % (CERTS, certificate))
    return c


def openssl(*args):
    return subprocess.run(("openssl",) + args, check=True, capture_output=True).stdout


def certificate_fields(name):
    """What tells of a certificate, by another reader of it."""
    path = "%s/%s.pem" % (CERTS, name)
    pem = openssl("x509", "-in", path, "-noout", "-pubkey")
    spki = ssl.PEM_cert_to_DER_cert(pem.decode().replace("PUBLIC KEY", "CERTIFICATE"))
    with open(path, encoding="ascii") as f:
        der = ssl.PEM_cert_to_DER_cert(f.read())
    text = openssl("x509", "-in", path, "-noout", "-serial", "-enddate").decode()
    facts = dict(line.split("=", 1) for line in text.splitlines())
    end = ssl.cert_time_to_seconds(facts["notAfter"])
    return {"sha256": hashlib.sha256(der).hexdigest(),
            "spki_sha256": hashlib.sha256(spki).hexdigest(),
            "serial_number": facts["serial"].lower(), "end": end}


def tls_event(c):
    """The event, its parts about TLS taken out: (object, tls)."""
    o = settled(events.wait(c.source))
    same("JA4", True, o.pop("ja4_fingerprint").startswith("t1"))
    return o, o.pop("tls")


def tls_expect(c, name, close, timing, tries=1):
    return expect((c.source, c.to), UPSTREAM, "public", name, close, c.sent, c.got, sni=name + ".test",
                  timing=timing, tries=tries)


RELAYED = ("hello_us", "handshake_us", "connect_us", "first_byte_us")


def tls_whole():
    """A client with a certificate; everything ends as it should."""
    c = Tls("shows.test", context("client"))
    c.step(c.tls.do_handshake)
    up, _ = upstream.accept()
    c.step(c.tls.write, b"question")
    read_exactly(up, 8)
    up.sendall(noise(40000))
    got = 0
    while got < 40000:
        got += len(c.step(c.tls.read, 65536))
    up.close()
    same("close_notify", b"", c.step(c.tls.read, 1))
    try:
        c.tls.unwrap()
    except ssl.SSLError:
        pass
    c.flush()
    same("end", "fin", c.rest())
    o, tls = tls_event(c)
    same("closed", tls_expect(c, "shows", {"reason": "upstream_fin", "side": "upstream",
         "stage": "on_established"}, RELAYED), without_alerts(o))
    facts = certificate_fields("client")
    client = tls.pop("client")
    for key in ("sha256", "spki_sha256"):
        same(key, facts[key], client.pop(key))
    same("serial number", facts["serial_number"].lstrip("0"),
         client.pop("serial_number").lower().lstrip("0"))
    if "not_after" in client:
        assert client.pop("not_after").endswith(".000000Z"), client
    same("issuer", "CN=Postern test CA,O=Postern tests",
         client.pop("issuer", "CN=Postern test CA,O=Postern tests"))
    same("client", {"subject": "CN=client-1,O=Postern tests", "verified": True,
                    "san": ["dns:client-1.test", "email:client-1@a.test"]}, client)
    same("tls", {"offered": OFFERED, "version": "TLSv1.3",
                 "cipher_suite": c.tls.cipher()[0], "alpn": "two", "resumed": False},
         {k: v for k, v in tls.items() if k != "group"})
    assert tls["group"], tls
    print("  TLS with a client certificate", flush=True)


def without_alerts(o):
    """close_notify is an alert too; whether it counts as one is the transport's business."""
    for key in ("alert_sent", "alert_received"):
        if o["close"].get(key) == 0:
            del o["close"][key]
    return o


def tls_cut():
    """The client's TLS has no end, its TCP has."""
    c = Tls("shows.test", context())
    c.step(c.tls.do_handshake)
    up, _ = upstream.accept()
    c.sock.shutdown(socket.SHUT_WR)
    same("upstream's end", (b"", "rst"), read_to_end(up))
    up.close()
    c.rest()
    o, tls = tls_event(c)
    same("cut", ("reset", "client", True),
         tuple(o["close"][k] for k in ("reason", "side", "truncated")))
    same("bytes", (c.sent, c.got), (o["conn"]["bytes_in"], o["conn"]["bytes_out"]))
    same("no client certificate", False, "client" in tls and "subject" in tls["client"])
    print("  TLS without its end: %s" % o["close"]["reason"], flush=True)


def tls_failures():
    distrusts = context(ca="other-ca")
    distrusts.maximum_version = ssl.TLSVersion.TLSv1_2
    c = Tls("shows.test", distrusts)
    try:
        c.step(c.tls.do_handshake)
        raise AssertionError("a stranger was trusted")
    except ssl.SSLError:
        pass
    c.rest()
    o, _ = tls_event(c)
    same("handshake_failed", ("handshake_failed", "client", 48),
         tuple(o["close"].get(k) for k in ("reason", "side", "alert_received")))
    same("bytes from the client", c.sent, o["conn"]["bytes_in"])
    same("bytes to the client", c.got, o["conn"]["bytes_out"])
    print("  handshake_failed", flush=True)

    c = Tls("slow.test", context())
    try:
        c.tls.do_handshake()
    except ssl.SSLWantReadError:
        c.flush()
    same("end", "fin", c.rest())
    o, tls = tls_event(c)
    same("not shaken", {"offered": OFFERED}, tls)
    same("handshake_timeout", tls_expect(c, "slow", {"reason": "handshake_timeout", "side": "proxy",
         "stage": "on_transport", "code": "timeout"}, ("hello_us",), tries=0), without_alerts(o))
    print("  handshake_timeout", flush=True)


def no_tls():
    while True:
        raw, _ = upstream.accept()
        raw.settimeout(DEADLINE)
        raw.recv(65536)  # the hello
        raw.sendall(b"HTTP/1.0 400 no TLS here\r\n\r\n")
        raw.close()


def upstream_tls():
    """TLS to the upstream: its version; and why it failed."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTS + "/a.pem", CERTS + "/a.key")
    c = Client(PUBLIC).send(records(hello(b"again.test")))
    raw, _ = upstream.accept()
    raw.settimeout(DEADLINE)
    up = server.wrap_socket(raw, server_side=True)
    read_exactly(up, c.sent)
    up.sendall(b"answer")
    read_exactly(c.sock, 6)
    c.sock.shutdown(socket.SHUT_WR)
    same("upstream's end", b"", up.recv(1))
    up.unwrap()
    up.close()
    c.end()
    o = settled(events.wait(c.source))
    same("upstream", {"address": "127.0.0.1:%d" % UPSTREAM, "tries": 1, "tls_version": "TLSv1.3"},
         o["upstream"])
    same("close", ("client_fin", "client", False),
         tuple(o["close"][k] for k in ("reason", "side", "truncated")))
    print("  TLS to the upstream", flush=True)
    c = Client(PUBLIC).send(records(hello(b"again.test")))
    # Twice when a session of the first connection was offered.
    threading.Thread(target=no_tls, daemon=True).start()
    c.end()
    o = settled(events.wait(c.source))
    same("upstream_tls_failed", ("upstream_tls_failed", "upstream", 80),
         tuple(o["close"].get(k) for k in ("reason", "side", "alert_sent")))
    same("no version", False, "tls_version" in o["upstream"])
    same("why", True, o["close"]["code"].startswith("upstream-tls-"))
    print("  upstream_tls_failed: " + o["close"]["text"])


def steps():
    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; modules = ( %s );' % (
            PUBLIC, module("event-logging", sink="file:" + events.path))],
        [edge("shows", terminate(), mutual()),
         edge("again", '{ module = "upstream-tls"; ca = [ "%s/ca.pem" ]; server_name = "a.test"; }' % CERTS),
         edge("slow", terminate(), extra='timeouts = { handshake = "150ms"; };')])
    daemon.start()
    tls_whole()
    tls_cut()
    tls_failures()
    upstream_tls()
    daemon.stop()


guarded(daemon, steps)
