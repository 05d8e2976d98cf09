import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TokenRequirement } from '@audience-bridge/chain/requirement.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { factsFrom, judgeToken } from '../src/tokens/verify.ts'

const NOW = 1_800_000_000
const OURS = 'thumbprint of ours'
const requirement = (dpop: boolean): TokenRequirement => ({
  ...{ service: 'crud', audience: 'https://crud', scopes: [], requires: 'all' },
  ...{ mint: 'token_exchange', dpop },
})
const judge = (dpop: boolean, claims: Record<string, unknown>) =>
  judgeToken(
    factsFrom({ aud: 'https://crud', sub: 'ben', iat: NOW, exp: NOW + 60, ...claims }),
    requirement(dpop),
    {
      ...{ subject: 'ben', now: NOW, toleranceSeconds: 60 },
      knowsKey: (jkt) => jkt === OURS,
    },
  )

test('a token is kept only when it is bound as it was to be', () => {
  assert.equal(judge(true, { cnf: { jkt: OURS } }).kind, 'fit')
  assert.equal(judge(false, {}).kind, 'fit')
  const unfit: [boolean, Record<string, unknown>, RegExp][] = [
    // It would open the backend to any thief.
    [true, {}, /bound to no key/],
    [true, { cnf: {} }, /bound to no key/],
    [true, { cnf: null }, /bound to no key/],
    [true, { cnf: { jkt: 1 } }, /bound to no key/],
    // Somebody else holds its key: it was made for them.
    [true, { cnf: { jkt: 'theirs' } }, /somebody else/],
    // As a bearer no backend takes it.
    [false, { cnf: { jkt: OURS } }, /bound to a key/],
  ]
  for (const [dpop, claims, found] of unfit) {
    const judgement = judge(dpop, claims)
    assert.ok(judgement.kind === 'unfit')
    assert.equal(judgement.code, 'NO_TOKEN_AVAILABLE')
    assert.match(judgement.found, found)
  }
})

test('clocks may differ by the tolerance, and a wider difference is named', async (t) => {
  for (const [ahead, status] of [
    [45, 200],
    [90, 401],
  ] as const) {
    await t.test(`the IdP is ${ahead} s ahead`, async (t) => {
      const echo = await startEcho(t)
      const gateway = await startGateway(t, {
        upstreams: { crud_service: echo.origin },
        clock: () => Math.floor(Date.now() / 1000) - ahead,
      })
      const admin = await gateway.signedIn(USERS.admin)
      const response = await admin.fetch('/api/crud/projects')
      assert.equal(response.status, status)
      if (status === 200) return
      const problem = await assertProblem(response, 'NO_TOKEN_AVAILABLE')
      assert.equal(echo.arrivals.length, 0)
      assert.match(JSON.stringify(problem.broken_link), /clock.*(89|90|91) s/i)
    })
  }
})
