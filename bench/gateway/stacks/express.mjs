// Express, express-session with its memory store and http-proxy-middleware, the bearer put in.
import { Agent } from 'node:http'
import { json } from 'node:stream/consumers'
import express from 'express'
import session from 'express-session'
import { createProxyMiddleware } from 'http-proxy-middleware'

const { backend, bearer } = await json(process.stdin)
const app = express()
app.use(
  session({
    secret: 'secret-of-the-benchmark',
    resave: false,
    saveUninitialized: false,
    name: 'sid',
  }),
)
app.post('/sign-in', (req, res) => {
  req.session.token = bearer + String(req.headers['x-token'])
  res.json({})
})
app.use(
  createProxyMiddleware({
    target: `http://127.0.0.1:${backend}`,
    agent: new Agent({ keepAlive: true }),
    on: {
      proxyReq: (sent, req) => {
        sent.setHeader('authorization', `Bearer ${req.session.token}`)
        sent.removeHeader('cookie')
      },
    },
  }),
)
const server = app.listen(0, '127.0.0.1', 4096, () => {
  server.keepAliveTimeout = 120_000
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`)
})
