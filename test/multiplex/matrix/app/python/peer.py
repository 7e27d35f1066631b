"""A server or a client by aiohttp, requests, pycurl or grpcio: `peer.py serve KIND ADDRESS`, `peer.py ask KIND ADDRESS REQUESTS STREAMS`,
where KIND is grpc, aiohttp, requests or pycurl; see ../go. The module is an application for gunicorn too."""

import asyncio
import concurrent.futures
import os
import queue
import ssl
import sys
import threading
import time

cert, key, load = os.environ.get("CERT"), os.environ.get("KEY"), os.environ.get("LOAD")
answers = os.environ["ANSWERS"].split(",")
scheme = "https" if cert else "http"


def parse(path):
    last = path.rsplit("/", 1)[-1]
    code, messages, size = 0, 1, 0
    if last[0] == "S":
        code = int(last[1:])
    elif last[0] == "M":
        messages = int(last[1:])
    elif last[0] == "D":
        size = int(last[1:])
    return code, messages, size


def asked(i):
    return answers[i % len(answers)]


def parent(i):
    return f"00-{load}{i + 1:016x}-{load[8:]}{i + 1:08x}-01"


def url(address, i):
    return f"{scheme}://{address}/{load}/{i}/{asked(i)}"


def app(environ, start_response):
    code, _, size = parse(environ["PATH_INFO"])
    lengths = [] if code == 204 else [("Content-Length", str(size))]
    start_response(f"{code or 200} as asked", lengths)
    return [b"x" * size]


def serve_grpc(address):
    import grpc

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            code, messages, size = parse(details.method)

            def serve(requests, context):
                for _ in requests:
                    pass
                if code:
                    context.abort(list(grpc.StatusCode)[code], "as asked")
                for _ in range(messages):
                    yield b"x" * size

            return grpc.stream_stream_rpc_method_handler(serve)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=64), handlers=[Handler()])
    if cert:
        pair = (open(key, "rb").read(), open(cert, "rb").read())
        server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    else:
        server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


def serve_aiohttp(address):
    from aiohttp import web

    async def answer(request):
        code, _, size = parse(request.path)
        return web.Response(status=code or 200, body=b"x" * size)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    context = None
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    host, port = address.split(":")
    web.run_app(application, host=host, port=int(port), ssl_context=context, print=None, backlog=512)


async def ask_aiohttp(address, requests, streams):
    import aiohttp

    turns = iter(range(requests))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=streams, ssl=False)) as session:

        async def worker():
            for i in turns:
                async with session.get(url(address, i), headers={"traceparent": parent(i)}) as reply:
                    await reply.read()

        await asyncio.gather(*[worker() for _ in range(streams)])


def in_threads(requests, streams, start):
    """Each thread has a function of its own that makes request i."""
    turns = queue.SimpleQueue()
    for i in range(requests):
        turns.put(i)
    faults = []

    def run():
        one = start()
        try:
            while True:
                one(turns.get_nowait())
        except queue.Empty:
            pass
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def ask_requests(address, requests, streams):
    import requests as library

    library.packages.urllib3.disable_warnings()

    def start():
        session = library.Session()
        session.verify = False
        session.trust_env = False
        return lambda i: session.get(url(address, i), headers={"traceparent": parent(i)})

    in_threads(requests, streams, start)


def ask_pycurl(address, requests, streams):
    sys.path.append("/usr/lib/python3/dist-packages")
    import pycurl

    def start():
        c = pycurl.Curl()
        c.setopt(c.SSL_VERIFYPEER, 0)
        c.setopt(c.SSL_VERIFYHOST, 0)
        c.setopt(c.HTTP_VERSION, c.CURL_HTTP_VERSION_1_1)
        c.setopt(c.WRITEFUNCTION, lambda b: len(b))
        c.setopt(c.NOSIGNAL, 1)

        def one(i):
            c.setopt(c.URL, url(address, i))
            c.setopt(c.HTTPHEADER, ["traceparent: " + parent(i)])
            c.perform()

        return one

    in_threads(requests, streams, start)


def ask_grpc(address, requests, streams):
    import grpc

    if cert:
        trust = grpc.ssl_channel_credentials(open(cert, "rb").read())
        channel = grpc.secure_channel(address, trust, (("grpc.ssl_target_name_override", "localhost"),))
    else:
        channel = grpc.insecure_channel(address)
    if cert:  # what traces it finds the library at the handshake
        grpc.channel_ready_future(channel).result()
        time.sleep(1)

    def one(i):
        _, messages, size = parse(asked(i))
        call = channel.stream_stream("/shop.Echo/" + asked(i))(
            iter([b"y" * size] * messages), timeout=60, metadata=(("traceparent", parent(i)),)
        )
        try:
            for _ in call:
                pass
        except grpc.RpcError as error:
            if error.details() != "as asked":
                raise

    in_threads(requests, streams, lambda: one)
    channel.close()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        {"grpc": serve_grpc, "aiohttp": serve_aiohttp}[sys.argv[2]](sys.argv[3])
    elif sys.argv[2] == "aiohttp":
        asyncio.run(ask_aiohttp(sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
    else:
        ask = {"grpc": ask_grpc, "requests": ask_requests, "pycurl": ask_pycurl}[sys.argv[2]]
        ask(sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
