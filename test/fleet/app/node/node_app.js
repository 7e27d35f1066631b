// The Node http member of the fleet: `node node_app.js PORT`.
'use strict';
const http = require('http');
const routes = require('./routes');

const server = http.createServer((request, response) => {
  const part = new URL(request.url, 'http://host').pathname.split('/');
  const route = routes[part[1]];
  if (!route) return response.writeHead(404).end();
  route(request, response, part[2]);
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 511 });
