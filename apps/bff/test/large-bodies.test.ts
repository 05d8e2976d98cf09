import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { startSystem } from '@audience-bridge/testkit/system.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import {
  type Backend,
  startAuthority,
  startH2c,
  startHttp,
  startHttp2,
  startHttps,
  withServices,
} from './https-world.ts'

/*
 * A body of any size takes a gateway that holds a little of it. `LARGE_MB=1024` for what the size of a
 * process would show; the shorter ones show it by what the backend gets rid of while nobody reads.
 */
const MB = 1_048_576
const LARGE = Number(process.env.LARGE_MB ?? 96) * MB
/** What collecting late may cost: buffers of a stream are garbage until the next collection. */
const GROWTH_MB = 64
/** Sockets, HTTP/2 windows and buffers between the two ends. */
const IN_BETWEEN = 24 * MB
const PIECE = Buffer.alloc(65_536, 'x')

const pieces = (bytes: number) =>
  Readable.from(
    (function* () {
      for (let left = bytes; left > 0; left -= PIECE.length) yield PIECE.subarray(0, left)
    })(),
    { objectMode: false },
  )

test('bodies of any size', async (t) => {
  const { ca, issue } = await startAuthority(t)
  const server = await issue('/CN=backend')
  const backends: Record<string, Backend> = {
    plain: await startHttp(t),
    tls: await startHttps(t, server),
    h2: await startHttp2(t, server),
    h2c: await startH2c(t),
  }
  let given = 0
  let taken = 0
  for (const backend of Object.values(backends)) {
    backend.answer = (req, res) => {
      if (req.method === 'GET') {
        const body = pieces(LARGE)
        body.on('data', (piece: Buffer) => {
          given += piece.length
        })
        body.pipe(res)
        // Nobody would end it: it would flow on, and be counted.
        res.once('close', () => body.destroy())
        return
      }
      taken = 0
      req.on('data', (piece: Buffer) => {
        taken += piece.length
      })
      req.on('end', () => res.end(String(taken)))
    }
  }
  const system = await startSystem(t, {
    edits: {
      'BFF/config/routes.yaml': withServices(
        Object.fromEntries(
          Object.entries(backends).map(([name, { origin }]) => [
            name,
            [
              `base_url: ${origin}`,
              ...(origin.startsWith('https') ? [`ca_path: ${ca.certFile}`] : []),
              ...(name.startsWith('h2') ? ['http2: true'] : []),
            ],
          ]),
        ),
      ),
    },
  })
  const rssMb = () =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${system.pids.bff}/status`, 'utf8'))?.[1]) /
    1024
  /** The largest that the process became, above what it was before. */
  const growth = async (work: () => Promise<void>): Promise<number> => {
    const before = rssMb()
    let most = before
    const look = setInterval(() => {
      most = Math.max(most, rssMb())
    }, 50)
    await work()
    clearInterval(look)
    return most - before
  }
  const open = (method: string, path: string, headers: Record<string, string> = {}) =>
    request(new URL(path, system.bff), { method, headers, agent: false })
  const answerOf = async (asked: ClientRequest): Promise<IncomingMessage> => {
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    return answer
  }
  const download = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await answerOf(open('GET', path, headers).end())
    assert.equal(answer.statusCode, 200)
    let bytes = 0
    for await (const piece of answer) bytes += (piece as Buffer).length
    assert.equal(bytes, LARGE)
  }
  const upload = async (path: string, headers: Record<string, string> = {}) => {
    const asked = open('POST', path, headers)
    const answered = answerOf(asked)
    pieces(LARGE).pipe(asked)
    const answer = await answered
    let text = ''
    for await (const piece of answer) text += piece
    assert.equal(text, String(LARGE))
  }

  // A field that the fast path declines.
  const SLOW = { te: 'trailers' }
  await download('/plain/warm')
  await upload('/plain/warm')
  const cases: [string, () => Promise<void>][] = [
    ['a download by the fast path', () => download('/plain/x')],
    ['a download by the HTTP server', () => download('/plain/x', SLOW)],
    ['a download over TLS', () => download('/tls/x')],
    ['a download over HTTP/2', () => download('/h2/x')],
    ['a download over HTTP/2 in the clear', () => download('/h2c/x')],
    ['an upload of a length', () => upload('/plain/x', { 'content-length': String(LARGE) })],
    ['an upload in chunks', () => upload('/plain/x')],
    ['an upload over TLS', () => upload('/tls/x')],
    ['an upload over HTTP/2', () => upload('/h2/x')],
  ]
  for (const [what, work] of cases) {
    await t.test(`${what} is not kept`, async (t) => {
      const mb = await growth(work)
      t.diagnostic(`${what}: ${mb.toFixed(0)} MB more`)
      assert.ok(mb < GROWTH_MB, `the process grew by ${mb} MB`)
    })
  }

  for (const [what, path, headers] of [
    ['the fast path', '/plain/x', {}],
    ['the HTTP server', '/plain/x', SLOW],
    ['TLS', '/tls/x', {}],
    ['HTTP/2', '/h2/x', {}],
  ] as const) {
    await t.test(`a client that does not read holds its backend back, by ${what}`, async () => {
      given = 0
      const asked = open('GET', path, headers).end()
      const answer = await answerOf(asked)
      answer.pause()
      let before = -1
      await until('a backend that waits', () => {
        const waits = given === before
        before = given
        return waits
      })
      assert.ok(given < IN_BETWEEN, `${given} bytes were taken off the backend`)
      asked.destroy()
    })
  }
})
