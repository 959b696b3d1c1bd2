# SPDX-License-Identifier: GPL-2.0-or-later
"""A man in the middle of TLS who damages what clients send, in a manner for each of its ports: the
argument is the daemon's port. Says "MANNER PORT" for all of them, then "listening"."""
import socket
import sys
import threading

from relay_peers import listen

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, CERTIFICATE, CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE = 1, 11, 15, 16


def wire(kind, body, length=None):
    return bytes([kind, 3, 3]) + (len(body) if length is None else length).to_bytes(2, "big") + body


def messages(body):
    """Handshake messages of a record, headers included."""
    while body:
        n = 4 + int.from_bytes(body[1:4], "big")
        yield body[:n]
        body = body[n:]


def in_message(kind, change):
    """A manner that changes the body of one message of the handshake in the clear."""
    def manner(state, record_kind, body):
        if record_kind != HANDSHAKE or state["clear"] is False:
            return wire(record_kind, body)
        out = b""
        for message in messages(body):
            if message[0] == kind and not state["done"]:
                state["done"] = True
                new = change(message[4:])
                message = bytes([kind]) + len(new).to_bytes(3, "big") + new
            out += message
        return wire(record_kind, out)
    return manner


def flip_last(body):
    return body[:-1] + bytes([body[-1] ^ 1])


def at_record(number, change):
    """A manner that changes one record, counted from 0, the ClientHello."""
    def manner(state, kind, body):
        state["n"] += 1
        return change(kind, body) if state["n"] == number + 1 else wire(kind, body)
    return manner


def at_kind(wanted, change):
    """A manner that changes the first record of a kind."""
    def manner(state, kind, body):
        if kind != wanted or state["done"]:
            return wire(kind, body)
        state["done"] = True
        return change(kind, body)
    return manner


def extensions(hello):
    """Where they begin in a ClientHello's body, and each as (type, bytes)."""
    at = 35 + hello[34]
    at += 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 1 + hello[at]
    found, rest = [], hello[at + 2:]
    while rest:
        n = 4 + int.from_bytes(rest[2:4], "big")
        found.append((int.from_bytes(rest[:2], "big"), rest[:n]))
        rest = rest[n:]
    return at, found


def extension(kind, change):
    """For in_message: one extension changed by change(bytes), b"" for left out."""
    def hello(body):
        at, found = extensions(body)
        out = b"".join(change(e) if k == kind else e for k, e in found)
        return body[:at] + len(out).to_bytes(2, "big") + out
    return in_message(CLIENT_HELLO, hello)


def compression(body):
    at = 35 + body[34]
    at += 2 + int.from_bytes(body[at:at + 2], "big")
    return body[:at] + b"\1\1" + body[at + 2:]


def long_extensions(body):
    at, _ = extensions(body)
    n = int.from_bytes(body[at:at + 2], "big")
    return body[:at] + (n + 1).to_bytes(2, "big") + body[at + 2:]


MANNERS = {
    # records
    "hello-twice": at_record(0, lambda kind, body: wire(kind, body) + wire(kind, body)),
    "data-early": at_record(1, lambda kind, body: wire(DATA, body)),
    "odd-kind": at_record(1, lambda kind, body: wire(99, body)),
    "too-long": at_record(1, lambda kind, body: wire(kind, body, 16384 + 2049)),
    "data-too-long": at_kind(DATA, lambda kind, body: wire(kind, bytes(16384 + 2049))),
    "data-broken": at_kind(DATA, lambda kind, body: wire(kind, flip_last(body))),
    "data-short": at_kind(DATA, lambda kind, body: wire(kind, body[:3])),
    "ccs-odd": at_kind(CHANGE_CIPHER_SPEC, lambda kind, body: wire(kind, b"\2")),
    "ccs-long": at_kind(CHANGE_CIPHER_SPEC, lambda kind, body: wire(kind, b"\1\1")),
    "alert-short": at_record(1, lambda kind, body: wire(ALERT, b"\1")),
    # messages
    "extensions-long": in_message(CLIENT_HELLO, long_extensions),
    "compression": in_message(CLIENT_HELLO, compression),
    "share-off-curve": extension(51, flip_last),
    "share-zero": extension(51, lambda e: e[:10] + bytes(len(e) - 10)),
    "no-groups": extension(10, lambda e: b""),
    "no-key-share": extension(51, lambda e: b""),
    "no-signatures": extension(13, lambda e: b""),
    "extension-twice": extension(13, lambda e: e + e),
    "exchange-off-curve": in_message(CLIENT_KEY_EXCHANGE, flip_last),
    "exchange-zero": in_message(CLIENT_KEY_EXCHANGE, lambda b: b[:1] + bytes(len(b) - 1)),
    "exchange-short": in_message(CLIENT_KEY_EXCHANGE, lambda b: b[:-1]),
    "exchange-long": in_message(CLIENT_KEY_EXCHANGE, lambda b: b + b"\0"),
    "verify-broken": in_message(CERTIFICATE_VERIFY, flip_last),
    "certificate-broken": in_message(CERTIFICATE, flip_last),
    "certificate-garbage": in_message(CERTIFICATE, lambda b: b[:10] + bytes(len(b) - 10)),
    "certificate-short": in_message(CERTIFICATE, lambda b: b[:-1]),
}


def forward(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def damage(client, server, manner):
    state = {"n": 0, "done": False, "clear": True}
    data = b""
    try:
        while part := client.recv(65536):
            data += part
            while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5], "big"):
                n = 5 + int.from_bytes(data[3:5], "big")
                server.sendall(manner(state, data[0], data[5:n]))
                if data[0] == CHANGE_CIPHER_SPEC:
                    state["clear"] = False
                data = data[n:]
        server.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(listener, daemon, manner):
    while True:
        try:
            client, _ = listener.accept()
        except socket.timeout:
            continue
        server = socket.create_connection(("127.0.0.1", daemon))
        threading.Thread(target=forward, args=(server, client), daemon=True).start()
        threading.Thread(target=damage, args=(client, server, manner), daemon=True).start()


def main(daemon):
    for name, manner in MANNERS.items():
        listener = listen(0)
        print(name, listener.getsockname()[1])
        threading.Thread(target=serve, args=(listener, daemon, manner)).start()
    print("listening", flush=True)


main(int(sys.argv[1]))
