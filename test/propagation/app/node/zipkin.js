// Express under Zipkin's own library: X-B3-* in and out; spans go to SPANS.
const express = require('express');
const { BatchRecorder, ExplicitContext, HttpHeaders, Instrumentation, Request, Tracer, jsonEncoder: { JSON_V2 } } = require('zipkin');
const { expressMiddleware } = require('zipkin-instrumentation-express');
const http = require('http');
const call = require('./call');

// Zipkin's transport packages fetch with libraries of their own; this one posts.
const logger = {
  logSpan(span) {
    const body = '[' + JSON_V2.encode(span) + ']';
    const post = http.request(process.env.SPANS + '/api/v2/spans', { method: 'POST', headers: { 'content-type': 'application/json' } });
    post.on('response', (reply) => reply.resume()).on('error', () => {});
    post.end(body);
  },
};
const tracer = new Tracer({ ctxImpl: new ExplicitContext(), recorder: new BatchRecorder({ logger }), localServiceName: 'zipkin', supportsJoin: false });
const app = express();
app.use(expressMiddleware({ tracer }));
app.get('/call', (request, reply) => {
  const client = new Instrumentation.HttpClient({ tracer, serviceName: 'zipkin', remoteServiceName: 'terminal' });
  tracer.letId(request._trace_id, () => {
    const { headers } = client.recordRequest({ headers: {} }, process.env.UPSTREAM + '/work', 'GET');
    const id = tracer.id;
    call(headers, (error) => {
      tracer.scoped(() => client.recordResponse(id, 200));
      reply.status(error ? 502 : 200).end('called\n');
    });
  });
});
app.listen(process.env.PORT, '127.0.0.1');
void HttpHeaders; void Request;
