"""server.py threads|loop PORT CERTIFICATE KEY: a server with a thread for each connection, or one of asyncio, whose TLS has no socket."""
import asyncio
import http.server
import ssl
import sys

kind, port, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

    def get_request(self):
        connection, address = self.socket.accept()
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


async def answer(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def loop():
    server = await asyncio.start_server(answer, "127.0.0.1", int(port), ssl=context)
    await server.serve_forever()


if kind == "threads":
    Server(("127.0.0.1", int(port)), Handler).serve_forever()
else:
    asyncio.run(loop())
