import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readTarget } from '../src/request-path.ts'

const accepted: [target: string, path: string, query: string][] = [
  ['/', '/', ''],
  ['/api/v1/analytics/workflows', '/api/v1/analytics/workflows', ''],
  ['/a/', '/a/', ''],
  ['/a?', '/a', '?'],
  ['/a?x=/../%2e%2e//y\\z&q=?', '/a', '?x=/../%2e%2e//y\\z&q=?'],
  ['/a.b/.c/..d/e../...', '/a.b/.c/..d/e../...', ''],
  ["/-._~!$&'()*+,=:@", "/-._~!$&'()*+,=:@", ''],
  // What needs no encoding loses it, and hex digits are upper case: one spelling for each path.
  ['/%61%2Db/%7e', '/a-b/~', ''],
  ['/caf%c3%a9', '/caf%C3%A9', ''],
  ['/a%20b', '/a%20b', ''],
  ['/a%3Fb', '/a%3Fb', ''],
  ['/100%25', '/100%25', ''],
  ['/50%25-off', '/50%25-off', ''],
  ['/.%2e.', '/...', ''],
  // Characters that look like `.` and `/` are text: no server of ours folds them.
  ['/%EF%BC%8E%EF%BC%8E/%E2%88%95', '/%EF%BC%8E%EF%BC%8E/%E2%88%95', ''],
]

test('a path that reads in one way is taken and given one spelling', async (t) => {
  for (const [target, path, query] of accepted) {
    await t.test(target, () => {
      assert.deepEqual(readTarget(target), { kind: 'path', path, query })
    })
  }
})

const DOT = 'the path holds a dot segment'
const PARAMETER = 'the path holds a path parameter'
const SLASH = 'the path holds an encoded slash'
const CONTROL = 'the path holds an encoded control character'
const TWICE = 'the path is encoded twice'
const RAW = 'the path holds a character that must be encoded'
const EMPTY = 'the path holds an empty segment'
const CUT = 'the path holds an incomplete percent-encoding'
const UTF8 = 'the path is not UTF-8'
const FORM = 'the target is not in origin form'
const QUERY = 'the query holds a character that must be encoded'

const refused: [attack: string, target: string, reason: string][] = [
  ['up and out of the route', '/api/v1/analytics/../crud', DOT],
  ['the current directory', '/a/./b', DOT],
  ['dots at the start', '/../a', DOT],
  ['dots at the end', '/a/..', DOT],
  ['dots alone', '/.', DOT],
  ['encoded dots', '/a/%2e%2e/b', DOT],
  ['dots encoded in part', '/a/.%2E/b', DOT],
  ['the other part', '/a/%2e./b', DOT],
  ['an encoded single dot', '/a/%2e/b', DOT],
  ['a path parameter', '/a;v=1/b', PARAMETER],
  ['an encoded path parameter', '/admin%3Ba/1', PARAMETER],
  ['dots before a path parameter', '/a/..;/b', PARAMETER],
  ['and before one with a name', '/a/..;x=1/b', PARAMETER],
  ['and before an encoded one', '/a/..%3b/b', PARAMETER],
  ['encoded dots before a parameter', '/a/%2e%2e;/b', PARAMETER],
  ['dots that a server trims', '/a/..%20/b', DOT],
  ['dots before what decodes to a query', '/a/..%3fx', DOT],
  ['dots before what decodes to a fragment', '/a/..%23', DOT],
  ['an encoded slash', '/a%2fb', SLASH],
  ['in capitals', '/a%2Fb', SLASH],
  ['with dots', '/a/..%2f..%2fb', SLASH],
  ['an encoded backslash', '/a%5cb', SLASH],
  ['a backslash', '/a\\b', RAW],
  ['a backslash with dots', '/a\\..\\b', RAW],
  ['an empty segment', '/a//b', EMPTY],
  ['what a parser takes for a host', '//evil.example/a', EMPTY],
  ['and with a scheme', '///a', EMPTY],
  ['an empty segment at the end', '/a//', EMPTY],
  ['what a browser takes for a host', '/\\evil.example', RAW],
  ['a NUL that cuts the path', '/a%00.json', CONTROL],
  ['a line break that forges a header', '/a%0d%0aX:1', CONTROL],
  ['a tab', '/a%09', CONTROL],
  ['DEL', '/a%7F', CONTROL],
  ['dots encoded twice', '/a/%252e%252e/b', TWICE],
  ['a slash encoded twice', '/a%252fb', TWICE],
  ['a backslash encoded twice', '/a%255Cb', TWICE],
  ['a NUL encoded twice', '/a%2500', TWICE],
  ['a semicolon encoded twice', '/a/..%253b/b', TWICE],
  ['encoded three times', '/a/%25252e/b', TWICE],
  // Becomes `%252e` only once the digits are decoded.
  ['encoded twice, digit by digit', '/a/%25%32%65/b', TWICE],
  ['and with one plain digit', '/a/%25%32e/b', TWICE],
  ['an overlong dot', '/a/%c0%ae%c0%ae/b', UTF8],
  ['an overlong slash', '/a%c0%afb', UTF8],
  ['an overlong slash of three bytes', '/a%e0%80%afb', UTF8],
  ['an overlong slash of four bytes', '/a%f0%80%80%afb', UTF8],
  ['half a surrogate pair', '/a%ed%a0%80', UTF8],
  ['Latin-1', '/caf%e9', UTF8],
  ['a code point that does not exist', '/a%f4%90%80%80', UTF8],
  ['percent alone', '/a%', CUT],
  ['percent and one digit', '/a%2', CUT],
  ['percent and no hex', '/a%zz', CUT],
  ['an encoding that splits over a slash', '/a%2/f', CUT],
  ['the encoding of another time', '/a%u002e', CUT],
  ['a fragment', '/a#b', RAW],
  ['a space', '/a b', RAW],
  ['a control character', '/a\u0001', RAW],
  ['a NUL', '/a\0b', RAW],
  ['a line break', '/a\r\nb', RAW],
  ['a character beyond ASCII', '/café', RAW],
  ['a full-width dot', '/\uff0e\uff0e/a', RAW],
  ['a quote', '/a"b', RAW],
  ['a template', '/a{b}', RAW],
  ['a fragment in the query', '/a?b#c', QUERY],
  ['a line break in the query', '/a?b\r\nc', QUERY],
  ['a space in the query', '/a?b c', QUERY],
  ['a character beyond ASCII in the query', '/a?é', QUERY],
  ['absolute form', 'http://evil.example/a', FORM],
  ['asterisk form', '*', FORM],
  ['authority form', 'evil.example:443', FORM],
  ['no slash', 'a/b', FORM],
  ['nothing', '', FORM],
  ['a query alone', '?a', FORM],
]

test('a path that two parties could read in two ways is refused', async (t) => {
  for (const [attack, target, reason] of refused) {
    await t.test(`${attack}: ${JSON.stringify(target)}`, () => {
      assert.deepEqual(readTarget(target), { kind: 'refused', reason })
    })
  }
})

/** Targets made of what attacks are made of. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom('/', '.', '..', ';', '?', '#', '\\', '%', '*', ':', '//', ' ', '{'),
      fc.constantFrom('%2e', '%2E', '%2f', '%5c', '%25', '%32', '%65', '%3b', '%c3%a9', '%c0%ae'),
      fc.constantFrom('a', '2e', 'b.c', '~', '%41', '@', '%00', 'é', '%7e', '%20', "'"),
    ),
    { maxLength: 9 },
  )
  .map((parts) => `/${parts.join('')}`)

test('what is taken is read the same way again, by us and by a URL parser', () => {
  let taken = 0
  fc.assert(
    fc.property(hostile, (target) => {
      const read = readTarget(target)
      if (read.kind === 'refused') return
      taken++
      assert.deepEqual(readTarget(read.path + read.query), read)

      const url = new URL(read.path + read.query, 'http://gateway.example')
      assert.equal(url.host, 'gateway.example')
      assert.equal(url.pathname, read.path)
      // The spelling as it came means the same segments.
      const raw = new URL(target, 'http://gateway.example')
      assert.deepEqual(segmentsOf(raw.pathname), segmentsOf(read.path))
    }),
    { numRuns: 5_000 },
  )
  assert.ok(taken > 500, `only ${taken} targets were taken: the property tested little`)
})

const segmentsOf = (path: string) => path.split('/').map(decodeURIComponent)
