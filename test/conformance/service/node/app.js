// A service of Node's own http module under the OpenTelemetry SDK for JavaScript; its spans go nowhere.
//
//     PORT=8080 UPSTREAM=http://127.0.0.1:8081 node app.js
//
// GET /call/TOKEN?n=3 calls $UPSTREAM/work/TOKEN three times, one after another, and answers "ok\n".
'use strict';

const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { NodeSDK } = require('@opentelemetry/sdk-node');

const nowhere = { onStart() {}, onEnd() {}, forceFlush: async () => {}, shutdown: async () => {} };
process.env.OTEL_METRICS_EXPORTER = 'none';
process.env.OTEL_LOGS_EXPORTER = 'none';
new NodeSDK({ spanProcessors: [nowhere], instrumentations: [new HttpInstrumentation()] }).start();
const http = require('http'); // after its instrumentation, which replaces what require gives

function work(token) {
  return new Promise((resolve, reject) => {
    http.get(process.env.UPSTREAM + '/work/' + token, (answer) => answer.resume().on('end', resolve)).on('error', reject);
  });
}

http.createServer(async (request, answer) => {
  const url = new URL(request.url, 'http://service');
  const n = Number(url.searchParams.get('n'));
  try {
    for (let i = 0; i < n; i++) await work(url.pathname.split('/').pop());
    answer.end('ok\n');
  } catch (error) {
    answer.writeHead(502);
    answer.end(error.message + '\n');
  }
}).listen(Number(process.env.PORT), '127.0.0.1');
