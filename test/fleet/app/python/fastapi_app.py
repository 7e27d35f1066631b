"""The FastAPI member of the fleet, served by uvicorn: `uvicorn fastapi_app:app`. All routes run on the event loop."""

import asyncio
import time

import requests
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

app = FastAPI()


@app.api_route("/hello/{token:path}", methods=["GET", "HEAD"])
async def hello(token: str):
    return Response(b"hello\n", media_type="text/plain")


async def blocks(n):
    block = b"x" * 65536
    while n > 0:
        yield block[: min(n, len(block))]
        n -= len(block)


@app.get("/bytes/{n}/{token:path}")
async def sized(n: int, token: str):
    return StreamingResponse(blocks(n), headers={"Content-Length": str(n)})


@app.get("/chunked/{n}/{token:path}")
async def chunked(n: int, token: str):
    return StreamingResponse(blocks(n))


@app.post("/echo-size/{token:path}")
async def echo_size(token: str, request: Request):
    size = 0
    async for part in request.stream():
        size += len(part)
    return Response(str(size))


@app.get("/status/{code}/{token:path}")
async def status(code: int, token: str):
    return Response(b"", status_code=code)


@app.get("/sleep/{ms}/{token:path}")
async def sleep(ms: int, token: str):
    await asyncio.sleep(ms / 1000)
    return await hello(token)


@app.get("/call/{token:path}")
async def call(token: str, url: str, request: Request, trace: str = ""):
    headers = {}
    parent = request.headers.get("traceparent")
    if parent and trace == "pass":
        headers["traceparent"] = parent
    if parent and trace == "new":
        headers["traceparent"] = "%s%016x%s" % (parent[:36], time.time_ns(), parent[52:])
    reply = await run_in_threadpool(requests.get, url, headers=headers)
    return Response(reply.content, status_code=reply.status_code)
