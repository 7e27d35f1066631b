"""client.py threads|loop PORT PREFIX CONNECTIONS REQUESTS: each connection asks for PREFIX/CONNECTION.REQUEST, one after the other."""
import asyncio
import http.client
import re
import ssl
import sys
import threading

kind, port, prefix, connections, requests = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
wrong = []


def ask(i):
    c = http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=20)
    for j in range(int(requests)):
        c.request("GET", f"{prefix}/{i}.{j}")
        reply = c.getresponse()
        reply.read()
        if reply.status != 200:
            wrong.append(reply.status)
    c.close()


async def ask_loop(i):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port), ssl=context)
    for j in range(int(requests)):
        writer.write(f"GET {prefix}/{i}.{j} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head).group(1)))
    writer.close()


async def all_loops():
    await asyncio.gather(*[ask_loop(i) for i in range(int(connections))])


if kind == "loop":
    asyncio.run(all_loops())
else:
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(int(connections))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
sys.exit(bool(wrong))
