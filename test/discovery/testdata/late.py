# Loads its TLS library when it has run for half a second, and asks a server from then on, with a new connection each time. The path of
# each request is how many microseconds after the library was asked for it was begun.
import http.client, os, sys, time
time.sleep(0.5)
start = time.monotonic()
import ssl
context = ssl._create_unverified_context()
lasts = float(os.environ["TIME"].removesuffix("ms")) / 1000
while time.monotonic() - start < lasts:
    c = http.client.HTTPSConnection(sys.argv[1], context=context)
    c.request("GET", "/%d" % ((time.monotonic() - start) * 1e6))
    c.getresponse().read()
    c.close()
    time.sleep(0.001)
