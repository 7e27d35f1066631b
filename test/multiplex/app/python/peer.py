"""A server or a client of gRPC: `peer.py grpc-server`, `peer.py grpc-client ADDRESS REQUESTS STREAMS`; see ../../peer."""

import concurrent.futures
import os
import random
import sys

import grpc


def answer(method):
    last = method.rsplit("/", 1)[-1]
    code, messages, size = 0, 1, 0
    if last[0] == "S":
        code = int(last[1:])
    elif last[0] == "M":
        messages = int(last[1:])
    elif last[0] == "D":
        size = int(last[1:])
    return code, messages, size


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        code, messages, size = answer(details.method)

        def serve(requests, context):
            for _ in requests:
                pass
            if code:
                context.abort(list(grpc.StatusCode)[code], "as asked")
            for _ in range(messages):
                yield b"x" * size

        return grpc.stream_stream_rpc_method_handler(serve)


def serve():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=64), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(0).wait()


def parent():
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-01"


def ask(address, requests, streams):
    methods = os.environ["METHODS"].split(",")
    channel = grpc.insecure_channel(address)

    def one(method):
        _, messages, size = answer(method)
        call = channel.stream_stream(method)(
            iter([b"y" * size] * messages), timeout=60, metadata=(("traceparent", parent()),)
        )
        try:
            for _ in call:
                pass
        except grpc.RpcError as error:
            if error.details() != "as asked":
                raise

    with concurrent.futures.ThreadPoolExecutor(max_workers=streams) as pool:
        list(pool.map(one, [methods[i % len(methods)] for i in range(requests)]))
    channel.close()


if sys.argv[1] == "grpc-server":
    serve()
else:
    ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
