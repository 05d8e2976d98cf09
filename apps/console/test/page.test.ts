import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pageHref, readPage, readRequest, requestHref } from '../src/page.ts'

test('the query names the page and the request, and nothing else does', () => {
  assert.equal(readPage(''), 'analytics')
  assert.equal(readPage('?page=other'), 'analytics')
  assert.equal(readPage('?range=24h&page=bridge'), 'bridge')
  assert.equal(readPage('?page=sessions'), 'sessions')
  assert.equal(readRequest('?page=bridge'), undefined)
  assert.equal(readRequest('?page=bridge&request='), undefined)
  assert.equal(readRequest('?page=bridge&request=abc-1'), 'abc-1')
})

const hrefs: [what: string, href: string, expected: string][] = [
  ['a page keeps the range', pageHref('?range=24h', 'bridge'), '/?range=24h&page=bridge'],
  [
    'the analytics forget what was explained',
    pageHref('?range=24h&page=bridge&request=a', 'analytics'),
    '/?range=24h',
  ],
  ['a person’s own sessions', pageHref('?range=24h', 'sessions'), '/?range=24h&page=sessions'],
  ['nothing to say leaves no question mark', pageHref('?page=bridge', 'analytics'), '/'],
  [
    'a request leads to the page',
    requestHref('?range=7d', 'a'),
    '/?range=7d&page=bridge&request=a',
  ],
  [
    'another takes its place',
    requestHref('?page=bridge&request=a', 'b'),
    '/?page=bridge&request=b',
  ],
  ['none leaves the page', requestHref('?page=bridge&request=a', undefined), '/?page=bridge'],
  [
    'an id cannot add to the query',
    requestHref('', 'a&page=analytics#x'),
    '/?page=bridge&request=a%26page%3Danalytics%23x',
  ],
]
for (const [what, href, expected] of hrefs) {
  test(what, () => assert.equal(href, expected))
}
