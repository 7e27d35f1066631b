# Loads its TLS library when it has run for half a second, and asks a server from then on, with a new connection each time. The path of
# each request is how many microseconds after the library was asked for it was begun. With SECOND it has asked by TLS before, and what it
# loads is another library, whose path that is.
import base64, ctypes, os, socket, sys, time

host, port = sys.argv[1].split(":")
lasts = float(os.environ["TIME"].removesuffix("ms")) / 1000
second = os.environ.get("SECOND")


def request(after):
    return b"GET /%d HTTP/1.1\r\nHost: late\r\nConnection: close\r\n\r\n" % (after * 1e6)


def by_ssl(context, plain, after):
    with context.wrap_socket(plain) as secure:
        secure.sendall(request(after))
        while secure.recv(4096):
            pass


def load(path):
    """Gives a function that asks by the OpenSSL of a path."""
    tls = ctypes.CDLL(path)
    pointer = ctypes.c_void_p
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(tls, name).restype = pointer
    context = pointer(tls.SSL_CTX_new(pointer(tls.TLS_client_method())))

    def ask(plain, after):
        session = pointer(tls.SSL_new(context))
        tls.SSL_set_fd(session, plain.fileno())
        if tls.SSL_connect(session) != 1:
            raise OSError("no handshake")
        text, reply = request(after), ctypes.create_string_buffer(4096)
        tls.SSL_write(session, text, len(text))
        while tls.SSL_read(session, reply, len(reply)) > 0:
            pass
        tls.SSL_free(session)

    return ask


def connect():
    return socket.create_connection((host, port))


if second:
    import ssl
    by_ssl(ssl._create_unverified_context(), connect(), 0)
time.sleep(0.5)
start = time.monotonic()
if second:
    ask = load(second)
else:
    import ssl
    context = ssl._create_unverified_context()
    ask = lambda plain, after: by_ssl(context, plain, after)
while time.monotonic() - start < lasts:
    with connect() as plain:
        ask(plain, time.monotonic() - start)
    time.sleep(0.001)
