"""An aiohttp service: `aio.py LOOP` with LOOP asyncio or uvloop, on PORT."""

import asyncio
import os
import sys

import aiohttp
from aiohttp import web

from program import steps


async def call(session, url, body):
    async with session.post(url, data=body) as reply:
        reply.raise_for_status()
        await reply.read()


async def serve(request):
    session = request.app["session"]
    for step in steps(await request.read()):
        if isinstance(step, int):
            await asyncio.sleep(step / 1000)
        elif len(step) == 1:
            await call(session, *step[0])
        else:
            await asyncio.gather(*(call(session, *c) for c in step))
    return web.Response(text="ok\n")


async def lifespan(app):
    app["session"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    yield
    await app["session"].close()


if sys.argv[1] == "uvloop":
    import uvloop

    uvloop.install()
app = web.Application()
app.cleanup_ctx.append(lifespan)
app.router.add_post("/{path:.*}", serve)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
