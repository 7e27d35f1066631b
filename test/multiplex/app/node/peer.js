// A server or a client of gRPC: `node peer.js grpc-server`, `node peer.js grpc-client ADDRESS REQUESTS STREAMS`; see ../../peer.
const { randomBytes } = require('node:crypto');
const grpc = require('@grpc/grpc-js');

const same = (b) => b;
const methods = (process.env.METHODS || '').split(',');

function answer(method) {
  const last = method.slice(method.lastIndexOf('/') + 1);
  const n = Number(last.slice(1));
  return { code: last[0] === 'S' ? n : 0, messages: last[0] === 'M' ? n : 1, size: last[0] === 'D' ? n : 0 };
}

function serve() {
  const definition = {}, handlers = {};
  for (const path of methods) {
    const { code, messages, size } = answer(path);
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
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(`127.0.0.1:${port}`);
  });
  process.stdin.on('end', () => process.exit(0)).resume();
}

function parent() {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
}

function one(client, method) {
  return new Promise((resolve, reject) => {
    const { messages, size } = answer(method);
    const metadata = new grpc.Metadata();
    metadata.set('traceparent', parent());
    const call = client.makeBidiStreamRequest(method, same, same, metadata, { deadline: Date.now() + 60000 });
    call.on('data', () => {});
    call.on('error', () => {});
    call.on('status', (s) => (s.code === 0 || s.details === 'as asked' ? resolve() : reject(new Error(s.details))));
    for (let i = 0; i < messages; i++) call.write(Buffer.alloc(size));
    call.end();
  });
}

async function ask(address, requests, streams) {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  let next = 0;
  const worker = async () => {
    while (next < requests) await one(client, methods[next++ % methods.length]);
  };
  await Promise.all(Array.from({ length: streams }, worker));
  client.close();
}

if (process.argv[2] === 'grpc-server') serve();
else ask(process.argv[3], Number(process.argv[4]), Number(process.argv[5])).catch((error) => { console.error(error); process.exit(1); });
