"""The http.server member of the fleet: `web.py PORT`. One thread per connection."""

import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, code, body=b""):
        self.send_response(code)
        if code >= 200 and code not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        part = url.path.split("/")
        if part[1] == "hello":
            self.reply(200, b"hello\n")
        elif part[1] == "bytes":
            self.send_response(200)
            self.send_header("Content-Length", part[2])
            self.end_headers()
            self.fill(int(part[2]), self.wfile.write)
        elif part[1] == "chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.fill(int(part[2]), lambda b: self.wfile.write(b"%x\r\n%s\r\n" % (len(b), b)))
            self.wfile.write(b"0\r\n\r\n")
        elif part[1] == "status":
            self.reply(int(part[2]))
        elif part[1] == "sleep":
            time.sleep(int(part[2]) / 1000)
            self.reply(200, b"hello\n")
        elif part[1] == "call":
            self.call({k: v[0] for k, v in parse_qs(url.query).items()})
        else:
            self.reply(404)

    do_HEAD = do_GET

    @staticmethod
    def fill(n, write):
        block = b"x" * 65536
        while n > 0:
            write(block[: min(n, len(block))])
            n -= len(block)

    def call(self, query):
        request = urllib.request.Request(query["url"])
        parent = self.headers.get("traceparent")
        if parent and query.get("trace") == "pass":
            request.add_header("traceparent", parent)
        if parent and query.get("trace") == "new":
            request.add_header("traceparent", "%s%016x%s" % (parent[:36], time.time_ns(), parent[52:]))
        try:
            with urllib.request.urlopen(request) as reply:
                self.reply(reply.status, reply.read())
        except urllib.error.HTTPError as error:
            self.reply(error.code)

    def do_POST(self):
        size = 0
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while True:
                chunk = int(self.rfile.readline().split(b";")[0], 16)
                size += len(self.rfile.read(chunk))
                while self.rfile.readline() not in (b"\r\n", b"\n", b""):
                    pass
                if chunk == 0:
                    break
        else:
            left = int(self.headers.get("Content-Length", "0"))
            while left > 0:
                part = len(self.rfile.read(min(left, 1 << 20)))
                if part == 0:
                    break  # the client is gone
                left -= part
                size += part
        self.reply(200, b"%d" % size)


class Server(ThreadingHTTPServer):
    request_queue_size = 512


Server(("127.0.0.1", int(sys.argv[1])), Web).serve_forever()
