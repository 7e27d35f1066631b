"""A WSGI service with requests, for gunicorn: `gunicorn wsgi:app`. WORK says who makes the calls.

Without it, the thread of the request does, one after the other, with a session for each thread; with `fan` each of the calls
of a step has a thread of its own (a greenlet, under gevent and eventlet), with `queue` eight threads take them from a queue.
"""

import os
import queue
import threading
import time

import requests

from program import steps

local = threading.local()
jobs = queue.Queue()


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


def one_by_one(calls):
    for url, body in calls:
        session().post(url, data=body).raise_for_status()


def in_threads(calls):
    threads = [threading.Thread(target=common.post, args=(url,), kwargs={"data": body}) for url, body in calls]
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


def work():
    while True:
        event, (url, body) = jobs.get()
        session().post(url, data=body)
        event.set()


make = {"": one_by_one, "fan": in_threads, "queue": by_workers}[os.environ.get("WORK", "")]
if make is by_workers:
    for _ in range(8):
        threading.Thread(target=work, daemon=True).start()


def app(environ, start_response):
    program = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    for step in steps(program):
        if isinstance(step, int):
            time.sleep(step / 1000)
        else:
            make(step)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
