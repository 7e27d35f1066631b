// Node's http under the OpenTelemetry SDK; spans go to SPANS by OTLP.
const { NodeSDK } = require('@opentelemetry/sdk-node');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');

new NodeSDK({
  traceExporter: new OTLPTraceExporter({ url: process.env.SPANS + '/v1/traces' }),
  instrumentations: [new HttpInstrumentation()],
}).start();
require('./plain');
