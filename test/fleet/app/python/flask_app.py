"""The Flask member of the fleet, served by gunicorn: `gunicorn flask_app:app`."""

import time

import requests
from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/hello/<path:token>")
def hello(token):
    return Response(b"hello\n", mimetype="text/plain")


def blocks(n):
    block = b"x" * 65536
    while n > 0:
        yield block[: min(n, len(block))]
        n -= len(block)


@app.get("/bytes/<int:n>/<path:token>")
def sized(n, token):
    return Response(blocks(n), headers={"Content-Length": str(n)}, mimetype="text/plain")


@app.get("/chunked/<int:n>/<path:token>")
def chunked(n, token):
    return Response(blocks(n), mimetype="text/plain")


@app.post("/echo-size/<path:token>")
def echo_size(token):
    size = 0
    while part := request.environ["wsgi.input"].read(1 << 20):
        size += len(part)
    return str(size)


@app.get("/status/<int:code>/<path:token>")
def status(code, token):
    return Response(b"", status=code)


@app.get("/sleep/<int:ms>/<path:token>")
def sleep(ms, token):
    time.sleep(ms / 1000)
    return hello(token)


@app.get("/call/<path:token>")
def call(token):
    headers = {}
    parent = request.headers.get("traceparent")
    if parent and request.args.get("trace") == "pass":
        headers["traceparent"] = parent
    if parent and request.args.get("trace") == "new":
        headers["traceparent"] = "%s%016x%s" % (parent[:36], time.time_ns(), parent[52:])
    reply = requests.get(request.args["url"], headers=headers)
    return Response(reply.content, status=reply.status_code)
