// A Node service on PORT: `node service.js CLIENT`, with CLIENT http, fetch, limited for a pool of eight connections, queue for
// a queue in the program, from which four calls at a time are made, or postgres or redis to ask such a store on port STORE before each step.
'use strict';
const crypto = require('crypto');
const http = require('http');

const limited = process.argv[2] === 'limited' ? { maxSockets: 8 } : {};
const agent = new http.Agent({ keepAlive: true, ...limited });

// What goes on with the trace context of the request is a child of it.
function child(parent) {
  return `${parent.slice(0, 35)}-${crypto.randomBytes(8).toString('hex')}-01`;
}

function steps(program, parent) {
  const out = [];
  for (let at = 0; at < program.length;) {
    const end = program.indexOf(10, at);
    const word = program.toString('latin1', at, end).split(' ');
    at = end + 1;
    if (word[0] === 'r') {
      out.size = Number(word[1]);
      continue;
    }
    if (word[0] === 'w') {
      out.push(Number(word[1]));
      continue;
    }
    const size = Number(word[3]);
    const flags = word[4] || '';
    const call = { url: `http://127.0.0.1:${word[1]}${word[2]}`, body: program.subarray(at, at + size), headers: {}, hasty: flags.includes('t') };
    if (flags.includes('h') && parent) call.headers.traceparent = child(parent);
    at += size;
    if (word[0] === 'c' || !Array.isArray(out.at(-1))) out.push([call]);
    else out.at(-1).push(call);
  }
  return out;
}

async function byFetch({ url, body, headers }) {
  const reply = await fetch(url, { method: 'POST', body, headers });
  await reply.text();
  if (!reply.ok) throw new Error(`${url}: status ${reply.status}`);
}

function byHTTP({ url, body, headers, hasty }) {
  return new Promise((resolve, reject) => {
    const signal = hasty ? AbortSignal.timeout(20) : undefined;
    let failed = false;
    const fail = (error) => {
      if (failed) return;
      failed = true;
      if (signal?.aborted) byHTTP({ url, body, headers }).then(resolve, reject);
      else reject(error);
    };
    const options = { method: 'POST', agent, signal, headers: { ...headers, 'content-length': body.length } };
    const request = http.request(url, options, (reply) => {
      reply.resume();
      reply.on('error', fail);
      reply.on('end', () => (reply.statusCode === 200 ? resolve() : reject(new Error(`${url}: status ${reply.statusCode}`))));
    });
    request.on('error', fail);
    request.end(body);
  });
}

const waiting = [];
let busy = 0;

function next() {
  while (busy < 4 && waiting.length > 0) {
    const { job, resolve, reject } = waiting.shift();
    busy++;
    byHTTP(job).then(resolve, reject).finally(() => {
      busy--;
      next();
    });
  }
}

function byQueue(job) {
  return new Promise((resolve, reject) => {
    waiting.push({ job, resolve, reject });
    next();
  });
}

const call = { fetch: byFetch, queue: byQueue }[process.argv[2]] || byHTTP;

// ask gives what asks the store: PostgreSQL on one of ten connections, or Redis on one that all requests share.
async function ask(kind) {
  const port = Number(process.env.STORE);
  if (kind === 'postgres') {
    const { Pool } = require('pg');
    const pool = new Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 10 });
    return () => pool.query('select $1::int', [port]);
  }
  if (kind === 'redis') {
    const client = await require('redis').createClient({ url: `redis://127.0.0.1:${port}` }).connect();
    return () => client.incr('asked');
  }
  return null;
}

let asks = null;

async function serve(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const program = steps(Buffer.concat(parts), request.headers.traceparent);
  for (const step of program) {
    if (typeof step === 'number') await new Promise((resolve) => setTimeout(resolve, step));
    else {
      if (asks) await asks();
      await Promise.all(step.map(call));
    }
  }
  const text = 'ok\n'.repeat((program.size || 3) / 3);
  response.writeHead(200, { 'content-length': text.length }).end(text);
}

const server = http.createServer((request, response) => {
  serve(request, response).catch((error) => response.writeHead(502).end(String(error)));
});
ask(process.argv[2]).then((found) => {
  asks = found;
  server.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 511 });
});
