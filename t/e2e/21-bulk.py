# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of 21-bulk.sh: arguments are the daemon's port, the upstream's, the daemon's pid
and log, then a second pair of ports, whose upstream has a small receive buffer."""
import hashlib
import os
import random
import socket
import sys
import threading
import time

from hello_peers import noise
from relay_peers import Pair, listen, memory, read_exactly, run, same

PORT, UPSTREAM, PID = (int(a) for a in sys.argv[1:4])
LOG = sys.argv[4]
SANITIZERS = bool(os.environ.get("SANITIZERS"))

MIB = 1 << 20
BIG = 64 if SANITIZERS else 1024
listener = listen(UPSTREAM)
stalled = listen(int(sys.argv[6]), rcvbuf=65536)


def blocks(seed, n):
    """n blocks of 1 MiB, no two of them the same, in one buffer."""
    block = bytearray(noise(MIB, seed))
    for i in range(n):
        block[:8] = i.to_bytes(8, "big")
        yield block


def send_blocks(sock, seed, n, digests):
    digest = hashlib.sha256()
    for block in blocks(seed, n):
        sock.sendall(block)
        digest.update(block)
    sock.shutdown(socket.SHUT_WR)
    digests[sock] = digest.hexdigest()


def receive(sock, size):
    """(bytes, digest) of all that comes; size() gives the most to take at once."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(MIB))
    total = 0
    while True:
        n = sock.recv_into(buffer, size())
        if n == 0:
            return total, digest.hexdigest()
        digest.update(buffer[:n])
        total += n


def both_ways():
    """much at the same time both ways"""
    with Pair(PORT, listener) as p:
        digests = {}
        results = {}
        start = time.monotonic()

        def take(sock):
            results[sock] = receive(sock, lambda: MIB)

        threads = []
        for seed, sock in ((1, p.client), (2, p.upstream)):
            threads.append(threading.Thread(target=send_blocks, args=(sock, seed, BIG, digests)))
            threads.append(threading.Thread(target=take, args=(sock,)))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        seconds = time.monotonic() - start
        same("download", (BIG * MIB, digests.get(p.upstream)), results.get(p.client))
        same("upload", (BIG * MIB, digests.get(p.client)), results.get(p.upstream))
        p.logged(LOG, bytes_in=str(BIG * MIB + 1), bytes_out=str(BIG * MIB), truncated=None)
    return "2 x %d MiB in %.1f s" % (BIG, seconds)


def random_segments():
    """random sizes of what is sent and of what is read"""
    chance = random.Random(21)
    want = noise(24 * MIB, 3)

    def send(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = 0
        while at < len(want):
            n = chance.choice((1, 7, 100, 1460, 5000, 16384, 70000, 300000))
            n = chance.randint(1, n)
            sock.sendall(want[at : at + n])
            at += n
        sock.shutdown(socket.SHUT_WR)

    with Pair(PORT, listener) as p:
        threads = [threading.Thread(target=send, args=(s,)) for s in (p.client, p.upstream)]
        for t in threads:
            t.start()
        digest = (len(want), hashlib.sha256(want).hexdigest())
        results = {}
        sizes = random.Random(22)

        def take():
            results["up"] = receive(p.upstream, lambda: sizes.randint(1, 100000))

        threads.append(threading.Thread(target=take))
        threads[-1].start()
        same("download", digest, receive(p.client, lambda: chance.randint(1, 100000)))
        for t in threads:
            t.join()
        same("upload", digest, results.get("up"))


def fill(sock, total):
    """Send until nothing moves any more; how many bytes went."""
    sock.setblocking(False)
    block = bytes(MIB)
    sent = 0
    moved = time.monotonic()
    while sent < total and time.monotonic() - moved < 0.5:
        try:
            sent += sock.send(block[: total - sent])
            moved = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    sock.settimeout(60)
    return sent


def back_pressure(sender, receiver, name):
    total = 200 * MIB
    before = memory(PID)
    sent = fill(sender, total)
    grown = memory(PID) - before
    if sent == total:
        raise AssertionError("%s: nobody held the sender back" % name)
    if grown > 20 * MIB:
        raise AssertionError("%s: %d KiB more memory while stalled" % (name, grown >> 10))

    # Now slowly, and then all of it.
    def rest():
        left = total - sent
        while left > 0:
            n = min(left, MIB)
            sender.sendall(bytes(n))
            left -= n

    thread = threading.Thread(target=rest)
    thread.start()
    for _ in range(20):
        same(name, bytes(4096), read_exactly(receiver, 4096))
        time.sleep(0.005)
    left = total - 20 * 4096
    while left > 0:
        left -= len(receiver.recv(min(left, MIB)))
    thread.join()
    return "%s held back after %d MiB, %d KiB of memory" % (name, sent >> 20, grown >> 10)


def slow_reader():
    """a reader that stalls holds the sender back, not the memory"""
    notes = []
    with Pair(PORT, listener) as p:
        notes.append(back_pressure(p.upstream, p.client, "download"))
    with Pair(int(sys.argv[5]), stalled) as p:
        notes.append(back_pressure(p.client, p.upstream, "upload"))
    return ", ".join(notes)


def urgent_data():
    """bytes behind urgent data in the midst of bulk arrive, before an end and without one"""
    half = 2 * MIB
    for ends in (False, True):
        for upload in (False, True):
            with Pair(PORT, listener) as p:
                sender, receiver = (p.client, p.upstream) if upload else (p.upstream, p.client)

                def send():
                    sender.sendall(bytes(half))
                    sender.send(b"!", socket.MSG_OOB)  # which is in no stream of bytes
                    sender.sendall(bytes(half))
                    if ends:
                        sender.shutdown(socket.SHUT_WR)

                thread = threading.Thread(target=send)
                thread.start()
                # Half of it has come, and the rest is before the daemon: it waits for room.
                same("first", bytes(4096), read_exactly(receiver, 4096))
                time.sleep(0.1)
                same("rest", bytes(2 * half - 4096), read_exactly(receiver, 2 * half - 4096))
                if ends:
                    same("end", b"", receiver.recv(1))
                thread.join()


sys.exit(run(both_ways, random_segments, slow_reader, urgent_data))
