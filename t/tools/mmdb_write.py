#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mmdb_write.py FILE NETWORK=COUNTRY...: a MaxMind database with country.iso_code, for tests.

Format: https://maxmind.github.io/MaxMind-DB/, version 2.0, records of 24 bits, an IPv6 tree with
IPv4 at ::/96.
"""
import ipaddress
import sys


def control(kind, size):
    assert size < 29
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])


def encode(value):
    if isinstance(value, str):
        return control(2, len(value)) + value.encode()
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(encode(v) for v in value)
    kind, number = value
    raw = number.to_bytes(8, "big").lstrip(b"\0")
    return control(kind, len(raw)) + raw


def uint16(n):
    return (5, n)


def uint32(n):
    return (6, n)


def uint64(n):
    return (9, n)


def bits_of(network):
    if network.version == 4:
        network = ipaddress.ip_network("::%s/%d" % (network.network_address, network.prefixlen + 96))
    value = int(network.network_address)
    return [value >> (127 - i) & 1 for i in range(network.prefixlen)]


def build_tree(countries):
    """Nodes of two records each: None, the index of a node, or the name of a country."""
    nodes = [[None, None]]
    for network, country in countries:
        at = 0
        bits = bits_of(ipaddress.ip_network(network))
        for bit in bits[:-1]:
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
            assert isinstance(at, int), "networks overlap"
        assert nodes[at][bits[-1]] is None, "networks overlap"
        nodes[at][bits[-1]] = country
    return nodes


def write(path, countries):
    nodes = build_tree(countries)
    data, offsets = b"", {}
    for _, country in countries:
        if country not in offsets:
            offsets[country] = len(data)
            data += encode({"country": {"iso_code": country}} if country else {"city": "none"})
    tree = b""
    for node in nodes:
        for record in node:
            if record is None:
                record = len(nodes)
            elif isinstance(record, str):
                record = len(nodes) + 16 + offsets[record]
            tree += record.to_bytes(3, "big")
    metadata = encode({
        "node_count": uint32(len(nodes)), "record_size": uint16(24), "ip_version": uint16(6),
        "database_type": "Test-Country", "languages": ["en"],
        "binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0),
        "build_epoch": uint64(1700000000), "description": {"en": "for tests"}})
    with open(path, "wb") as out:
        out.write(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + metadata)


if __name__ == "__main__":
    write(sys.argv[1], [tuple(arg.split("=")) for arg in sys.argv[2:]])
