import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EVIL_REQUESTS, ODD_REQUESTS } from './fast-corpus.ts'
import { EVIL_ANSWERS, ODD_ANSWERS } from './fast-corpus-answers.ts'
import { fastReads, fastReadsAnswer, nodeReads, nodeReadsAnswer } from './fast-readings.ts'

/*
 * The fast path against llhttp, as Node's own server and client have it: whatever the fast path
 * takes, llhttp reads in the same way. A few seconds by default, half a minute each in `npm test`;
 * `FUZZ_SECONDS=600` for longer, and `FUZZ_SEED=n` for a run again. A failure prints its seed and the smallest input that was found.
 */

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 3)
const SEED = process.env.FUZZ_SEED === undefined ? {} : { seed: Number(process.env.FUZZ_SEED) }
const RUN = {
  ...SEED,
  numRuns: 10_000_000,
  interruptAfterTimeLimit: SECONDS * 1000,
  markInterruptAsFailure: false,
}

const latin1 = (text: string) => Buffer.from(text, 'latin1')

/** What is put together, cut up and mixed: whatever some parser somewhere takes for framing. */
const BITS = [
  ...[
    '\r\n',
    '\r',
    '\n',
    '\n\r',
    '\r\n\r\n',
    ' ',
    '\t',
    '\0',
    '\x0b',
    '\x0c',
    '\x7f',
    '\x80',
    '\xff',
  ],
  ...[':', ': ', ' :', ',', ';', '=', '"', '/', '?', '%', '#', '\\', '*', '+', '-', '0', '5', 'a'],
  ...['GET ', 'HEAD ', 'POST ', 'PUT ', 'OPTIONS ', 'CONNECT ', 'get ', 'GETX '],
  ...['/a', '/a?b=c', '/%2e', 'http://b/', '*', ' HTTP/1.1\r\n', ' HTTP/1.0\r\n', ' HTTP/1.1\n'],
  ...['Host: a\r\n', 'Host: b\r\n', 'host:a\r\n', 'X: y\r\n', 'X : y\r\n', 'X:y\r\n', 'X:  y \r\n'],
  ...['Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'content-length:3\r\n', 'Content-Length: '],
  ...['Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: ', 'chunked', 'identity', 'gzip'],
  ...['Connection: close\r\n', 'Connection: keep-alive\r\n', 'Connection: ', 'close', 'Upgrade'],
  ...[
    'Expect: 100-continue\r\n',
    'Upgrade: h2c\r\n',
    'Cookie: a=b\r\n',
    'Proxy-Connection: close\r\n',
  ],
  ...[
    'hello',
    '5\r\nhello\r\n',
    '0\r\n\r\n',
    '5;a=b\r\nhello\r\n',
    '0\r\nX: y\r\n\r\n',
    'ffffffff',
  ],
  ...[
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 204 No\r\n',
    'HTTP/1.0 200\r\n',
  ],
  ...['HTTP/1.1 304 N\r\n', 'HTTP/1.1 200 \r\n', 'HTTP/1.1 101 S\r\n', 'Keep-Alive: timeout=5\r\n'],
]

const bit = fc.constantFrom(...BITS)

const field = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('X: y', 'Accept: */*', 'Cookie: a=b; c=d', 'A:b', 'Z-z: 0'),
  },
  { weight: 2, arbitrary: fc.constantFrom('Connection: close', 'Connection: keep-alive') },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.string({ unit: 'binary-ascii', maxLength: 6 }), fc.string({ maxLength: 8 }))
      .map(([name, value]) => `${name}: ${value}`),
  },
  { weight: 1, arbitrary: fc.array(bit, { maxLength: 3 }).map((bits) => bits.join('')) },
)

const plainRequest = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),
    target: fc.oneof(fc.constantFrom('/', '/a', '/a/b?c=d&e', '/%20'), fc.webPath()),
    fields: fc.uniqueArray(field, { maxLength: 4 }),
    body: fc.option(fc.oneof(fc.constant('hello'), bit, fc.string({ maxLength: 9 })), {
      nil: undefined,
    }),
  })
  .map(({ method, target, fields, body }) => {
    const length = body === undefined ? [] : [`Content-Length: ${latin1(body).length}`]
    const lines = [`${method} ${target} HTTP/1.1`, 'Host: a', ...fields, ...length, '', '']
    return lines.join('\r\n') + (body ?? '')
  })

const plainAnswer = fc
  .record({
    status: fc.constantFrom('200 OK', '200 ', '200', '204 No Content', '304 N', '404 Not', '100 C'),
    version: fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'),
    fields: fc.array(field, { maxLength: 4 }),
    body: fc.oneof(
      fc.string({ maxLength: 9 }).map((text) => [`Content-Length: ${latin1(text).length}`, text]),
      fc
        .tuple(
          fc.array(fc.string({ minLength: 1, maxLength: 9 })),
          fc.constantFrom('', ';a', ';a=b;c="d"'),
        )
        .map(([pieces, extension]) => [
          'Transfer-Encoding: chunked',
          `${pieces.map((piece) => `${latin1(piece).length.toString(16)}${extension}\r\n${piece}\r\n`).join('')}0\r\n\r\n`,
        ]),
      fc.string({ maxLength: 9 }).map((text) => ['Server: x', text]),
    ),
  })
  .map(({ version, status, fields, body: [framing = '', body = ''] }) =>
    [`${version} ${status}`, ...fields, framing, '', body].join('\r\n'),
  )

/** Damage done to a text: a place, how many characters go, and what comes instead. */
const damage = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(3), bit)

function damaged(text: string, damages: readonly [number, number, string][]): string {
  let out = text
  for (const [place, cut, bits] of damages) {
    const at = Math.floor(place * out.length)
    out = out.slice(0, at) + bits + out.slice(at + cut)
  }
  return out
}

const texts = (plain: fc.Arbitrary<string>, evil: Readonly<Record<string, string>>) =>
  fc
    .tuple(
      fc.array(
        fc.oneof(
          { weight: 6, arbitrary: plain },
          { weight: 1, arbitrary: fc.constantFrom(...Object.values(evil)) },
          { weight: 1, arbitrary: fc.array(bit, { maxLength: 12 }).map((bits) => bits.join('')) },
        ),
        { minLength: 1, maxLength: 3 },
      ),
      fc.oneof(
        { weight: 3, arbitrary: fc.constant([]) },
        { weight: 3, arbitrary: fc.array(damage, { minLength: 1, maxLength: 3 }) },
      ),
    )
    .map(([messages, damages]) => damaged(messages.join(''), damages))

const MORE_TIME = { timeout: SECONDS * 1000 + 60_000 }

test('requests: what the fast path takes, llhttp reads identically', MORE_TIME, async (t) => {
  const seen = { cases: 0, taken: 0, declined: 0 }
  const agree = async (text: string) => {
    const bytes = latin1(text)
    const fast = fastReads(bytes)
    const node = await nodeReads(bytes)
    seen.cases++
    seen.taken += fast.requests.length
    if (fast.end === 'declined') seen.declined++
    assert.deepEqual(node.requests.slice(0, fast.requests.length), fast.requests)
    // Where the next one begins: the HTTP server alone makes of the rest what it makes of it here.
    if (fast.end === 'closed' || fast.requests.length === 0) return
    const rest = await nodeReads(bytes.subarray(fast.at))
    assert.deepEqual(node.requests.slice(fast.requests.length), rest.requests)
    assert.equal(node.refused, rest.refused)
  }

  for (const [what, text] of Object.entries(EVIL_REQUESTS)) {
    await t.test(`${what}: declined, whole and after a good request`, async () => {
      const good = 'GET /good HTTP/1.1\r\nHost: a\r\n\r\n'
      assert.deepEqual(fastReads(latin1(text)), { requests: [], at: 0, end: 'declined' })
      const { requests, at, end } = fastReads(latin1(good + text))
      assert.deepEqual([requests.length, at, end], [1, good.length, 'declined'])
      await agree(good + text)
    })
  }

  for (const [what, text] of Object.entries(ODD_REQUESTS)) {
    await t.test(`${what}: read alike`, () => agree(text))
  }

  await t.test('whatever is thrown at them', async () => {
    const seeds = { ...EVIL_REQUESTS, ...ODD_REQUESTS }
    await fc.assert(fc.asyncProperty(texts(plainRequest, seeds), agree), RUN)
    t.diagnostic(JSON.stringify(seen))
    assert.ok(seen.taken > seen.cases / 10, 'the fast path was taken often enough to be tried')
    assert.ok(seen.declined > seen.cases / 10, 'and declined')
  })
})

test('requests that come in pieces are what they are as a whole', () => {
  fc.assert(
    fc.property(plainRequest, (text) => {
      const whole = fastReads(latin1(text))
      if (whole.requests.length !== 1) return
      // At no byte is there another, earlier reading; nor is it given up.
      for (let cut = 0; cut < whole.at; cut++) {
        const part = fastReads(latin1(text.slice(0, cut)))
        assert.deepEqual(
          [part.requests.length, part.end],
          [0, 'more'],
          JSON.stringify(text.slice(0, cut)),
        )
      }
    }),
    { ...SEED, numRuns: 300 },
  )
})

/** The bytes cut at places between 0 and 1. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)), bytes.length]
  places.sort((a, b) => a - b)
  return places.slice(1).map((end, i) => bytes.subarray(places[i] ?? 0, end))
}

test('answers: what the fast path takes, llhttp reads identically', MORE_TIME, async (t) => {
  const seen = { cases: 0, whole: 0, refused: 0 }
  const agree = async (method: string, text: string, cuts: readonly number[]) => {
    const bytes = latin1(text)
    const fast = fastReadsAnswer(method, pieces(bytes, cuts))
    seen.cases++
    assert.deepEqual(fast, fastReadsAnswer(method, [bytes]), 'in pieces as in one')
    if (fast.kind !== 'answer') return void seen.refused++
    const node = await nodeReadsAnswer(method, bytes)
    assert.equal(node.kind, 'answer')
    if (node.kind !== 'answer') return
    assert.deepEqual([fast.status, fast.headers], [node.status, node.headers])
    if (fast.whole) seen.whole++
    // A body that is not whole is cut off at the browser: what came of it may differ.
    if (fast.whole) assert.deepEqual([fast.body, fast.whole], [node.body, node.whole])
  }

  for (const [what, text] of Object.entries(EVIL_ANSWERS)) {
    await t.test(`${what}: refused`, () => {
      const read = fastReadsAnswer('GET', [latin1(text)])
      assert.ok(read.kind !== 'answer' || !read.whole, JSON.stringify(read))
    })
  }

  for (const [what, text] of Object.entries(ODD_ANSWERS)) {
    await t.test(`${what}: read alike`, async () => {
      for (const method of ['GET', 'HEAD', 'POST']) await agree(method, text, [0.3, 0.6])
    })
  }

  await t.test('whatever is thrown at them', async () => {
    const seeds = { ...EVIL_ANSWERS, ...ODD_ANSWERS }
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
    const method = fc.constantFrom('GET', 'GET', 'HEAD', 'POST')
    await fc.assert(fc.asyncProperty(method, texts(plainAnswer, seeds), cuts, agree), RUN)
    t.diagnostic(JSON.stringify(seen))
    assert.ok(seen.whole > seen.cases / 20, 'answers were taken often enough to be tried')
    assert.ok(seen.refused > seen.cases / 20, 'and refused')
  })
})
