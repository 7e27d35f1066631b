"""An asyncio service on PORT that calls itself: GET /work/N calls /leaf/N twice at the same time, in two tasks, and once more
behind a wait, in its own. One thread works on all requests, and who calls next is decided by timers."""

import asyncio
import os
import random

PORT = int(os.environ["PORT"])
idle = []


async def call(path):
    reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)
    idle.append((reader, writer))


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1]
            await asyncio.sleep(random.uniform(0, 0.01))
            if path.startswith(b"/work/"):
                leaf = path.replace(b"/work/", b"/leaf/")
                await asyncio.gather(call(leaf), call(leaf))
                await asyncio.sleep(random.uniform(0, 0.01))
                await call(leaf)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())
