"""A FastAPI service with httpx, for uvicorn: `uvicorn asgi:app`."""

import asyncio

import httpx
from fastapi import FastAPI, Request, Response

from program import steps

app = FastAPI()
client = httpx.AsyncClient(trust_env=False, timeout=60, limits=httpx.Limits(max_connections=1024, max_keepalive_connections=1024))


async def call(c):
    reply = await client.post(c.url, content=c.body)
    reply.raise_for_status()


@app.post("/{path:path}")
async def serve(path: str, request: Request):
    for step in steps(await request.body()):
        if isinstance(step, int):
            await asyncio.sleep(step / 1000)
        elif len(step) == 1:
            await call(step[0])
        else:
            await asyncio.gather(*(call(c) for c in step))
    return Response(b"ok\n", media_type="text/plain")
