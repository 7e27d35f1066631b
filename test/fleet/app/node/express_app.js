// The Express member of the fleet: `node express_app.js PORT`.
'use strict';
const express = require('express');
const routes = require('./routes');

const app = express();
app.disable('etag');
app.get('/hello/*rest', (request, response) => response.type('text').send('hello\n'));
app.get('/status/:code/*rest', (request, response) => response.status(Number(request.params.code)).end());
for (const name of ['bytes', 'chunked', 'sleep']) {
  app.get(`/${name}/:n/*rest`, (request, response) => routes[name](request, response, request.params.n));
}
app.get('/call/*rest', (request, response) => routes.call(request, response));
app.post('/echo-size/*rest', (request, response) => routes['echo-size'](request, response));
app.listen(Number(process.argv[2]), '127.0.0.1');
