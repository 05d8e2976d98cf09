// @fastify/http-proxy as its README shows it, with the sessions in a Map and the bearer put in.
import { json } from 'node:stream/consumers'
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const { backend, callers, bearer } = await json(process.stdin)
const sessions = new Map(callers.map(({ cookie, token }) => [cookie, `Bearer ${bearer}${token}`]))
const app = Fastify({ keepAliveTimeout: 120_000, bodyLimit: 1024 ** 3 })
await app.register(httpProxy, {
  upstream: `http://127.0.0.1:${backend}`,
  preHandler: (request, reply, next) => {
    if (sessions.has(request.headers.cookie)) next()
    else reply.code(401).send()
  },
  replyOptions: {
    rewriteRequestHeaders: ({ headers: { cookie, ...headers } }) => ({
      ...headers,
      authorization: sessions.get(cookie),
    }),
  },
})
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
process.stdout.write(`${JSON.stringify({ port: app.server.address().port })}\n`)
