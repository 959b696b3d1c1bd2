# SPDX-License-Identifier: GPL-2.0-or-later
"""A TLS client that keeps its bytes in its hands: records can be cut, held back and counted."""
import socket
import ssl

from hello_peers import connect


def client_context(ca, alpn=None, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    if alpn:
        context.set_alpn_protocols(alpn)
    if version == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    elif version == "1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def server_context(certificate, version=None):
    """certificate: the path of a .pem and a .key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate + ".pem", certificate + ".key")
    if version == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    elif version == "1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class Client:
    """TLS over a socket. shape(bytes, sock) sends what the handshake and the data come to."""

    def __init__(self, port, name, context, session=None, shape=None, handshake=True):
        self.sock = connect(port)
        self.source = self.sock.getsockname()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name,
                                    session=session)
        self.shape = shape or (lambda data, sock: sock.sendall(data))
        if handshake:
            self.drive(self.tls.do_handshake)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send_out(self):
        data = self.outgoing.read()
        if data:
            self.shape(data, self.sock)

    def drive(self, call, *args):
        """Call until it wants nothing more of the wire."""
        while True:
            try:
                result = call(*args)
                self.send_out()
                return result
            except ssl.SSLWantReadError:
                self.send_out()
                data = self.sock.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            except ssl.SSLError:
                self.send_out()
                raise

    def write(self, data):
        self.drive(self.tls.write, data)

    def read(self, n=65536):
        """Bytes; b"" when close_notify came; SSLEOFError when the wire ended without."""
        return self.drive(self.tls.read, n)

    def read_exactly(self, n):
        data = bytearray()
        while len(data) < n:
            part = self.read(min(n - len(data), 65536))
            if not part:
                raise EOFError("an end after %d of %d bytes" % (len(data), n))
            data += part
        return bytes(data)

    def read_to_end(self):
        """What came, and how it ended: "close_notify", "cut" or "rst"."""
        data = bytearray()
        try:
            while True:
                part = self.read()
                if not part:
                    return bytes(data), "close_notify"
                data += part
        except ssl.SSLZeroReturnError:
            return bytes(data), "close_notify"
        except ssl.SSLEOFError:
            return bytes(data), "cut"
        except ConnectionResetError:
            return bytes(data), "rst"

    def close_notify(self):
        """End our direction; reading goes on."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.send_out()

    def end_wire(self):
        self.sock.shutdown(socket.SHUT_WR)


class Server(Client):
    """The other end: TLS over a socket that an upstream accepted."""

    def __init__(self, sock, context, shape=None):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.shape = shape or (lambda data, sock: sock.sendall(data))
        self.drive(self.tls.do_handshake)


class Cut(Exception):
    """A shape has sent all that it was to send."""


def budget(n):
    """A shape that breaks off after n bytes."""
    left = [n]

    def shape(data, sock):
        part = data[:left[0]]
        left[0] -= len(part)
        if part:
            sock.sendall(part)
        if len(part) < len(data):
            raise Cut

    return shape


def tiny_records(sizes):
    """A shape that cuts the first flight, the ClientHello, into records of these sizes."""
    todo = [True]

    def shape(data, sock):
        if not todo:
            sock.sendall(data)
            return
        todo.clear()
        body, rest = data[5:5 + int.from_bytes(data[3:5], "big")], data
        rest = data[5 + len(body):]
        out, i = bytearray(), 0
        while body:
            n = min(sizes[i % len(sizes)], len(body))
            out += bytes([22, 3, 1]) + n.to_bytes(2, "big") + body[:n]
            body, i = body[n:], i + 1
        sock.sendall(bytes(out) + rest)

    return shape
