# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon in which chosen calls fail (t/faults/inject.c)."""
import errno
import mmap
import os
import struct

from relay_peers import wait_for
from reload_peers import Daemon

# As in t/faults/inject.c.
KINDS = {k: i for i, k in enumerate(
    ("malloc", "open", "accept", "socket", "connect", "read", "write", "send", "pipe", "splice",
     "epoll", "random", "sockopt", "thread"), 1)}
SHORT = -1
ALL = 0xffffffff
PAGE = struct.Struct("=qIiIIIII")
SEEN, FAILED = 28, 32  # offsets of what the library counts


class Faults:
    """The page that says what fails. `wrap`: what the daemon is to be run under."""

    def __init__(self, folder):
        path = os.path.join(folder, "faults")
        with open(path, "wb") as f:
            f.write(bytes(4096))
        with open(path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), 4096)
        library = os.path.join(os.environ["top_builddir"], "t/faults/inject.so")
        self.wrap = "env LD_PRELOAD=%s FAULT_CONTROL=%s" % (library, path)
        if "address" in os.environ.get("SANITIZERS", ""):
            # wolfSSL 5.5 forgets a key share when it has no memory for the next.
            known = os.path.join(folder, "known-leaks")
            with open(known, "w", encoding="ascii") as f:
                f.write("leak:TLSX_KeyShare_New\n")
            self.wrap += " ASAN_OPTIONS=verify_asan_link_order=0:%s LSAN_OPTIONS=suppressions=%s" % (
                os.environ.get("ASAN_OPTIONS", ""), known)

    def arm(self, kind, err, first=1, every=1, most=1):
        """The calls number first, first + every ... of this kind fail, `most` of them at most."""
        wall_s = PAGE.unpack_from(self.page)[0]
        self.off()
        number = err if isinstance(err, int) else getattr(errno, err)
        PAGE.pack_into(self.page, 0, wall_s, 0, number, first, every, most, 0, 0)
        struct.pack_into("=I", self.page, 8, KINDS[kind])

    def off(self):
        """How many calls failed since arm()."""
        struct.pack_into("=I", self.page, 8, 0)
        return self.failed()

    def seen(self):
        return struct.unpack_from("=I", self.page, SEEN)[0]

    def failed(self):
        return struct.unpack_from("=I", self.page, FAILED)[0]

    def wall(self, seconds):
        """The daemon's wall clock is so much ahead."""
        struct.pack_into("=q", self.page, 0, seconds)


class Faulty(Daemon):
    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        self.faults = Faults(folder)

    def start(self):
        before = os.environ.get("POSTERN_WRAP")
        os.environ["POSTERN_WRAP"] = self.faults.wrap
        try:
            super().start()
        finally:
            if before is None:
                del os.environ["POSTERN_WRAP"]
            else:
                os.environ["POSTERN_WRAP"] = before


def settle(daemon, fds):
    """Until the daemon has no more descriptors open than that: connections end by and by."""
    try:
        wait_for("end of connections", lambda: daemon.fds() <= fds)
    except TimeoutError:
        folder = "/proc/%d/fd" % daemon.process.pid
        open_now = sorted(os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder))
        raise AssertionError("descriptors: %d before, now %d: %s" % (
            fds, len(open_now), open_now)) from None
