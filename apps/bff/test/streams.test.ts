import assert from 'node:assert/strict'
import { createHash, type Hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

const PATH = '/api/v1/analytics/stream'
const TEN_MB = randomBytes(10 * 1024 * 1024)

async function startStreams(t: TestContext) {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin },
    edits: {
      'BFF/config/routes.yaml': inOrder(
        replace('timeout: 30', 'timeout: 0.3'),
        (text) =>
          `${text}\n  - id: events\n    path: /api/events\n    target_service: analytics_service\n    upstream_path: /events\n    auth: session\n    streaming: true\n`,
      ),
    },
  })
  const visitor = await gateway.signedIn()
  const csrf = await visitor.csrfToken()
  /** A request of Node's own client: chunk by chunk in both directions. */
  const open = (method: string, path = PATH, headers: Record<string, string> = {}): ClientRequest =>
    request(new URL(path, gateway.bff), {
      method,
      headers: {
        cookie: visitor.cookie,
        'user-agent': VISITOR_AGENT,
        'x-csrf-token': csrf,
        ...headers,
      },
    })
  return { echo, gateway, open }
}

test('bodies', async (t) => {
  const { echo, gateway, open } = await startStreams(t)

  for (const [framing, headers] of [
    ['a length', { 'content-length': String(TEN_MB.length) }],
    ['chunks', { 'transfer-encoding': 'chunked' }],
  ] as const) {
    await t.test(`of ten megabytes with ${framing} pass in both directions`, async () => {
      const seen: { head: IncomingMessage['headers'] | undefined; hash: Hash } = {
        head: undefined,
        hash: createHash('sha256'),
      }
      echo.intercept = (req, res) => {
        seen.head = req.headers
        res.writeHead(200, framing === 'a length' ? { 'content-length': TEN_MB.length } : {})
        req.on('data', (chunk: Buffer) => seen.hash.update(chunk))
        req.pipe(res)
        return true
      }
      const req = open('POST', PATH, headers)
      req.end(TEN_MB)
      const [res] = (await once(req, 'response')) as [IncomingMessage]
      assert.equal(res.statusCode, 200)
      const back = createHash('sha256')
      for await (const chunk of res) back.update(chunk as Buffer)
      const expected = createHash('sha256').update(TEN_MB).digest('hex')
      assert.equal(seen.hash.digest('hex'), expected)
      assert.equal(back.digest('hex'), expected)
      assert.equal(
        seen.head?.['content-length'],
        framing === 'a length' ? String(TEN_MB.length) : undefined,
      )
    })
  }

  await t.test('are passed on as they come, never held', async () => {
    const atBackend: string[] = []
    let answer: (text: string) => void = () => {}
    echo.intercept = (req, res) => {
      req.on('data', (chunk: Buffer) => atBackend.push(chunk.toString()))
      answer = (text) => void res.write(text)
      req.on('end', () => res.end())
      return true
    }
    const req = open('POST', PATH, { 'transfer-encoding': 'chunked' })
    req.write('first')
    await until('the first chunk at the backend', () => atBackend.join('') === 'first')
    answer('early ')
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    const atBrowser: string[] = []
    res.on('data', (chunk: Buffer) => atBrowser.push(chunk.toString()))
    await until('the first chunk at the browser', () => atBrowser.join('') === 'early ')
    req.write('second')
    await until('the second chunk at the backend', () => atBackend.join('') === 'firstsecond')
    answer('late')
    await until('the second chunk at the browser', () => atBrowser.join('') === 'early late')
    req.end()
    await once(res, 'end')
  })

  await t.test('that the browser gives up are given up at the backend', async () => {
    let closed = false
    echo.intercept = (_, res) => {
      res.write('x')
      res.once('close', () => {
        closed = true
      })
      return true
    }
    const req = open('GET')
    req.on('error', () => {})
    req.end()
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    res.on('error', () => {}).resume()
    req.destroy()
    await until('the end of the request at the backend', () => closed)
  })

  await t.test('that the backend cuts short arrive as cut short, not as whole', async () => {
    echo.intercept = (_, res) => {
      res.writeHead(200, { 'content-type': 'text/plain' })
      res.write('half', () => res.destroy())
      return true
    }
    const req = open('GET')
    req.end()
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    await assert.rejects(async () => {
      for await (const _ of res) {
        // Until it breaks.
      }
    }, /aborted/)
  })

  await t.test(
    'that pause longer than the timeout are cut, but not on a streaming route',
    async () => {
      echo.intercept = (_, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.write('data: 1\n\n')
        setTimeout(() => res.end('data: 2\n\n'), 1500)
        return true
      }
      const read = async (path: string): Promise<string> => {
        const req = open('GET', path)
        req.end()
        const [res] = (await once(req, 'response')) as [IncomingMessage]
        let text = ''
        for await (const chunk of res) text += String(chunk)
        return text
      }
      const [cut, whole] = await Promise.allSettled([read(PATH), read('/api/events')])
      assert.equal(cut.status, 'rejected')
      assert.deepEqual(whole, { status: 'fulfilled', value: 'data: 1\n\ndata: 2\n\n' })
    },
  )

  await t.test('with their head sent at once on a streaming route', async () => {
    let end: () => void = () => {}
    echo.intercept = (_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.flushHeaders()
      end = () => res.end()
      return true
    }
    const req = open('GET', '/api/events')
    req.end()
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    assert.equal(res.headers['content-type'], 'text/event-stream')
    end()
    await once(res.resume(), 'end')
  })

  await t.test('are accounted for when they are aborted', async () => {
    await until('the access line of an aborted request', () =>
      gateway.logs.some((line) => line.aborted === true && line.service === 'analytics_service'),
    )
  })
})
