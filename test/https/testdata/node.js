// node.js serve PORT CERTIFICATE KEY, or node.js ask PORT PREFIX CONNECTIONS REQUESTS.
const https = require('https')
const fs = require('fs')
const [what, port, ...rest] = process.argv.slice(2)

if (what === 'serve') {
  https.createServer({ cert: fs.readFileSync(rest[0]), key: fs.readFileSync(rest[1]) }, (request, reply) => {
    reply.setHeader('Content-Length', 6)
    reply.end('hello\n')
  }).listen(Number(port), '127.0.0.1')
} else {
  const [prefix, connections, requests] = rest
  for (let i = 0; i < Number(connections); i++) {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })
    let j = 0
    const next = () => {
      if (j === Number(requests)) { agent.destroy(); return }
      https.get({ host: '127.0.0.1', port, path: `${prefix}/${i}.${j++}`, agent }, (reply) => {
        if (reply.statusCode !== 200) process.exit(1)
        reply.resume()
        reply.on('end', () => setImmediate(next))
      })
    }
    next()
  }
}
