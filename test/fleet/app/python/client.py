"""The Python requests client of the fleet: `client.py JOBS CONNECTIONS KEEPALIVE`. One thread and session each."""

import json
import sys
import threading
import time

import requests

jobs = [json.loads(line) for line in open(sys.argv[1])]
connections = int(sys.argv[2])
results = [None] * len(jobs)


def parts(size):
    for start in range(0, size, 65536):
        yield b"y" * min(65536, size - start)


def body(job):
    if job["method"] != "POST":
        return None
    return parts(job["body"]) if job["chunked"] else b"y" * job["body"]


def work(worker):
    session = requests.Session()
    session.trust_env = False
    if sys.argv[3] == "0":
        session.headers["Connection"] = "close"
    for i in range(worker, len(jobs), connections):
        job = jobs[i]
        start, status, size, error = time.time_ns(), 0, 0, ""
        try:
            reply = session.request(job["method"], job["url"], data=body(job), headers=job["headers"])
            status, size = reply.status_code, len(reply.content)
        except requests.RequestException as failure:
            error = str(failure)
        if sys.argv[3] == "0":
            session.close()  # a server that closes need not say so, and requests would use the connection again
        results[i] = dict(i=i, start=start, end=time.time_ns(), status=status, size=size, error=error)


threads = [threading.Thread(target=work, args=(w,)) for w in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for result in results:
    print(json.dumps(result))
