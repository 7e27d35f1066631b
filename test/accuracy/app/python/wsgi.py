"""A WSGI service with requests, for gunicorn: `gunicorn wsgi:app`. One session for each thread."""

import threading
import time

import requests

from program import steps

local = threading.local()


def session():
    if not hasattr(local, "session"):
        local.session = requests.Session()
        local.session.trust_env = False
    return local.session


def app(environ, start_response):
    program = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    for step in steps(program):
        if isinstance(step, int):
            time.sleep(step / 1000)
            continue
        for url, body in step:
            session().post(url, data=body).raise_for_status()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
