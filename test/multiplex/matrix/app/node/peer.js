// A server or a client by Node's http, https and http2, or by grpc-js: `node peer.js serve PROTOCOL ADDRESS`,
// `node peer.js ask PROTOCOL ADDRESS REQUESTS STREAMS`; see ../go.
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const http2 = require('node:http2');
const grpc = require('@grpc/grpc-js');

const [what, protocol, address, requests, streams] = process.argv.slice(2);
const [host, port] = address.split(':');
const { CERT, KEY, LOAD } = process.env;
const answers = process.env.ANSWERS.split(',');
const pair = CERT && { cert: fs.readFileSync(CERT), key: fs.readFileSync(KEY) };

function parse(path) {
  const last = path.slice(path.lastIndexOf('/') + 1);
  const n = Number(last.slice(1));
  return { code: last[0] === 'S' ? n : 0, messages: last[0] === 'M' ? n : 1, size: last[0] === 'D' ? n : 0 };
}

const hex = (i, width) => i.toString(16).padStart(width, '0');
const parent = (i) => `00-${LOAD}${hex(i + 1, 16)}-${LOAD.slice(8)}${hex(i + 1, 8)}-01`;
const asked = (i) => answers[i % answers.length];

function answer(request, reply) {
  const { code, size } = parse(request.url);
  reply.writeHead(code || 200);
  reply.end(Buffer.alloc(size));
}

function serve() {
  if (protocol === 'grpc') return serveCalls();
  let server;
  if (protocol === 'h2') server = pair ? http2.createSecureServer(pair, answer) : http2.createServer(answer);
  else server = pair ? https.createServer(pair, answer) : http.createServer(answer);
  server.listen({ host, port, backlog: 512 });
}

const same = (b) => b;

function serveCalls() {
  const definition = {}, handlers = {};
  for (const one of answers) {
    const path = `/shop.Echo/${one}`, { code, messages, size } = parse(path);
    definition[path] = {
      path, requestStream: true, responseStream: true, requestSerialize: same, requestDeserialize: same,
      responseSerialize: same, responseDeserialize: same,
    };
    handlers[path] = (call) => {
      call.on('data', () => {});
      call.on('end', () => {
        if (code) return call.emit('error', { code, details: 'as asked' });
        for (let i = 0; i < messages; i++) call.write(Buffer.alloc(size));
        call.end();
      });
    };
  }
  const server = new grpc.Server();
  server.addService(definition, handlers);
  const secure = () => grpc.ServerCredentials.createSsl(null, [{ private_key: pair.key, cert_chain: pair.cert }]);
  server.bindAsync(address, pair ? secure() : grpc.ServerCredentials.createInsecure(), (error) => { if (error) throw error; });
}

// Each gives a function that makes request i, and one that ends.
const clients = {
  'http/1.1': () => {
    const module = pair ? https : http;
    const agent = new module.Agent({ keepAlive: true, maxSockets: Number(streams), rejectUnauthorized: false });
    const one = (i) => new Promise((resolve, reject) => {
      module.get({ host, port, path: `/${LOAD}/${i}/${asked(i)}`, agent, headers: { traceparent: parent(i) } }, (reply) => {
        reply.resume();
        reply.on('end', resolve);
      }).on('error', reject);
    });
    return [one, () => agent.destroy()];
  },
  h2: () => {
    const session = http2.connect(`${pair ? 'https' : 'http'}://${address}`, { rejectUnauthorized: false });
    const one = (i) => new Promise((resolve, reject) => {
      const stream = session.request({ ':path': `/${LOAD}/${i}/${asked(i)}`, traceparent: parent(i) });
      stream.resume();
      stream.on('end', resolve);
      stream.on('error', reject);
      stream.end();
    });
    return [one, () => session.close()];
  },
  grpc: () => {
    const secure = () => grpc.credentials.createSsl(null, null, null, { checkServerIdentity: () => undefined, rejectUnauthorized: false });
    const client = new grpc.Client(address, pair ? secure() : grpc.credentials.createInsecure());
    const one = (i) => new Promise((resolve, reject) => {
      const { messages, size } = parse(asked(i));
      const metadata = new grpc.Metadata();
      metadata.set('traceparent', parent(i));
      const call = client.makeBidiStreamRequest(`/shop.Echo/${asked(i)}`, same, same, metadata, { deadline: Date.now() + 60000 });
      call.on('data', () => {});
      call.on('error', () => {});
      call.on('status', (s) => (s.code === 0 || s.details === 'as asked' ? resolve() : reject(new Error(s.details))));
      for (let m = 0; m < messages; m++) call.write(Buffer.alloc(size));
      call.end();
    });
    return [one, () => client.close()];
  },
};

async function ask() {
  const [one, close] = clients[protocol]();
  let next = 0;
  const worker = async () => {
    while (next < Number(requests)) await one(next++);
  };
  await Promise.all(Array.from({ length: Number(streams) }, worker));
  setTimeout(close, 100);
}

if (what === 'serve') serve();
else ask().catch((error) => { console.error(error); process.exit(1); });
