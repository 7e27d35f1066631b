"""Flask and requests under the OpenTelemetry SDK; spans go to SPANS by OTLP."""
import os

import flask
import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=os.environ["SPANS"] + "/v1/traces")))
trace.set_tracer_provider(provider)
app = flask.Flask("otel")
FlaskInstrumentor().instrument_app(app)
RequestsInstrumentor().instrument()


@app.get("/call")
def call():
    return requests.get(os.environ["UPSTREAM"] + "/work", timeout=10).text
