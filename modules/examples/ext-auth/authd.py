#!/usr/bin/env python3
# SPDX-License-Identifier: MIT-0
"""authd.py SOCKET NAME...: an authorisation server for ext-auth that allows these server names.

The protocol is described in README.md.
"""
import json
import os
import socketserver
import sys


class Question(socketserver.StreamRequestHandler):
    def handle(self):
        question = json.loads(self.rfile.readline(4096))
        name = question.get("sni", "")
        answer = {"allow": name in sys.argv[2:]}
        if not answer["allow"]:
            answer["reason"] = "%s is not for %s" % (name or "an unnamed server", question["client"])
        self.wfile.write(json.dumps(answer).encode() + b"\n")
        print(json.dumps(question), json.dumps(answer), flush=True)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
with Server(sys.argv[1], Question) as server:
    print("listening", flush=True)
    server.serve_forever()
