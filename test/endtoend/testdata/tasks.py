"""An asyncio service on PORT that calls itself. `tasks.py streams` has a task for each connection, `tasks.py protocol` one for each
request. One thread works on all requests, and who calls next is decided by timers.

/work/N   calls /leaf/N twice at the same time, in two tasks, and once more behind a wait, in its own
/fire/N   starts a task that calls /leaf/N later, and replies before
/queue/N  has a worker call /leaf/N, which the first such request has started
"""

import asyncio
import os
import random
import sys

PORT = int(os.environ["PORT"])
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
idle, left, jobs = [], set(), None


async def call(path):
    reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)
    idle.append((reader, writer))


async def pause():
    await asyncio.sleep(random.uniform(0, 0.01))


async def later(path):
    await pause()
    await call(path)


async def worker():
    while True:
        path, done = await jobs.get()
        await call(path)
        done.set_result(None)


def leave(coroutine):
    task = asyncio.get_running_loop().create_task(coroutine)
    left.add(task)
    task.add_done_callback(left.discard)


async def answer(path):
    global jobs
    kind, _, number = path[1:].partition(b"/")
    leaf = b"/leaf/" + number
    await pause()
    if kind == b"work":
        await asyncio.gather(call(leaf), call(leaf))
        await pause()
        await call(leaf)
    elif kind == b"fire":
        leave(later(leaf))
    elif kind == b"queue":
        if jobs is None:
            jobs = asyncio.Queue()
            leave(worker())
        done = asyncio.get_running_loop().create_future()
        jobs.put_nowait((leaf, done))
        await done


async def stream(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await answer(head.split()[1])
            writer.write(REPLY)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.task = asyncio.get_running_loop().create_task(self.serve(data.split()[1]))

    async def serve(self, path):
        await answer(path)
        self.transport.write(REPLY)


async def main():
    if sys.argv[1] == "streams":
        server = await asyncio.start_server(stream, "127.0.0.1", PORT)
    else:
        server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())
