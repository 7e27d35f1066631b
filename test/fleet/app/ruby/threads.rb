# Puma without its reactor: the thread that serves a request also reads it. With the reactor, a request that does not
# come at once is read by another thread, and nothing at run time tells which thread serves it.
queue_requests false
