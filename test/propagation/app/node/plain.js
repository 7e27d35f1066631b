// Node's http and nothing else.
const http = require('http');
const call = require('./call');

http.createServer((request, reply) => {
  call({}, (error) => { reply.statusCode = error ? 502 : 200; reply.end('called\n'); });
}).listen(process.env.PORT, '127.0.0.1');
