import { createServer } from 'node:http'

/* What nginx's auth_request asks: yes, and a token. */

const server = createServer((_, res) => {
  res.writeHead(200, { authorization: `Bearer ${process.argv[2]}`, 'content-length': 0 })
  res.end()
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
})
