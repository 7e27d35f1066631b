"""A service on PORT with a thread for each connection, which calls itself from the threads of pools.

/work/N   has two threads of a pool call /leaf/N at the same time, and then one that has another one do it
/fire/N   leaves a job that calls /leaf/N later, and replies before
/queue/N  has a worker call /leaf/N that takes its work from a queue.Queue
"""

import http.client
import os
import queue
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(os.environ["PORT"])
outer, inner, idle, jobs = ThreadPoolExecutor(16), ThreadPoolExecutor(16), [], queue.Queue()


def call(path):
    try:
        c = idle.pop()
    except IndexError:
        c = http.client.HTTPConnection("127.0.0.1", PORT)
    c.request("GET", path)
    c.getresponse().read()
    idle.append(c)


def pause():
    time.sleep(random.uniform(0, 0.01))


def later(path):
    pause()
    call(path)


def worker():
    while True:
        path, done = jobs.get()
        call(path)
        done.set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind, number = self.path[1:].split("/")
        leaf = "/leaf/" + number
        pause()
        if kind == "work":
            for job in [outer.submit(call, leaf), outer.submit(call, leaf)]:
                job.result()
            pause()
            outer.submit(lambda: inner.submit(call, leaf).result()).result()
        elif kind == "fire":
            outer.submit(later, leaf)
        elif kind == "queue":
            done = threading.Event()
            jobs.put((leaf, done))
            done.wait()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


threading.Thread(target=worker, daemon=True).start()
Server(("127.0.0.1", PORT), Handler).serve_forever()
