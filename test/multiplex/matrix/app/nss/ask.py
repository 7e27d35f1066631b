"""A client by the libcurl that speaks TLS by NSS, which no program of Debian's uses: `ask.py ask nss ADDRESS REQUESTS STREAMS`; see ../python."""

import ctypes
import os
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from peer import in_threads, parent, url


def ask(address, requests, streams):
    curl = ctypes.CDLL("libcurl-nss.so.4")
    curl.curl_global_init(3)
    curl.curl_easy_init.restype = curl.curl_slist_append.restype = ctypes.c_void_p
    url_option, header_option, write_option = 10002, 10023, 20011
    write = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)(
        lambda at, size, n, user: size * n
    )

    def start():
        c = ctypes.c_void_p(curl.curl_easy_init())
        verify_peer, verify_host, version, no_signal = 64, 81, 84, 99
        for option, value in ((verify_peer, 0), (verify_host, 0), (version, 2), (no_signal, 1)):
            curl.curl_easy_setopt(c, option, ctypes.c_long(value))
        curl.curl_easy_setopt(c, write_option, write)

        def one(i):
            header = ctypes.c_void_p(curl.curl_slist_append(None, b"traceparent: " + parent(i).encode()))
            curl.curl_easy_setopt(c, url_option, url(address, i).encode())
            curl.curl_easy_setopt(c, header_option, header)
            if fault := curl.curl_easy_perform(c):
                raise RuntimeError(f"curl fails with {fault}")
            curl.curl_slist_free_all(header)

        return one

    in_threads(requests, streams, start)


if __name__ == "__main__":
    ask(sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
