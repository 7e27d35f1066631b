"""A FastAPI service, for uvicorn: `uvicorn asgi:app`. WORK says who makes the calls.

Without it, tasks of the event loop do, with httpx; with `threads` the thread that FastAPI has for an endpoint that is no coroutine, one
after the other, with requests; with `to-thread` those of the event loop's executor.
"""

import asyncio
import os
import threading
import time

import httpx
import requests
from fastapi import Depends, FastAPI, Request, Response

from program import steps

app = FastAPI()
client = httpx.AsyncClient(trust_env=False, timeout=60, limits=httpx.Limits(max_connections=1024, max_keepalive_connections=1024))
local = threading.local()


async def call(c):
    reply = await client.post(c.url, content=c.body)
    reply.raise_for_status()


def post(c):
    if not hasattr(local, "session"):
        local.session = requests.Session()
        local.session.trust_env = False
    local.session.post(c.url, data=c.body).raise_for_status()


def post_in_thread(c):
    return asyncio.to_thread(post, c)


make = post_in_thread if os.environ.get("WORK") == "to-thread" else call


async def serve(path: str, request: Request):
    for step in steps(await request.body()):
        if isinstance(step, int):
            await asyncio.sleep(step / 1000)
        elif len(step) == 1:
            await make(step[0])
        else:
            await asyncio.gather(*(make(c) for c in step))
    return Response(b"ok\n", media_type="text/plain")


async def body(request: Request):
    return await request.body()


def serve_in_thread(path: str, program: bytes = Depends(body)):
    for step in steps(program):
        if isinstance(step, int):
            time.sleep(step / 1000)
        else:
            for c in step:
                post(c)
    return Response(b"ok\n", media_type="text/plain")


app.post("/{path:path}")(serve_in_thread if os.environ.get("WORK") == "threads" else serve)
