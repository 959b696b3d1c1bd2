# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon as something that is reloaded over and over: its configuration, its log, its process."""
import os
import re
import shlex
import signal
import subprocess
import sys
import time

from hello_peers import DEADLINE, log_fields
from relay_peers import same, wait_for


def module(name, **options):
    """An entry of a list of modules."""
    parts = ['module = "%s";' % name]
    for key, value in options.items():
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, str):
            value = '"%s"' % value
        parts.append("%s = %s;" % (key, value))
    return "{ " + " ".join(parts) + " }"


def fussy(tag, **options):
    return module("live-fussy", tag=tag, **options)


class Daemon:
    """Environment: POSTERN MODULE_DIR POSTERN_WRAP. In a folder: its configuration and log."""

    def __init__(self, folder, level="debug", workers=2, settings="", notify=None):
        self.conf = os.path.join(folder, "postern.conf")
        self.log = os.path.join(folder, "daemon.log")
        self.top = 'workers = %d; module_dir = "%s"; log = { level = "%s"; };\n%s\n' % (
            workers, os.environ["MODULE_DIR"], level, settings)
        self.notify = notify
        self.process = None
        self.reader = None
        self.partial = ""
        self.lines = []

    # --- configuration

    def configure(self, listeners, edges):
        """listeners, edges: what stands inside their groups."""
        self.write(
            self.top
            + "listeners = (\n%s\n);\n" % ",\n".join("  { %s }" % x for x in listeners)
            + "edges = (\n%s\n);\n" % ",\n".join("  { %s }" % x for x in edges)
        )

    def write(self, text):
        with open(self.conf + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(self.conf + ".new", self.conf)

    # --- log

    def read_log(self):
        """All lines so far."""
        self.partial += self.reader.read()
        whole = self.partial.split("\n")
        self.partial = whole.pop()
        self.lines += whole
        return self.lines

    def mark(self):
        """For `since`: the end of the log now."""
        return len(self.read_log())

    def found(self, pattern, since=0):
        return [line for line in self.read_log()[since:] if re.search(pattern, line)]

    def wait_log(self, pattern, since=0, times=1):
        return wait_for('"%s" in the log' % pattern,
                        lambda: len(self.found(pattern, since)) >= times)

    def transcript(self, since=0):
        """What live-fussy said: tag and call."""
        said = [log_fields(line) for line in self.found("module=live-fussy", since)]
        said = [re.match(r"(\w+): (.*)", f.get("msg", "")) for f in said]
        return [m.groups() for m in said if m]

    # --- process

    def start(self):
        command = shlex.split(os.environ.get("POSTERN_WRAP", ""))
        command += [os.environ["POSTERN"], "-c", self.conf]
        env = dict(os.environ)
        if self.notify:
            env["NOTIFY_SOCKET"] = self.notify
        self.partial, self.lines = "", []
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stderr=log, env=env)
        self.reader = open(self.log, encoding="utf-8", errors="replace")
        wait_for("start", lambda: self.found('msg="?ready') or self.process.poll() is not None)
        same("exit status", None, self.process.poll())

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def reload(self, good=True):
        """Returns when the daemon has said how it went; it must be as told."""
        since = self.mark()
        self.hup()
        wait_for("answer to a reload", lambda: self.found(r'msg="?reload(ed| refused)', since)
                 or self.process.poll() is not None)
        same("daemon", None, self.process.poll())
        refused = self.found(r'msg="reload refused', since)
        same("reload accepted", good, not refused)
        return since

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            same("exit status", 0, self.process.wait(DEADLINE))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("it does not end") from None
        same("sanitizers", [], self.found(r"Sanitizer|runtime error:"))

    # --- figures

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def sockets(self):
        """How many of them are TCP sockets or others of the kind."""
        folder = "/proc/%d/fd" % self.process.pid
        n = 0
        for fd in os.listdir(folder):
            try:
                n += os.readlink(os.path.join(folder, fd)).startswith("socket:")
            except FileNotFoundError:
                pass  # closed meanwhile
        return n

    def threads(self):
        return len(os.listdir("/proc/%d/task" % self.process.pid))

    def rss_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def alive(self):
        """Generations that are not over. Needs log level debug."""
        numbers = [int(log_fields(x)["generation"])
                   for x in self.found(r'msg="?(ready|reloaded)"? ')]
        over = [int(log_fields(x)["generation"]) for x in self.found("a generation is over")]
        return sorted(set(numbers) - set(over))


class Load:
    """The load tool, until finish()."""

    def __init__(self, clients, upstream, port, names, chaos=False, seed=1):
        tool = os.path.join(os.environ["TOOLS_DIR"], "load")
        command = [tool, "--timeout", str(int(DEADLINE)), "--seed", str(seed)]
        command += ["--chaos"] if chaos else []
        self.process = subprocess.Popen(command + [str(clients), str(upstream), str(port)] + names,
                                        stdout=subprocess.PIPE, encoding="ascii")
        same("load", "running\n", self.process.stdout.readline())

    def finish(self):
        """Its figures; nothing may have failed."""
        self.process.terminate()
        words = self.process.stdout.read().split()
        self.process.wait()
        figures = dict(zip(words[::2], map(int, words[1::2])))
        print("  " + " ".join(words))
        same("failed connections", 0, figures.get("failed"))
        return figures


def guarded(daemon, steps):
    """Run steps(); whatever happens the daemon ends, and its log is shown when that was bad."""
    try:
        steps()
    except BaseException:
        if daemon.process is not None:
            daemon.process.kill()
            daemon.process.wait()
            sys.stderr.write("".join(x + "\n" for x in daemon.read_log()[-60:]))
        raise


def until(seconds):
    """True until they are over, for `while`."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
