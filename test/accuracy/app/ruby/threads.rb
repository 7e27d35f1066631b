# Puma without its reactor: the thread that serves a request also reads it.
queue_requests false
