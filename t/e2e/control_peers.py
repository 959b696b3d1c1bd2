# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket: through posternctl, and by hand."""
import json
import os
import socket
import subprocess

from hello_peers import DEADLINE
from relay_peers import same

CTL = os.environ.get("POSTERNCTL", "")


class Control:
    def __init__(self, path):
        self.path = path

    def run(self, *args, status=0):
        """posternctl's standard output and error."""
        done = subprocess.run([CTL, "-s", self.path, *args], capture_output=True, encoding="utf-8",
                              timeout=DEADLINE * 2, check=False)
        same("exit status of posternctl " + " ".join(args), status, done.returncode)
        return done.stdout, done.stderr

    def rows(self, *args, status=0):
        out, _ = self.run("--json", *args, status=status)
        return [json.loads(line) for line in out.splitlines()]

    def start(self, *args):
        return subprocess.Popen([CTL, "-s", self.path, *args], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, encoding="utf-8")

    def open(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(DEADLINE)
        sock.connect(self.path)
        return sock

    def ask(self, request):
        """Raw bytes to the socket; everything it answers, as objects."""
        with self.open() as sock:
            try:
                sock.sendall(request)
            except BrokenPipeError:
                pass  # it was turned away before it had asked; the answer says why
            return [json.loads(line) for line in read_all(sock).splitlines()]

    def error(self, request):
        rows = self.ask(request)
        same("rows of an error", 1, len(rows))
        same("end", (True, False), (rows[0]["end"], rows[0]["ok"]))
        return rows[0]["error"]


def read_all(sock):
    data = b""
    while True:
        try:
            part = sock.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return data
        data += part
