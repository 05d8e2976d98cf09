import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { acceptKey } from '@audience-bridge/testkit/websocket.ts'
import { startSockets } from './websocket-world.ts'

/*
 * Cross-site WebSocket hijacking (CWE-1385): a page of another site opens a WebSocket to us; the
 * browser adds the user's cookie, asks no preflight, and lets the page read what comes. The `Origin`
 * is all that tells that page from ours.
 */
test("another site's page gets no WebSocket", async (t) => {
  const partner = 'https://partner.example'
  const { echo, gateway, open, refused } = await startSockets(t, {
    edits: {
      'BFF/config/settings.yaml': (text) => `${text}\ncors:\n  allow_origins: [${partner}]\n`,
    },
  })
  const { host, port } = new URL(gateway.bff)

  for (const [what, origin] of [
    ['of no origin', undefined],
    ['of an empty one', ''],
    ['of a sandboxed frame', 'null'],
    ['of another site', 'https://evil.example'],
    ['of our host under another scheme', `https://${host}`],
    ['of our host on another port', `http://localhost:${Number(port) + 1}`],
    ['of our address under another name', `http://127.0.0.1:${port}`],
    ['of a host that begins as ours', `http://localhost:${port}.evil.example`],
    ['of a host that ends as ours', `http://evil-localhost:${port}`],
    ['of our origin with a user', `http://evil.example@${host}`],
    ['of our origin with a slash', `${gateway.bff}/`],
    ['of our origin with a path', `${gateway.bff}/x`],
    ['of our origin in capitals', gateway.bff.toUpperCase()],
    ['of two origins in one field', `${gateway.bff}, https://evil.example`],
    ['of a wildcard', '*'],
    ['of an allowed origin, extended', `${partner}.evil.example`],
  ] as const) {
    await t.test(what, async () => {
      await assertProblem(await refused('/api/ws/x', { Origin: origin }), 'ORIGIN_FORBIDDEN')
    })
  }

  await t.test('of two Origin fields', async () => {
    for (const [first, second] of [
      [gateway.bff, 'https://evil.example'],
      ['https://evil.example', gateway.bff],
    ] as const) {
      const answer = await refused('/api/ws/x', { Origin: first, origin: second })
      await assertProblem(answer, 'ORIGIN_FORBIDDEN')
    }
  })

  await t.test('by claiming our origin in other fields', async () => {
    const answer = await refused('/api/ws/x', {
      Origin: 'https://evil.example',
      Referer: `${gateway.bff}/`,
      'X-Forwarded-Host': 'evil.example',
      'Sec-WebSocket-Origin': gateway.bff,
      'Sec-Fetch-Site': 'same-origin',
    })
    await assertProblem(answer, 'ORIGIN_FORBIDDEN')
  })

  await t.test('nor through a proxy that took the Upgrade away', async () => {
    for (const origin of [undefined, 'https://evil.example']) {
      const head = { Upgrade: undefined, Connection: 'close', Origin: origin }
      await assertProblem(await refused('/api/ws/x', head), 'ORIGIN_FORBIDDEN')
    }
  })

  await t.test('and no backend ever hears of it', () => assert.deepEqual(echo.peers, []))

  await t.test('but ours and those of cors.allow_origins do', async () => {
    for (const origin of [gateway.bff, partner]) {
      const opened = await open('/api/ws/x', { origin })
      opened.socket.close()
      await opened.closed
    }
  })

  await t.test('and an administrator is told why', async () => {
    const id = 'ws-hijack-attempt'
    await refused('/api/ws/x', { Origin: 'https://evil.example', 'X-Correlation-ID': id })
    await refused('/api/ws/x', { Origin: undefined, 'X-Correlation-ID': `${id}-2` })
    const explain = async (of: string) => {
      const response = await fetch(`${gateway.bff}/admin/explain/${of}`, {
        headers: { authorization: `Bearer ${gateway.adminToken}` },
      })
      return JSON.stringify(await response.json())
    }
    assert.match(await explain(id), /"code":"origin_not_allowed"/)
    assert.match(await explain(`${id}-2`), /"code":"origin_missing"/)
  })
})

test('what is no proper request for a WebSocket', async (t) => {
  const { echo, gateway, refused, handshakeHead } = await startSockets(t)

  for (const [what, path, head, code] of [
    ['without a session', '/api/ws/x', { Cookie: undefined }, 'SESSION_REQUIRED'],
    ['with a made-up session', '/api/ws/x', { Cookie: 'bff_session=x' }, 'SESSION_REQUIRED'],
    ['without a token on a bearer route', '/machine/ws', {}, 'TOKEN_REQUIRED'],
    ['with a bad token', '/machine/ws', { Authorization: 'Bearer x' }, 'TOKEN_INVALID'],
    ['to a route that takes none', '/api/off/x', {}, 'WEBSOCKET_NOT_ALLOWED'],
    ['to the console', '/', {}, 'WEBSOCKET_NOT_ALLOWED'],
    ['to an endpoint of ours', '/auth/login', {}, 'WEBSOCKET_NOT_ALLOWED'],
    ['to no route', '/api/nowhere', {}, 'ROUTE_NOT_FOUND'],
    ['to a route without GET', '/api/post', {}, 'METHOD_NOT_ALLOWED'],
    ['with a path of two readings', '/api/ws/..%2foff', {}, 'PATH_AMBIGUOUS'],
    ['of an older version', '/api/ws/x', { 'Sec-WebSocket-Version': '8' }, 'BAD_REQUEST'],
    ['of two versions', '/api/ws/x', { 'sec-websocket-version': '13' }, 'BAD_REQUEST'],
    ['of no version', '/api/ws/x', { 'Sec-WebSocket-Version': undefined }, 'BAD_REQUEST'],
    ['without a key', '/api/ws/x', { 'Sec-WebSocket-Key': undefined }, 'BAD_REQUEST'],
    ['with a short key', '/api/ws/x', { 'Sec-WebSocket-Key': 'AAAA' }, 'BAD_REQUEST'],
  ] satisfies [string, string, Record<string, string | undefined>, ProblemCode][]) {
    await t.test(`${what} is ${code}`, async () => {
      const answer = await refused(path, head)
      await assertProblem(answer, code)
      assert.deepEqual(answer.headers.get('connection'), ['close'])
    })
  }

  for (const [what, framing, body] of [
    ['a body', {}, 'GET /api/ws/y HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['an empty body', { 'Content-Length': '0' }, ''],
  ] as const) {
    await t.test(`with ${what} is a plain request, read to its end`, async () => {
      const head = handshakeHead({ Connection: 'Upgrade, close', ...framing })
      const answer = await gateway.raw('GET', '/api/ws/x', head, body)
      assert.deepEqual([answer.status, answer.body], [200, 'plain'])
    })
  }

  await t.test('names the version that is taken', async () => {
    const answer = await refused('/api/ws/x', { 'Sec-WebSocket-Version': '25' })
    assert.deepEqual(answer.headers.get('sec-websocket-version'), ['13'])
  })

  await t.test('names the key of routes.yaml, and explains its place', async () => {
    const id = 'ws-not-enabled'
    const answer = await refused('/api/off/x', { 'X-Correlation-ID': id })
    assert.match(JSON.parse(answer.body).detail, /websocket: true in routes\.yaml/)
    const explained = await fetch(`${gateway.bff}/admin/explain/${id}`, {
      headers: { authorization: `Bearer ${gateway.adminToken}` },
    })
    const text = JSON.stringify(await explained.json())
    assert.match(text, /"code":"websocket_not_enabled"/)
    assert.match(text, /routes\.yaml/)
  })

  for (const [what, lines] of [
    ['another protocol', [['Upgrade', 'h2c']]],
    ['a list of protocols', [['Upgrade', 'websocket, h2c']]],
    ['another protocol on a route that takes none', [['Upgrade', 'TLS/1.0']]],
  ] as const) {
    await t.test(`for ${what} is a plain request`, async () => {
      const answer = await gateway.raw('GET', '/api/ws/x', [
        ...handshakeHead({ Upgrade: undefined, Connection: 'Upgrade, close' }),
        ...lines,
      ])
      assert.deepEqual([answer.status, answer.body], [200, 'plain'])
    })
  }

  await t.test('with another method is a plain request, with its CSRF check', async () => {
    const answer = await gateway.raw(
      'POST',
      '/api/ws/x',
      handshakeHead({ Connection: 'Upgrade, close' }),
    )
    await assertProblem(answer, 'CSRF_REJECTED')
  })

  await t.test('never reaches a backend', () => assert.deepEqual(echo.peers, []))
})

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\n'
const UPGRADED = 'Upgrade: websocket\r\nConnection: Upgrade\r\n'

test('a backend that does not agree', async (t) => {
  const { echo, gateway, refused, handshakeHead } = await startSockets(t, {
    edits: { 'BFF/config/routes.yaml': replace('timeout: 30', 'timeout: 0.5') },
    upstreams: { crud_service: 'http://127.0.0.1:1' },
  })
  const heard: string[] = []
  /** What the backend answers each handshake; `{accept}` stands for the right one. */
  const answering = (answer: string) => {
    heard.length = 0
    echo.intercept = (req, socket, early) => {
      heard.push(early.toString('latin1'))
      socket.on('data', (chunk) => heard.push(chunk.toString('latin1')))
      const accept = acceptKey(String(req.headers['sec-websocket-key']))
      socket.end(answer.replace('{accept}', accept), 'latin1')
      return true
    }
  }

  for (const [what, answer] of [
    [
      'a wrong accept',
      `${SWITCH}${UPGRADED}Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n`,
    ],
    ['no accept', `${SWITCH}${UPGRADED}\r\n`],
    [
      'two accepts',
      `${SWITCH}${UPGRADED}Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Accept: x\r\n\r\n`,
    ],
    [
      'another protocol',
      `${SWITCH}Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n`,
    ],
    ['a 101 without Upgrade', `${SWITCH}Sec-WebSocket-Accept: {accept}\r\n\r\n`],
    ['no HTTP', 'SSH-2.0-x\r\n\r\n'],
    ['a head without end', `${SWITCH}X: ${'x'.repeat(40_000)}\r\n\r\n`],
  ] as const) {
    await t.test(`${what} is UPSTREAM_INVALID`, async () => {
      answering(answer)
      await assertProblem(await refused('/api/ws/x'), 'UPSTREAM_INVALID')
    })
  }

  await t.test('nobody there is UPSTREAM_UNREACHABLE', async () => {
    await assertProblem(await refused('/open/ws'), 'UPSTREAM_UNREACHABLE')
  })

  await t.test('an end without an answer is UPSTREAM_UNREACHABLE', async () => {
    answering('')
    await assertProblem(await refused('/api/ws/x'), 'UPSTREAM_UNREACHABLE')
  })

  await t.test('silence is UPSTREAM_TIMEOUT', async () => {
    let dropped = false
    echo.intercept = (_req, socket) => {
      socket.resume().once('end', () => {
        dropped = true
      })
      return true
    }
    await assertProblem(await refused('/api/ws/x'), 'UPSTREAM_TIMEOUT')
    await until('the end of the attempt', () => dropped)
  })

  await t.test('its own refusal passes, cleaned, and ends the connection', async () => {
    const { sessionName } = gateway.config().frontends.first.cookies
    const body = 'not now'
    answering(
      `HTTP/1.1 409 Conflict\r\nContent-Length: 7\r\nSet-Cookie: ${sessionName}=x\r\nX-Why: busy\r\nConnection: keep-alive\r\n\r\n${body}`,
    )
    const answer = await refused('/api/ws/x')
    assert.deepEqual([answer.status, answer.body], [409, body])
    assert.deepEqual(answer.headers.get('x-why'), ['busy'])
    assert.equal(answer.headers.get('set-cookie'), undefined)
    assert.deepEqual(answer.headers.get('connection'), ['close'])
  })

  await t.test('its own refusal passes whole, however long', async () => {
    const body = 'x'.repeat(4_000_000)
    answering(`HTTP/1.1 409 Conflict\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    const answer = await refused('/api/ws/x')
    assert.deepEqual([answer.status, answer.body.length], [409, body.length])
  })

  // The attack: a proxy that takes the request for an agreed WebSocket, though the backend answered
  // 200, passes what follows to the backend unread: a second request with whatever head it likes.
  // One that reads on takes it for the next request of the connection, which others may share.
  await t.test('to an upgrade is not sent what follows it', async () => {
    const smuggled = 'GET /internal HTTP/1.1\r\nHost: x\r\nX-User-Id: root\r\n\r\n'
    for (const status of ['200 OK', '400 Bad Request', '426 Upgrade Required']) {
      answering(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`)
      const { hostname, port, host } = new URL(gateway.bff)
      const lines = handshakeHead().map(([name, value]) => `${name}: ${value}`)
      const head = ['GET /api/ws/x HTTP/1.1', `Host: ${host}`, ...lines, '', ''].join('\r\n')
      const socket = connect(Number(port), hostname, () => socket.write(head + smuggled))
      socket.once('data', () => socket.write(smuggled))
      socket.on('error', () => {})
      const chunks: Buffer[] = []
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      await once(socket, 'close')
      const text = Buffer.concat(chunks).toString('latin1')
      assert.equal(text.split('HTTP/1.1 ').length, 2, `one answer: ${text}`)
      assert.match(text, new RegExp(`^HTTP/1.1 ${status}`))
      assert.ok(!heard.join('').includes('/internal'), heard.join(''))
    }
  })

  await t.test('an upgrade behind a request that is under way is not taken', async () => {
    let answer: (() => void) | undefined
    echo.plain = (res) => {
      answer = () => res.end('slow')
    }
    const { hostname, port, host } = new URL(gateway.bff)
    const cookie = handshakeHead().find(([name]) => name === 'Cookie')?.[1]
    const lines = handshakeHead().map(([name, value]) => `${name}: ${value}`)
    const agent = `User-Agent: ${VISITOR_AGENT}\r\n`
    const plain = `GET /api/ws/slow HTTP/1.1\r\nHost: ${host}\r\n${agent}Cookie: ${cookie}\r\n\r\n`
    const upgrade = ['GET /api/ws/x HTTP/1.1', `Host: ${host}`, ...lines, '', ''].join('\r\n')
    const socket = connect(Number(port), hostname, () => socket.write(plain))
    socket.on('error', () => {})
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await until('the slow request', () => answer)
    socket.write(upgrade)
    await once(socket, 'close')
    assert.equal(Buffer.concat(chunks).toString(), '', 'no answer that could be taken for another')
    answer?.()
  })
})

test('a backend that refuses the token of a handshake', async (t) => {
  const { echo, gateway, open, visitor, refused } = await startSockets(t)
  await visitor.fetch('/api/ws/warm')
  let refusals = 1
  const tokens: string[] = []
  echo.intercept = (req: IncomingMessage, socket) => {
    tokens.push(req.headers.authorization ?? '')
    if (refusals-- <= 0) return false
    socket.end(
      'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error="invalid_token"\r\nContent-Length: 0\r\n\r\n',
    )
    return true
  }
  await t.test('is asked once more with a new one', async () => {
    await until('a token that is not of this second', () => {
      const stamp = decode(tokens[0])
      return stamp === undefined || Date.now() / 1000 - stamp > 1.1
    })
    const opened = await until('the second try', () => open().catch(() => undefined))
    opened.socket.close()
    await opened.closed
  })
  await t.test('for good is TOKEN_REJECTED', async () => {
    refusals = 10
    await assertProblem(await refused('/api/ws/x'), 'TOKEN_REJECTED')
    assert.ok(gateway.logs.some(({ message }) => /TOKEN_REJECTED/.test(String(message))))
  })
})

function decode(authorization: string | undefined): number | undefined {
  const part = authorization?.split('.')[1]
  if (part === undefined) return undefined
  return (JSON.parse(Buffer.from(part, 'base64url').toString()) as { iat: number }).iat
}
