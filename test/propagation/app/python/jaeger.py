"""Flask and requests with OpenTracing and Jaeger's client: uber-trace-id in and out, by hand as its users do."""
import os

import flask
import jaeger_client
import opentracing
import requests

config = jaeger_client.Config({"sampler": {"type": "const", "param": 1}, "logging": False}, service_name="jaeger", validate=True)
tracer = config.initialize_tracer()
app = flask.Flask("jaeger")


@app.get("/call")
def call():
    parent = tracer.extract(opentracing.Format.HTTP_HEADERS, dict(flask.request.headers))
    with tracer.start_span("call", child_of=parent) as span:
        headers = {}
        tracer.inject(span, opentracing.Format.HTTP_HEADERS, headers)
        return requests.get(os.environ["UPSTREAM"] + "/work", headers=headers, timeout=10).text
