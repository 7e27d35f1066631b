// The routes of both Node members, on the plain request and response of Node's http.
'use strict';
const http = require('http');
const { Readable } = require('stream');

const agent = new http.Agent({ keepAlive: true });

function* blocks(n) {
  const block = Buffer.alloc(65536, 'x');
  for (; n > 0; n -= block.length) yield block.subarray(0, Math.min(n, block.length));
}

function hello(request, response) {
  response.writeHead(200, { 'Content-Length': 6 }).end('hello\n');
}

function call(request, response) {
  const query = new URL(request.url, 'http://host').searchParams;
  const headers = {};
  const parent = request.headers.traceparent;
  if (parent && query.get('trace') === 'pass') headers.traceparent = parent;
  if (parent && query.get('trace') === 'new') {
    headers.traceparent = parent.slice(0, 36) + process.hrtime.bigint().toString(16).padStart(16, '0') + parent.slice(52);
  }
  const onward = http.get(query.get('url'), { agent, headers }, (reply) => {
    response.writeHead(reply.statusCode);
    reply.pipe(response);
  });
  onward.on('error', (error) => response.writeHead(502).end(String(error)));
}

module.exports = {
  hello,
  call,
  bytes(request, response, n) {
    response.writeHead(200, { 'Content-Length': n });
    Readable.from(blocks(Number(n))).pipe(response);
  },
  chunked(request, response, n) {
    response.writeHead(200);
    Readable.from(blocks(Number(n))).pipe(response);
  },
  status(request, response, code) {
    response.writeHead(Number(code)).end();
  },
  sleep(request, response, ms) {
    setTimeout(() => hello(request, response), Number(ms));
  },
  'echo-size'(request, response) {
    let size = 0;
    request.on('data', (part) => { size += part.length; });
    request.on('end', () => response.end(String(size)));
  },
};
