"""An aiohttp service: `aio.py LOOP` with LOOP asyncio or uvloop, on PORT."""

import asyncio
import os
import sys

import aiohttp
from aiohttp import web

from program import reply_of, steps


async def post(session, c, patience):
    limit = aiohttp.ClientTimeout(total=patience)
    async with session.post(c.url, data=c.body, headers=c.headers, timeout=limit) as reply:
        reply.raise_for_status()
        await reply.read()


async def call(session, c):
    if c.hasty:
        try:
            return await post(session, c, c.PATIENCE)
        except asyncio.TimeoutError:
            pass
    await post(session, c, 60)


async def serve(request):
    session = request.app["session"]
    reply, program = reply_of(await request.read())
    for step in steps(program, request.headers.get("traceparent")):
        if isinstance(step, int):
            await asyncio.sleep(step / 1000)
        elif len(step) == 1:
            await call(session, step[0])
        else:
            await asyncio.gather(*(call(session, c) for c in step))
    return web.Response(body=reply, content_type="text/plain")


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
