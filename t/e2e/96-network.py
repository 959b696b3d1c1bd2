# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: a folder, the daemon's port, an upstream's, that of one that is never heard."""
import hashlib
import os
import random
import subprocess
import sys
import threading
import time

from event_peers import File
from hello_peers import DEADLINE, connect
from relay_peers import FIRST, Pair, listen, read_exactly, read_to_end, reset, same, wait_for
from reload_peers import Daemon, guarded, module

FOLDER = sys.argv[1]
PORT, UPSTREAM, BLACK = (int(a) for a in sys.argv[2:])
TRANSFERS, SIZE = 16, 1 << 20

daemon = Daemon(FOLDER, workers=2, settings='sandbox = { writable = [ "%s" ]; };' % FOLDER)
events = File(os.path.join(FOLDER, "events.json"))


def configure(*ports, connect="1s", idle="2s"):
    log = module("event-logging", sink="file:" + events.path)
    targets = ", ".join('"127.0.0.1:%d"' % p for p in ports)
    daemon.configure(
        ['name = "public"; address = "127.0.0.1:%d"; not_tls = "all"; '
         'timeouts = { hello = "20s"; }; modules = ( %s );' % (PORT, log)],
        ['name = "all"; upstream = { targets = ( %s ); max_fails = 0; }; '
         'timeouts = { connect = "%s"; idle = "%s"; half_close = "%s"; };' % (
             targets, connect, idle, idle)])


def nft(what, which, port):
    subprocess.run(["nft", what, "element", "inet", "t", which, "{ %d }" % port], check=True,
                   timeout=DEADLINE)


def event(source):
    return events.wait(source)["object"]


def silent_target():
    """nobody answers a connect"""
    nft("add", "black", BLACK)
    configure(BLACK)
    daemon.start()
    with connect(PORT) as sock:
        began = time.monotonic()
        sock.sendall(FIRST)
        same("answer", b"", read_to_end(sock)[0])
        took = time.monotonic() - began
        same("the connect deadline, after %.1f s" % took, True, 0.9 < took < 5)
        close = event(sock.getsockname())["close"]
        same("reason", ("connect_failed", "ETIMEDOUT"), (close["reason"], close.get("error")))


def next_target(upstream):
    """the second target is taken in time"""
    configure(BLACK, UPSTREAM)
    daemon.reload()
    for _ in range(2):
        with Pair(PORT, upstream) as pair:
            pair.upstream.sendall(b"!")
            same("answer", b"!", read_exactly(pair.client, 1))


def half_open(upstream):
    """a connection whose other end has vanished is cut by the idle deadline"""
    configure(UPSTREAM)
    daemon.reload()
    with Pair(PORT, upstream) as pair:
        nft("add", "black", UPSTREAM)
        reset(pair.upstream)  # which nobody hears
        pair.client.sendall(b"into the void")
        began = time.monotonic()
        same("nothing", b"", read_to_end(pair.client)[0])
        took = time.monotonic() - began
        same("the idle deadline, after %.1f s" % took, True, 1 < took < 8)
        o = event(pair.source)
        same("reason", "idle", o["close"]["reason"])
        same("what it was sent is told", 1 + len(b"into the void"), o["conn"]["bytes_in"])
    nft("delete", "black", UPSTREAM)


def transfer(i, upstream_of, failed):
    rng = random.Random(i)
    up, down = rng.randbytes(SIZE), rng.randbytes(SIZE)
    try:
        with connect(PORT) as sock:
            sock.settimeout(DEADLINE * 3)
            sock.sendall(b"D%03d" % i)
            upstream_of[i] = (up, down)
            sender = threading.Thread(target=sock.sendall, args=(up,))
            sender.start()
            got = read_exactly(sock, SIZE)
            sender.join()
            same("hash of %d" % i, hashlib.sha256(down).digest(), hashlib.sha256(got).digest())
    except (OSError, EOFError, AssertionError) as e:
        failed.append("%d: %s" % (i, e))


def answer(sock, upstream_of, failed):
    i = int(read_exactly(sock, 4)[1:])
    wait_for("client", lambda: i in upstream_of)
    up, down = upstream_of[i]
    sender = threading.Thread(target=sock.sendall, args=(down,))
    sender.start()
    got = read_exactly(sock, SIZE)
    sender.join()
    if got != up:
        failed.append("%d: the upstream got something else" % i)
    sock.close()


def lossy(upstream):
    """one packet in twenty is lost, both sides; hashes of what was transferred"""
    # A lost SYN costs a second, and is not always lost once.
    configure(UPSTREAM, connect="20s", idle="20s")
    daemon.reload()
    nft("add", "lossy", PORT)
    nft("add", "lossy", UPSTREAM)
    upstream_of, failed = {}, []
    clients = [threading.Thread(target=transfer, args=(i, upstream_of, failed)) for i in range(TRANSFERS)]
    for c in clients:
        c.start()
    servers = []
    for _ in range(TRANSFERS):
        sock, _ = upstream.accept()
        sock.settimeout(DEADLINE * 3)
        servers.append(threading.Thread(target=answer, args=(sock, upstream_of, failed)))
        servers[-1].start()
    for t in clients + servers:
        t.join()
    nft("delete", "lossy", PORT)
    nft("delete", "lossy", UPSTREAM)
    same("transfers that failed", [], failed)


def steps():
    upstream = listen(UPSTREAM)
    silent_target()
    for part in (next_target, half_open, lossy):
        began = time.monotonic()
        part(upstream)
        print("  %s: %.1f s" % (part.__doc__, time.monotonic() - began), flush=True)
    daemon.stop()


guarded(daemon, steps)
