import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request } from 'node:https'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { slowRequests } from './fast-world.ts'
import { answerOf, ask, connectTo, startSecure } from './front-world.ts'

test('the BFF by https, over HTTP/2 and HTTP/1.1', async (t) => {
  const world = await startSecure(t)
  const { authority, echo, gateway, visitor, origin, session } = world
  const cookie = visitor.cookie

  await t.test('a call passes with the token of its audience', async () => {
    const answer = await ask(session, { ':path': '/api/crud/items?x=1', cookie })
    assert.equal(answer.status, 200)
    assert.equal(JSON.parse(answer.body.toString()).url, '/api/items?x=1')
    const arrival = echo.arrivals.at(-1)
    assert.equal(arrival?.headers['x-forwarded-proto'], 'https')
    assert.equal(arrival?.claims?.aud, 'https://crud.ocg.labs.empowernow.ai')
    assert.equal(arrival?.headers.cookie, undefined)
    assert.ok(!arrival?.rawHeaders.some((text) => text.startsWith(':')))
    for (const name of ['connection', 'keep-alive', 'transfer-encoding']) {
      assert.equal(answer.headers[name], undefined)
    }
  })

  await t.test('cookies in several fields are one list', async () => {
    const answer = await ask(session, {
      ':path': '/api/crud/crumbs',
      cookie: ['a=b', ...cookie.split('; '), 'c=d'],
    })
    assert.equal(answer.status, 200)
  })

  await t.test('without a session a call is refused as over HTTP/1.1', async () => {
    const answer = await ask(session, { ':path': '/api/crud/items' })
    assert.equal(answer.status, 401)
    assert.equal(JSON.parse(answer.body.toString()).code, 'SESSION_REQUIRED')
  })

  await t.test('the own endpoints answer, and browsers are told to keep to https', async () => {
    const answer = await ask(session, { ':path': '/api/auth/session', cookie })
    assert.equal(JSON.parse(answer.body.toString()).authenticated, true)
    assert.match(String(answer.headers['strict-transport-security']), /max-age=\d{7}/)
    const head = await ask(session, { ':path': '/health', ':method': 'HEAD' })
    assert.deepEqual([head.status, head.body.length], [200, 0])
  })

  await t.test('a change needs its proof of origin, whatever the protocol', async () => {
    const post = { ':path': '/api/crud/items', ':method': 'POST', cookie, origin }
    const refused = await ask(session, post, '{}')
    assert.equal(JSON.parse(refused.body.toString()).code, 'CSRF_REJECTED')
    const own = await ask(session, { ':path': '/api/auth/session', cookie })
    const csrf = JSON.parse(own.body.toString()).csrf_token
    for (const length of [{}, { 'content-length': '7' }]) {
      const taken = await ask(session, { ...post, 'x-csrf-token': csrf, ...length }, '{"a":1}')
      assert.equal(JSON.parse(taken.body.toString()).body, '{"a":1}')
    }
  })

  await t.test('hundreds of streams are answered, each with its own', async () => {
    const paths = Array.from({ length: 300 }, (_, i) => `/api/crud/many-${i}`)
    const answers: string[] = []
    for (let at = 0; at < paths.length; at += 60) {
      const some = await Promise.all(
        paths.slice(at, at + 60).map((path) => ask(session, { ':path': path, cookie })),
      )
      answers.push(...some.map(({ body }) => JSON.parse(body.toString()).url))
    }
    assert.deepEqual(
      answers,
      paths.map((path) => path.replace('/crud', '')),
    )
  })

  await t.test('large bodies pass whole, both ways', async () => {
    const large = randomBytes(8 * 1024 * 1024)
    const hash = createHash('sha256').update(large).digest('hex')
    const own = await ask(session, { ':path': '/api/auth/session', cookie })
    const csrf = JSON.parse(own.body.toString()).csrf_token
    echo.intercept = (req, res) => {
      if (!req.url?.includes('mirror')) return false
      req.pipe(res.writeHead(200, { 'content-type': 'application/octet-stream' }))
      return true
    }
    const answer = await ask(
      session,
      {
        ...{ ':path': '/api/crud/mirror', ':method': 'POST', cookie, origin },
        'x-csrf-token': csrf,
      },
      large,
    )
    echo.intercept = undefined
    assert.equal(createHash('sha256').update(answer.body).digest('hex'), hash)
  })

  await t.test('who resets a stream is not waited for', async () => {
    let closed = false
    echo.intercept = (req, res) => {
      if (!req.url?.includes('forever')) return false
      res.writeHead(200, { 'content-type': 'text/plain' }).write('begun')
      res.once('close', () => {
        closed = true
      })
      return true
    }
    const stream = session.request({
      ...{ ':path': '/api/crud/forever', cookie, 'user-agent': VISITOR_AGENT },
    })
    await once(stream, 'data')
    stream.close(8)
    await until('the backend is let go', () => closed)
    echo.intercept = undefined
  })

  await t.test('an answer that is cut short is a reset, and not an end', async () => {
    echo.intercept = (req, res) => {
      if (!req.url?.includes('cut')) return false
      const told = req.url.endsWith('length') ? { 'content-length': '1000' } : {}
      res.writeHead(200, told).write('some', () => res.socket?.destroy())
      return true
    }
    for (const path of ['/api/crud/cut-length', '/api/crud/cut-chunks']) {
      await assert.rejects(ask(session, { ':path': path, cookie }), /INTERNAL_ERROR/)
    }
    echo.intercept = undefined
  })

  await t.test('HTTP/1.1 goes on beside it, on connections that are kept', async (t) => {
    const agent = new Agent({ keepAlive: true, ca: authority.cert, maxSockets: 1 })
    t.after(() => agent.destroy())
    const sockets = new Set<unknown>()
    for (let i = 0; i < 3; i++) {
      const call = request(`${origin}/api/crud/old-${i}`, {
        agent,
        headers: { cookie, 'user-agent': VISITOR_AGENT },
      })
      call.end()
      const [answer] = await once(call, 'response')
      sockets.add(answer.socket)
      let text = ''
      for await (const chunk of answer) text += chunk
      assert.equal(JSON.parse(text).url, `/api/old-${i}`)
    }
    assert.equal(sockets.size, 1)
  })

  await t.test('both take the fast path', async (t) => {
    const slow = slowRequests(t, gateway.bff)
    const call = request(`${origin}/api/crud/fast`, {
      ...{ agent: false, ca: authority.cert },
      headers: { cookie, 'user-agent': VISITOR_AGENT },
    })
    call.end()
    const [answer] = await once(call, 'response')
    answer.resume()
    await once(answer, 'end')
    assert.equal((await ask(session, { ':path': '/api/crud/fast', cookie })).status, 200)
    assert.deepEqual(slow, [])
    await ask(session, { ':path': '/health' })
    assert.deepEqual(slow, ['GET /health'], 'what is not fast is seen')
  })

  await t.test('an event arrives while its stream goes on', async () => {
    echo.intercept = (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      return true
    }
    const stream = session.request({
      ...{ ':path': '/api/crud/events', cookie, 'user-agent': VISITOR_AGENT },
    })
    const [event] = await once(stream, 'data')
    assert.equal(String(event), 'data: 1\n\n')
    stream.close()
    echo.intercept = undefined
  })

  await t.test('TLS before 1.2 gets no handshake', async () => {
    const { port } = new URL(origin)
    const socket = connectTls({
      ...{ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false },
      ...{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    })
    await assert.rejects(once(socket, 'secureConnect'))
  })

  await t.test('another certificate is taken over, and open connections stay', async (t) => {
    world.serve(await world.made('renewed'))
    const next = await connectTo(t, origin, authority)
    const { fingerprint256 } = (
      next.socket as unknown as {
        getPeerCertificate(): { fingerprint256: string }
      }
    ).getPeerCertificate()
    assert.equal((await ask(next, { ':path': '/health' })).status, 200)
    assert.equal((await ask(session, { ':path': '/health' })).status, 200)
    const before = (
      session.socket as unknown as {
        getPeerCertificate(): { fingerprint256: string }
      }
    ).getPeerCertificate()
    assert.notEqual(before.fingerprint256, fingerprint256)
  })

  await t.test('a certificate that is no good is refused, and says why', async () => {
    const foreign = await world.made('foreign')
    const { certFile } = world.certificate
    assert.throws(
      () => world.serve({ ...foreign, certFile }),
      /server\.tls\.key_file.*is not the key of/s,
    )
    assert.equal((await ask(session, { ':path': '/health' })).status, 200)
  })

  await t.test('a stop says so, and waits for what is under way', async () => {
    let finish: (() => void) | undefined
    echo.intercept = (req, res) => {
      if (!req.url?.includes('slow')) return false
      finish = () => void res.end('done')
      return true
    }
    const stream = session.request({
      ...{ ':path': '/api/crud/slow', cookie, 'user-agent': VISITOR_AGENT },
    })
    const answer = answerOf(stream)
    await until('the backend has it', () => finish !== undefined)
    const told = once(session, 'goaway')
    const drained = gateway.drainBff()
    await told
    finish?.()
    assert.equal((await answer).body.toString(), 'done')
    await drained
  })
})
