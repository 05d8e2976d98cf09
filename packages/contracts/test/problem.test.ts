import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROBLEMS, type ProblemCode, ProblemError, problemHead } from '../src/problem.ts'

test('every code is a stable name with an error status and a title', () => {
  for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
    assert.match(code, /^[A-Z][A-Z_]+[A-Z]$/)
    assert.ok(status >= 400 && status < 600, code)
    assert.notEqual(title, '')
  }
})

test('the head of a problem follows from its code', () => {
  for (const code of Object.keys(PROBLEMS) as ProblemCode[]) {
    const head = problemHead(code)
    assert.equal(head.type, `urn:audience-bridge:problem:${code}`)
    assert.deepEqual({ status: head.status, title: head.title }, PROBLEMS[code])
  }
})

test('the meanings of 401 are told apart by code', () => {
  const codes = Object.entries(PROBLEMS).filter(([, { status }]) => status === 401)
  for (const code of [
    'SESSION_REQUIRED',
    'SESSION_EXPIRED',
    'NO_TOKEN_AVAILABLE',
    'AUDIENCE_MISMATCH',
    'TOKEN_REJECTED',
  ]) {
    assert.ok(
      codes.some(([name]) => name === code),
      code,
    )
  }
})

test('a problem keeps its cause apart from what is public', () => {
  const cause = new Error('connect ECONNREFUSED 10.0.0.1')
  const error = new ProblemError('UPSTREAM_UNREACHABLE', 'crud_service cannot be reached', {
    cause,
  })
  assert.equal(error.cause, cause)
  assert.deepEqual(
    { code: error.code, message: error.message, ext: error.extensions, headers: error.headers },
    {
      code: 'UPSTREAM_UNREACHABLE',
      message: 'crud_service cannot be reached',
      ext: {},
      headers: {},
    },
  )
})
