import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readStream } from '@audience-bridge/bff/front/stream-request.ts'

const PSEUDO = [':method', 'GET', ':scheme', 'https', ':authority', 'app.example', ':path', '/x']
const read = (more: string[] = [], ended = true, pseudo = PSEUDO) =>
  readStream([...pseudo, ...more], ended)

test('a request is written in the words of HTTP/1.1', () => {
  assert.deepEqual(read(['accept', '*/*', 'cookie', 'a=b', 'x-y', 'z', 'cookie', 'c=d']), {
    kind: 'request',
    method: 'GET',
    head: 'GET /x HTTP/1.1\r\nhost: app.example\r\naccept: */*\r\nx-y: z\r\ncookie: a=b; c=d\r\nconnection: close\r\n\r\n',
    framing: 'none',
    webSocket: false,
  })
  const post = [':method', 'POST', ...PSEUDO.slice(2)]
  assert.equal((read([], false, post) as { framing: string }).framing, 'chunked')
  assert.equal(
    (read(['content-length', '3'], false, post) as { framing: string }).framing,
    'length',
  )
})

const pseudo = (name: string, value: string | undefined) =>
  PSEUDO.flatMap((text, i) => {
    if (i % 2 === 1) return []
    if (text !== name) return [text, PSEUDO[i + 1] ?? '']
    return value === undefined ? [] : [text, value]
  })

/** Each is a request that HTTP/1.1 might understand otherwise than HTTP/2 (RFC 9113 §8, §10.3). */
const MALFORMED: Record<string, [more: string[], pseudo?: string[]]> = {
  'a line break in a value (§10.3)': [['x', 'a\r\nx-admin: 1']],
  'a bare line feed in a value': [['x', 'a\nx-admin: 1']],
  'a bare carriage return in a value': [['x', 'a\rb']],
  'a line feed at the end of a value': [['x', 'a\n']],
  'a NUL in a value': [['x', 'a\0b']],
  'a line break in a name': [['x\r\ny', 'a']],
  'a colon in a name': [['x:y', 'a']],
  'a space in a name': [['x y', 'a']],
  'an empty name': [['', 'a']],
  'an upper-case name (§8.2.1)': [['X-Y', 'a']],
  'white space around a value (§8.2.1)': [['x', ' a']],
  'transfer-encoding, the H2.TE of request smuggling (§8.2.2)': [['transfer-encoding', 'chunked']],
  'connection (§8.2.2)': [['connection', 'x-y']],
  'keep-alive (§8.2.2)': [['keep-alive', '5']],
  'proxy-connection (§8.2.2)': [['proxy-connection', 'close']],
  'upgrade (§8.2.2)': [['upgrade', 'websocket']],
  'te other than trailers (§8.2.2)': [['te', 'gzip']],
  'two lengths, the H2.CL of request smuggling': [['content-length', '1', 'content-length', '2']],
  'a length that is no number': [['content-length', '+1']],
  'a list of lengths': [['content-length', '1, 1']],
  'a pseudo-field behind a field (§8.3)': [['x', 'a', ':path', '/y']],
  'a pseudo-field twice (§8.3)': [[':path', '/y']],
  'a pseudo-field that is none (§8.3)': [[], [...PSEUDO, ':status', '200']],
  'no method (§8.3.1)': [[], pseudo(':method', undefined)],
  'a method with a line in it': [[], pseudo(':method', 'GET /admin HTTP/1.1\r\nx: ')],
  'a method with a space': [[], pseudo(':method', 'GET /y')],
  'no path (§8.3.1)': [[], pseudo(':path', undefined)],
  'an empty path (§8.3.1)': [[], pseudo(':path', '')],
  'a path with a space': [[], pseudo(':path', '/x HTTP/1.1')],
  'a path with a line break': [[], pseudo(':path', '/x\r\nhost: b')],
  'a path beyond ASCII': [[], pseudo(':path', '/\u00e9')],
  'a path that is a URL, with a host of its own (§8.3.1)': [[], pseudo(':path', 'http://b/x')],
  'a path that begins without a slash (§8.3.1)': [[], pseudo(':path', 'x')],
  'an asterisk for another method than OPTIONS (§8.3.1)': [[], pseudo(':path', '*')],
  ':protocol without CONNECT (RFC 8441 §4)': [[], [...PSEUDO, ':protocol', 'websocket']],
}

for (const [what, [more, fields]] of Object.entries(MALFORMED)) {
  test(`malformed: ${what}`, () => {
    assert.deepEqual(read(more, true, fields), { kind: 'malformed' })
  })
}

const REFUSED: Record<string, [more: string[], pseudo?: string[]]> = {
  'another host beside the authority (§8.3.1)': [['host', 'other.example']],
  'two hosts without an authority': [
    ['host', 'a.example', 'host', 'b.example'],
    pseudo(':authority', undefined),
  ],
  'no host at all': [[], pseudo(':authority', undefined)],
  'an empty host': [[], pseudo(':authority', '')],
  'a host with a space': [[], pseudo(':authority', 'app.example x')],
  'the scheme http on a connection of https': [[], pseudo(':scheme', 'http')],
  'CONNECT to a tunnel (§8.5)': [[], [':method', 'CONNECT', ':authority', 'db:5432']],
  'CONNECT to another protocol (RFC 8441 §4)': [
    [],
    [':method', 'CONNECT', ':protocol', 'connect-udp', ...PSEUDO.slice(2)],
  ],
  'a WebSocket with a length': [
    ['content-length', '3'],
    [':method', 'CONNECT', ':protocol', 'websocket', ...PSEUDO.slice(2)],
  ],
}

for (const [what, [more, fields]] of Object.entries(REFUSED)) {
  test(`refused: ${what}`, () => {
    assert.equal(read(more, false, fields).kind, 'refused')
  })
}

test('the same host twice is one host', () => {
  const { head } = read(['host', 'app.example']) as { head: string }
  assert.equal(head.match(/host:/g)?.length, 1)
})

test('a WebSocket gets a key of ours, and nobody else’s', () => {
  const reading = read(
    ['sec-websocket-version', '13', 'sec-websocket-key', 'AAAAAAAAAAAAAAAAAAAAAA=='],
    false,
    [':method', 'CONNECT', ':protocol', 'websocket', ...PSEUDO.slice(2)],
  ) as { head: string; webSocket: boolean; framing: string }
  assert.equal(reading.webSocket, true)
  assert.equal(reading.framing, 'none')
  assert.match(reading.head, /^GET \/x HTTP\/1\.1\r\n/)
  assert.match(reading.head, /\r\nconnection: Upgrade\r\nupgrade: websocket\r\n/)
  assert.equal(reading.head.match(/sec-websocket-key/g)?.length, 1)
  assert.doesNotMatch(reading.head, /AAAAAAAA/)
})
