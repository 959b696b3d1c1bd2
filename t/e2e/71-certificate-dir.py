# SPDX-License-Identifier: GPL-2.0-or-later
"""The scale of 71-certificate-dir.sh.

multiply FOLDER NAME COUNT: pairs with the name's digits counted up. Their signatures are wrong, which
a server does not look at.
measure PID LOG COUNT SECONDS: reload, which adds them; the CPU time that takes, and the memory for
each."""
import base64
import os
import re
import signal
import sys

from relay_peers import cpu_seconds, memory, same, wait_for


def multiply(folder, name, count):
    with open("%s/%s.crt" % (folder, name), encoding="ascii") as f:
        der = base64.b64decode(re.search("-+BEGIN CERTIFICATE-+(.*?)-+END", f.read(), re.S)[1])
    with open("%s/%s.key" % (folder, name), encoding="ascii") as f:
        key = f.read()
    os.umask(0o077)
    for i in range(1, count):
        new = "n%05d" % i
        text = base64.encodebytes(der.replace(name.encode(), new.encode())).decode()
        with open("%s/%s.pem" % (folder, new), "w", encoding="ascii") as f:
            f.write("-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n%s" % (text, key))


def measure(pid, log, count, limit):
    before = memory(pid)
    start = cpu_seconds(pid)
    os.kill(pid, signal.SIGHUP)

    def answered():
        with open(log, encoding="utf-8") as f:
            return 'msg="reloaded"' in f.read()
    # It is the CPU time that counts: how long that takes is up to who else is there.
    wait_for("answer to a reload", lambda: answered() or cpu_seconds(pid) - start > limit, 20 * limit)
    same("answered in %.0f s of CPU time" % limit, True, answered())
    took, each = cpu_seconds(pid) - start, (memory(pid) - before) / count
    print("%d certificates: %.2f s, %.1f KiB for each" % (count, took, each / 1024))
    same("at most 40 KiB", True, each < 40960)


if sys.argv[1] == "multiply":
    multiply(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    measure(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
