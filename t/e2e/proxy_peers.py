# SPDX-License-Identifier: GPL-2.0-or-later
"""PROXY protocol headers, written and read by code the daemon does not share."""
import socket
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL, NETNS = 1, 2, 3, 4, 5, 0x20, 0x30
SSL_NAMES = {0x21: "version", 0x22: "cn", 0x23: "cipher", 0x24: "sig_alg", 0x25: "key_alg",
             0x26: "group", 0x27: "sig_scheme", 0x28: "client_cert"}


def crc32c(data):
    """RFC 4960, appendix B, one bit at a time."""
    crc = 0xFFFFFFFF
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def ip_bytes(ip):
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


def line(src, dst=("203.0.113.1", 443)):
    """Version 1."""
    family = "TCP6" if ":" in src[0] else "TCP4"
    return ("PROXY %s %s %s %d %d\r\n" % (family, src[0], dst[0], src[1], dst[1])).encode()


def header(src=None, dst=("203.0.113.1", 443), tlvs=b"", command=0x21, family=None, body=None,
           checksum=False):
    """Version 2. body: instead of addresses. checksum: the right one, in front of the TLVs."""
    if body is None:
        body = b""
        if src:
            body = ip_bytes(src[0]) + ip_bytes(dst[0]) + struct.pack("!HH", src[1], dst[1])
    if family is None:
        family = {0: 0, 12: 0x11, 36: 0x21, 216: 0x31}[len(body)]
    at = 16 + len(body) + 3
    if checksum:
        tlvs = tlv(CRC32C, bytes(4)) + tlvs
    whole = SIGNATURE + struct.pack("!BBH", command, family, len(body) + len(tlvs)) + body + tlvs
    if checksum:
        whole = whole[:at] + struct.pack("!I", crc32c(whole)) + whole[at + 4:]
    return whole


def read_tlvs(area):
    out = []
    while area:
        kind, n = struct.unpack_from("!BH", area)
        if len(area) < 3 + n:
            raise ValueError("a TLV passes the end")
        out.append((kind, area[3:3 + n]))
        area = area[3 + n:]
    return out


def read_ssl(value):
    client, verify = struct.unpack_from("!BI", value)
    out = {"client": client, "verify": verify}
    for kind, inner in read_tlvs(value[5:]):
        out[SSL_NAMES[kind]] = inner if kind == 0x28 else inner.decode()
    return out


def read_header(data):
    """(what it says, what follows) of bytes that begin with a header; ValueError otherwise."""
    if data.startswith(b"PROXY "):
        text, rest = data.split(b"\r\n", 1)
        words = text.decode().split(" ")
        if words[1] == "UNKNOWN":
            return {"version": 1, "family": "UNKNOWN"}, rest
        return {"version": 1, "family": words[1], "src": (words[2], int(words[4])),
                "dst": (words[3], int(words[5]))}, rest
    if not data.startswith(SIGNATURE):
        raise ValueError("no header: %r" % data[:40])
    command, family, n = struct.unpack_from("!BBH", data, 12)
    whole, body = data[:16 + n], data[16:16 + n]
    out = {"version": 2, "command": command, "family": family}
    size = {1: 4, 2: 16}.get(family >> 4, 0)
    if size:
        ports = struct.unpack_from("!HH", body, 2 * size)
        af = socket.AF_INET if size == 4 else socket.AF_INET6
        out["src"] = (socket.inet_ntop(af, body[:size]), ports[0])
        out["dst"] = (socket.inet_ntop(af, body[size:2 * size]), ports[1])
        body = body[2 * size + 4:]
    at = 16 + n - len(body)
    for kind, value in read_tlvs(body):
        if kind == CRC32C:
            zeroed = whole[:at + 3] + bytes(4) + whole[at + 7:]
            if struct.unpack("!I", value)[0] != crc32c(zeroed):
                raise ValueError("wrong checksum")
        out[kind] = read_ssl(value) if kind == SSL else value
        at += 3 + len(value)
    return out, data[16 + n:]
