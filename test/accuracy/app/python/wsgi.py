"""A WSGI service with requests, for gunicorn: `gunicorn wsgi:app`. WORK says who makes the calls.

Without it, the thread of the request does, one after the other, with a session for each thread; with `fan` each of the calls
of a step has a thread of its own (a greenlet, under gevent and eventlet), with `queue` eight threads take them from a queue, with
`pool` those of a ThreadPoolExecutor do.
"""

import os
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from program import reply_of, steps

local = threading.local()
jobs = queue.Queue()
pool = ThreadPoolExecutor(16)


def session():
    if not hasattr(local, "session"):
        local.session = new_session()
    return local.session


def new_session():
    s = requests.Session()
    s.trust_env = False
    s.mount("http://", requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=512))
    return s


common = new_session()


def post(session, c):
    if c.hasty:
        try:
            return session.post(c.url, data=c.body, headers=c.headers, timeout=c.PATIENCE).raise_for_status()
        except requests.Timeout:
            pass
    session.post(c.url, data=c.body, headers=c.headers).raise_for_status()


def one_by_one(calls):
    for c in calls:
        post(session(), c)


def in_threads(calls):
    threads = [threading.Thread(target=post, args=(common, c)) for c in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def by_workers(calls):
    events = [threading.Event() for _ in calls]
    for event, call in zip(events, calls):
        jobs.put((event, call))
    for event in events:
        event.wait()


def by_pool(calls):
    for future in [pool.submit(lambda c: post(session(), c), c) for c in calls]:
        future.result()


def work():
    while True:
        event, c = jobs.get()
        post(session(), c)
        event.set()


make = {"": one_by_one, "fan": in_threads, "queue": by_workers, "pool": by_pool}[os.environ.get("WORK", "")]
if make is by_workers:
    for _ in range(8):
        threading.Thread(target=work, daemon=True).start()


def app(environ, start_response):
    program = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    reply, program = reply_of(program)
    for step in steps(program, environ.get("HTTP_TRACEPARENT")):
        if isinstance(step, int):
            time.sleep(step / 1000)
        else:
            make(step)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(reply)))])
    return [reply]
