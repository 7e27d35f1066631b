// A service on PORT that works on many requests at a time, and answers each after one call to itself, /leaf/N: /store/N asks a store on port STORE
// before that, on one of several connections, which says what it was asked with; /timer/N waits for a timer; /file/N reads a file; /at-once/N does nothing.
'use strict';
const fs = require('fs/promises');
const http = require('http');
const net = require('net');

const port = Number(process.env.PORT);
const agent = new http.Agent({ keepAlive: true });
const idle = [];

function connect() {
  const socket = net.connect(Number(process.env.STORE), '127.0.0.1');
  socket.on('data', (answer) => {
    const { resolve } = socket;
    idle.push(socket);
    resolve(answer);
  });
  return socket;
}

const before = {
  store: (number) => new Promise((resolve) => {
    const socket = idle.pop() || connect();
    socket.resolve = resolve;
    socket.write(`\0\u0001 ${number}\n`);
  }),
  timer: (number) => new Promise((resolve) => setTimeout(resolve, 1 + (number % 4))),
  file: () => fs.readFile(__filename),
  'at-once': () => Promise.resolve(),
};

function call(number) {
  return new Promise((resolve, reject) => {
    http.get({ port, host: '127.0.0.1', path: `/leaf/${number}`, agent }, (reply) => {
      reply.resume();
      reply.on('end', resolve);
    }).on('error', reject);
  });
}

http.createServer(async (request, response) => {
  const [, kind, number] = request.url.split('/');
  if (kind !== 'leaf') {
    await before[kind](Number(number));
    await call(number);
  }
  response.end('ok');
}).listen(port, '127.0.0.1');
