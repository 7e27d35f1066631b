// A proxy that copies the headers of the request as they are, while it makes spans of its own by hand.
const http = require('http');
const { NodeSDK } = require('@opentelemetry/sdk-node');
const { trace } = require('@opentelemetry/api');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const call = require('./call');

new NodeSDK({ traceExporter: new OTLPTraceExporter({ url: process.env.SPANS + '/v1/traces' }), instrumentations: [] }).start();
const tracer = trace.getTracer('stale');

http.createServer((request, reply) => {
  const span = tracer.startSpan('proxy');
  const headers = { ...request.headers };
  delete headers.host;
  delete headers.connection;
  call(headers, (error) => {
    span.end();
    reply.statusCode = error ? 502 : 200;
    reply.end('called\n');
  });
}).listen(process.env.PORT, '127.0.0.1');
