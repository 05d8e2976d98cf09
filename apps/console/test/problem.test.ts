import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROBLEMS } from '@audience-bridge/contracts/problem.ts'
import { ApiProblem, isSessionLoss, readProblem, toProblem } from '../src/api/problem.ts'

test('of all problems only the two about the session send a person to sign in', () => {
  const losses = Object.keys(PROBLEMS).filter((code) =>
    isSessionLoss(readProblem(401, { code }, undefined)),
  )
  assert.deepEqual(losses.toSorted(), ['SESSION_EXPIRED', 'SESSION_REQUIRED'])
})

test('a 401 without a code is no session loss: a proxy in between may have sent it', () => {
  assert.equal(isSessionLoss(readProblem(401, '<html>', undefined)), false)
  assert.equal(isSessionLoss(new Error('SESSION_REQUIRED')), false)
})

test('a problem document is read with its broken link as an editor takes the place', () => {
  const problem = readProblem(
    401,
    {
      code: 'NO_TOKEN_AVAILABLE',
      title: 'No token is available for this service',
      detail: 'refused',
      service: 'analytics_service',
      correlation_id: 'c-1',
      broken_link: {
        found: ['empowernow'],
        expected: 'https://analytics.ocg.labs.empowernow.ai',
        at: { file: 'clients.yaml', line: 14, column: 7 },
        mend: 'add it',
      },
    },
    'from-header',
  )
  assert.equal(problem.message, 'refused')
  assert.equal(problem.correlationId, 'c-1')
  assert.deepEqual(problem.brokenLink, {
    found: 'empowernow',
    expected: 'https://analytics.ocg.labs.empowernow.ai',
    at: 'clients.yaml:14:7',
    mend: 'add it',
  })
})

test('what is not a problem document still tells its status and correlation id', () => {
  for (const body of [undefined, null, 'bad gateway', [], { title: 7 }]) {
    const problem = readProblem(502, body, 'c-2')
    assert.equal(problem.title, 'The answer was 502')
    assert.equal(problem.correlationId, 'c-2')
    assert.equal(problem.brokenLink, undefined)
  }
})

test('a broken link without a place or a value is shown without them', () => {
  const link = readProblem(401, { broken_link: { found: [], expected: { any: 1 } } }, undefined)
  assert.deepEqual(link.brokenLink, {
    found: 'nothing',
    expected: '{"any":1}',
    at: undefined,
    mend: undefined,
  })
})

test('any thrown value becomes a problem, and a problem stays itself', () => {
  const problem = new ApiProblem({ code: 'NETWORK', title: 't', detail: 'd' })
  assert.equal(toProblem(problem), problem)
  assert.equal(toProblem('x').code, 'UNKNOWN')
})
