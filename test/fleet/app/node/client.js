// The Node fetch client of the fleet: `node client.js JOBS CONNECTIONS KEEPALIVE`.
'use strict';
const fs = require('fs');

const jobs = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const connections = Number(process.argv[3]);
const epoch = offset();
const now = () => String(epoch + process.hrtime.bigint());

// offset is what to add to hrtime for Unix time. Date.now is rounded down, and the process may be held up between
// the two clocks: both make a sample too small, never too large.
function offset() {
  let best = 0n;
  for (const end = process.hrtime.bigint() + 5000000n; process.hrtime.bigint() < end;) {
    const sample = BigInt(Date.now()) * 1000000n - process.hrtime.bigint();
    if (sample > best) best = sample;
  }
  return best;
}

function options(job) {
  const headers = { ...job.headers };
  if (process.argv[4] === '0') headers.connection = 'close';
  if (job.method !== 'POST') return { method: job.method, headers };
  const body = Buffer.alloc(job.body, 'y');
  if (!job.chunked) return { method: 'POST', headers, body };
  const stream = new ReadableStream({ start(out) { if (job.body) out.enqueue(body); out.close(); } });
  return { method: 'POST', headers, body: stream, duplex: 'half' };
}

async function work(worker, results) {
  for (let i = worker; i < jobs.length; i += connections) {
    const start = now();
    let status = 0, size = 0, error = '';
    try {
      const reply = await fetch(jobs[i].url, options(jobs[i]));
      status = reply.status;
      size = (await reply.arrayBuffer()).byteLength;
    } catch (failure) {
      error = String(failure.cause || failure);
    }
    // Nanoseconds do not fit a double: the line is written by hand.
    results[i] = `{"i":${i},"start":${start},"end":${now()},"status":${status},"size":${size},"error":${JSON.stringify(error)}}`;
  }
}

(async () => {
  const results = [];
  await Promise.all(Array.from({ length: connections }, (_, w) => work(w, results)));
  process.stdout.write(results.map((line) => line + '\n').join(''));
})();
