import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderProblem } from '../src/problem.ts'

test('a problem is rendered as RFC 9457 says and is never cached', () => {
  const problem = {
    type: 'urn:x',
    title: 'Gone wrong',
    status: 401,
    code: 'X',
    detail: 'a "quoted" detail\n',
    correlation_id: 'c',
    service: 's',
  }
  const { body, headers } = renderProblem(problem)
  assert.deepEqual(JSON.parse(body), problem)
  assert.deepEqual(headers, {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  })
})
