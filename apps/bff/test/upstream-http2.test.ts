import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { decodePart } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startAuthority, startH2c, startHttp2, startHttps, withServices } from './https-world.ts'

test('a backend that speaks HTTP/2', async (t) => {
  const { ca, issue } = await startAuthority(t)
  const server = await issue('/CN=backend')
  const [h2, h2c, h1] = [
    await startHttp2(t, server),
    await startH2c(t),
    await startHttps(t, server),
  ]
  const few = await startHttp2(t, server, { settings: { maxConcurrentStreams: 10 } })
  const trusted = `ca_path: ${ca.certFile}`
  const gateway = await startGateway(t, {
    edits: {
      'BFF/config/settings.yaml': replace(
        'session:\n',
        'service_dpop: {analytics_service: true}\n\nsession:\n',
      ),
      'BFF/config/routes.yaml': inOrder(
        withServices({
          two: [`base_url: ${h2.origin}`, trusted, 'http2: true', 'timeout: 5'],
          few: [`base_url: ${few.origin}`, trusted, 'http2: true'],
          clear: [`base_url: ${h2c.origin}`, 'http2: true'],
          one: [`base_url: ${h1.origin}`, trusted, 'http2: true'],
          never: [`base_url: ${h2.origin}`, trusted],
        }),
        (text) =>
          text.replace(
            /analytics_service:\n {4}base_url: .*\n/,
            `analytics_service:\n    base_url: ${h2.origin}\n    ${trusted}\n    http2: true\n`,
          ),
      ),
    },
  })
  const visitor = gateway.visitor()
  const text = async (path: string, init: Parameters<typeof visitor.fetch>[1] = {}) => {
    const response = await visitor.fetch(path, init)
    assert.equal(response.status, 200)
    return response.text()
  }
  /** Every test starts with a backend that has forgotten the ones before. */
  const fresh = (backend: typeof h2) => {
    backend.answer = (_, res) => void res.end('ok')
    backend.sockets.clear()
    backend.asked = 0
  }
  const streamOf = (res: object) => (res as Http2ServerResponse).stream

  await t.test('is spoken to by it, over TLS and without', async () => {
    for (const [path, backend, version] of [
      ['/two/x?a=1', h2, '2.0'],
      ['/clear/x', h2c, '2.0'],
    ] as const) {
      const seen: string[] = []
      backend.answer = (req, res) => {
        seen.push(req.httpVersion, req.method ?? '', String(req.url))
        res.end('ok')
      }
      assert.equal(await text(path), 'ok')
      assert.deepEqual(seen, [version, 'GET', path.replace(/^\/[a-z]+/, (prefix) => prefix)])
    }
  })

  await t.test('is one, where a service says so: nothing else is spoken', async () => {
    await assertProblem(await visitor.fetch('/one/x'), 'UPSTREAM_UNREACHABLE')
    assert.equal(
      gateway.logs.at(-1)?.reason ?? gateway.logs.at(-2)?.reason,
      'it did not agree to HTTP/2',
    )
    assert.equal(h1.asked, 0)
  })

  await t.test('is not where only HTTP/1.1 is offered', async () => {
    await assertProblem(await visitor.fetch('/never/x'), 'UPSTREAM_UNREACHABLE')
  })

  await t.test('answers many at once on one connection, each with its own', async () => {
    fresh(h2)
    let held: (() => void)[] = []
    h2.answer = (req, res) => {
      const hash = createHash('sha256')
      req.on('data', (bytes: Buffer) => hash.update(bytes))
      req.on('end', () => held.push(() => void res.end(`${req.url} ${hash.digest('hex')}`)))
    }
    const bodies = Array.from({ length: 80 }, (_, i) => Buffer.alloc(i * 1000, i))
    const asked = bodies.map((body, i) => text(`/two/${i}`, { method: 'POST', body }))
    await until('all of them', () => held.length === 80)
    for (const answer of held.reverse()) answer()
    held = []
    for (const [i, answer] of (await Promise.all(asked)).entries()) {
      const digest = createHash('sha256')
        .update(bodies[i] ?? '')
        .digest('hex')
      assert.equal(answer, `/two/${i} ${digest}`)
    }
    assert.equal(h2.sockets.size, 1)
  })

  // The attack: requests that last, one for each stream of a connection, would make everybody else wait.
  await t.test('is asked on more connections once one is full', async () => {
    const many = 33
    const held: (() => void)[] = []
    few.answer = (_, res) => void held.push(() => void res.end('ok'))
    const asked = Array.from({ length: many }, () => text('/few/x'))
    await until('all of them', () => held.length === many)
    assert.ok(few.sockets.size >= 4 && few.sockets.size <= 8, `${few.sockets.size} connections`)
    for (const answer of held) answer()
    assert.deepEqual(new Set(await Promise.all(asked)), new Set(['ok']))
  })

  await t.test('keeps repeated fields apart, and is not told ours', async () => {
    let seen: NodeJS.Dict<string | string[]> = {}
    h2.answer = (req, res) => {
      seen = req.headers
      res.writeHead(200, { 'set-cookie': ['a=1', 'b=2'], 'x-own': 'kept' })
      res.end('ok')
    }
    const response = await visitor.fetch('/two/x', {
      headers: { cookie: 'secret=1', 'x-user-id': 'root', 'x-mine': 'a' },
    })
    assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
    assert.equal(response.headers.get('x-own'), 'kept')
    assert.equal(seen['x-mine'], 'a')
    for (const name of ['cookie', 'x-user-id', 'host', 'connection'])
      assert.equal(seen[name], undefined)
    assert.equal(seen[':authority'], new URL(h2.origin).host)
  })

  // The attack: a field that HTTP/2 forbids makes the client end its connection, and with it everybody's requests.
  await t.test('loses no connection to what a client sends', async () => {
    fresh(h2)
    let answer: (() => void) | undefined
    h2.answer = (req, res) => {
      if (req.url === '/two/held') answer = () => void res.end('held')
      else res.end('ok')
    }
    const held = text('/two/held')
    await until('the held one', () => answer !== undefined)
    for (const head of [
      [['HTTP2-Settings', 'AAMAAABkAAQCAAAAAAIAAAAA']],
      [
        ['Connection', 'Upgrade, HTTP2-Settings, close'],
        ['Upgrade', 'h2c'],
        ['HTTP2-Settings', 'AAMAAABkAAQ'],
      ],
      [['TE', 'gzip']],
      [
        ['Keep-Alive', 'timeout=5'],
        ['Proxy-Connection', 'keep-alive'],
      ],
      [['Transfer-Encoding', 'chunked']],
      [['X-Latin', 'caf\u00e9']],
      [
        ['Content-Type', 'a/b'],
        ['Content-Type', 'c/d'],
        ['Age', '1'],
        ['Age', '2'],
      ],
      [
        ['Host', 'a.example'],
        ['Upgrade', 'websocket'],
      ],
    ] as [string, string][][]) {
      const chunked = head[0]?.[0] === 'Transfer-Encoding'
      const got = await gateway.raw('GET', '/two/x', head, chunked ? '0\r\n\r\n' : '')
      assert.ok([200, 400].includes(got.status), `${head}: ${got.status} ${got.body}`)
    }
    answer?.()
    assert.equal(await held, 'held')
    assert.equal(h2.sockets.size, 1)
  })

  await t.test('resets one stream, and the others go on', async () => {
    fresh(h2)
    let answer: (() => void) | undefined
    h2.answer = (req, res) => {
      if (req.url === '/two/held') answer = () => void res.end('held')
      else streamOf(res).close(2)
    }
    const held = text('/two/held')
    await until('the held one', () => answer !== undefined)
    for (const method of ['GET', 'POST']) {
      const response = await visitor.fetch('/two/reset', { method })
      const problem = await assertProblem(response, 'UPSTREAM_UNREACHABLE')
      assert.equal(problem.service, 'two')
    }
    answer?.()
    assert.equal(await held, 'held')
  })

  await t.test('resets a stream amid its answer: that is no whole answer', async () => {
    h2.answer = (_, res) => {
      res.writeHead(200, { 'content-type': 'text/plain' })
      res.write('half', () => streamOf(res).close(2))
    }
    await assert.rejects(text('/two/x'))
    h2.answer = (_, res) => {
      res.writeHead(200, { 'content-length': '9' })
      res.end('half')
    }
    await assert.rejects(text('/two/x'))
  })

  await t.test(
    'says goodbye: what is under way ends, what follows has another connection',
    async () => {
      fresh(h2)
      let answer: (() => void) | undefined
      h2.answer = (req, res) => {
        if (req.url === '/two/held') {
          answer = () => void res.end('held')
          ;(req as unknown as Http2ServerRequest).stream.session?.close()
        } else res.end('ok')
      }
      const held = text('/two/held')
      await until('the held one', () => answer !== undefined)
      assert.deepEqual(await Promise.all([1, 2, 3].map((n) => text(`/two/${n}`))), [
        'ok',
        'ok',
        'ok',
      ])
      answer?.()
      assert.equal(await held, 'held')
      assert.equal(h2.sockets.size, 2)
    },
  )

  await t.test('is gone between two requests: nobody notices', async () => {
    fresh(h2)
    for (let round = 0; round < 5; round++) {
      assert.equal(await text('/two/x'), 'ok')
      for (const socket of h2.sockets) socket.destroy()
    }
  })

  await t.test('has a head that is too large, or too long an answer to wait for', async () => {
    fresh(h2)
    h2.answer = (_, res) => {
      res.writeHead(200, { 'x-large': 'a'.repeat(200_000) })
      res.end('ok')
    }
    await assertProblem(await visitor.fetch('/two/x'), 'UPSTREAM_INVALID')
    h2.answer = (_, res) => {
      for (let i = 0; i < 300; i++) res.setHeader(`x-${i}`, 'a'.repeat(100))
      res.end('ok')
    }
    await assertProblem(await visitor.fetch('/two/x'), 'UPSTREAM_INVALID')
    fresh(h2)
    assert.equal(await text('/two/x'), 'ok', 'the next one is answered')
  })

  await t.test('is given a bound token with a proof for its own address', async () => {
    fresh(h2)
    let seen: NodeJS.Dict<string | string[]> = {}
    h2.answer = (req, res) => {
      seen = req.headers
      res.end('ok')
    }
    const member = await gateway.signedIn()
    const response = await member.fetch('/api/v1/analytics/x?a=1')
    assert.equal(await response.text(), 'ok')
    assert.match(String(seen.authorization), /^DPoP /)
    const proof = decodePart(String(seen.dpop), 1)
    assert.deepEqual([proof.htm, proof.htu], ['GET', `${h2.origin}/api/v1/analytics/x`])
  })

  await t.test('streams events: each arrives before the next one is made', async () => {
    fresh(h2)
    let next: ((text: string) => void) | undefined
    h2.answer = (_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      next = (text) => (text === '' ? void res.end() : void res.write(`data: ${text}\n\n`))
      next('0')
    }
    const response = await visitor.fetch('/two/x')
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (let i = 0; i < 3; i++) {
      assert.equal((await reader?.read())?.value, `data: ${i}\n\n`)
      next?.(String(i + 1))
    }
    next?.('')
    await reader?.cancel()
  })

  await t.test('is told when the browser goes away', async () => {
    fresh(h2)
    let gone = false
    let begun = false
    h2.answer = (_, res) => {
      begun = true
      streamOf(res).once('close', () => {
        gone = true
      })
      res.writeHead(200)
      res.write('x')
    }
    const abort = new AbortController()
    const response = await visitor.fetch('/two/x', { signal: abort.signal })
    assert.ok(begun)
    abort.abort()
    await assert.rejects(response.text())
    await until('the end of the stream', () => gone)
  })
})
