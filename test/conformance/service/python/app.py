"""A Flask service under the OpenTelemetry SDK for Python, without an exporter.

    PORT=8080 UPSTREAM=http://127.0.0.1:8081 python app.py

GET /call/TOKEN?n=3 calls $UPSTREAM/work/TOKEN three times, one after another, and answers "ok\n".
"""
import logging
import os

import requests
from flask import Flask, request
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider())
RequestsInstrumentor().instrument()
app = Flask(__name__)
FlaskInstrumentor().instrument_app(app)


@app.get("/call/<token>")
def call(token):
    for _ in range(int(request.args.get("n", 0))):
        requests.get(os.environ["UPSTREAM"] + "/work/" + token, timeout=10).raise_for_status()
    return "ok\n"


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run("127.0.0.1", int(os.environ["PORT"]), threaded=True)
