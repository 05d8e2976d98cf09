import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { type Arrival, rawValues, startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const PATH = '/api/v1/analytics/workflows'
const METADATA = '/.well-known/oauth-protected-resource'
const CHALLENGE = 'Bearer error="invalid_token", error_description="backend-internal-words"'

const tokenOf = (arrival: Arrival) => rawValues(arrival, 'authorization')[0]

test('a backend that refuses the token', async (t) => {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const member = await gateway.signedIn()
  const admin = await gateway.signedIn(USERS.admin)
  const backend = {
    metadata: undefined as unknown,
    /** Which of the tokens it takes. */
    takes: (_token: string | undefined): boolean => false,
  }
  echo.respond = (arrival, res) => {
    if (arrival.url === METADATA) {
      res.writeHead(backend.metadata === undefined ? 404 : 200)
      return res.end(JSON.stringify(backend.metadata))
    }
    const taken = backend.takes(tokenOf(arrival))
    res.writeHead(taken ? 200 : 401, taken ? {} : { 'www-authenticate': CHALLENGE })
    res.end(taken ? '{"ok":true}' : 'the body of the backend')
  }
  const calls = () => echo.arrivals.filter(({ url }) => url !== METADATA)
  t.beforeEach(() => {
    echo.arrivals.length = 0
    backend.metadata = undefined
    backend.takes = () => false
    time.pass(2)
  })

  await t.test(
    'for another audience is AUDIENCE_MISMATCH, and names it to administrators',
    async () => {
      backend.metadata = { resource: 'https://analytics.example/other' }
      const problem = await assertProblem(await member.fetch(PATH), 'AUDIENCE_MISMATCH')
      assert.equal(problem.service, 'analytics_service')
      assert.ok(!JSON.stringify(problem).includes('analytics.example/other'))
      assert.ok(!JSON.stringify(problem).includes('backend-internal-words'))
      const told = await assertProblem(await admin.fetch(PATH), 'AUDIENCE_MISMATCH')
      assert.match(JSON.stringify(told.broken_link), /analytics\.example\/other/)
      assert.ok(
        gateway.logs.some(({ message }) =>
          /AUDIENCE_MISMATCH token_found=True service=analytics_service/.test(String(message)),
        ),
      )
    },
  )

  await t.test(
    'for whatever else is TOKEN_REJECTED, its challenge kept from the browser',
    async () => {
      for (const metadata of [
        undefined,
        { resource: ANALYTICS },
        { resource: 7 },
        'nonsense',
        null,
      ]) {
        backend.metadata = metadata
        const response = await member.fetch(PATH)
        assert.equal(response.headers.get('www-authenticate'), null)
        const problem = await assertProblem(response, 'TOKEN_REJECTED')
        assert.ok(!JSON.stringify(problem).includes('backend-internal-words'))
        time.pass(2)
      }
      const told = await assertProblem(await admin.fetch(PATH), 'TOKEN_REJECTED')
      assert.match(JSON.stringify(told), /backend-internal-words/)
      assert.equal((await member.session()).authenticated, true, 'the session is not at fault')
    },
  )

  await t.test('is asked once more with a new token', async () => {
    const refused = new Set<string | undefined>()
    backend.takes = (token) => {
      if (refused.size === 0) refused.add(token)
      return !refused.has(token)
    }
    assert.equal((await member.fetch(PATH)).status, 200)
    assert.equal(calls().length, 2)
    const [first, second] = calls()
    assert.ok(first && second && tokenOf(first) !== tokenOf(second))
    assert.equal(second.claims?.aud, ANALYTICS)
    // The refused token is never offered again.
    await member.fetch(PATH)
    const third = calls().at(-1)
    assert.equal(third && tokenOf(third), tokenOf(second))
  })

  await t.test('is asked twice at most', async () => {
    await assertProblem(await member.fetch(PATH), 'TOKEN_REJECTED')
    assert.equal(calls().length, 2)
  })

  await t.test('is asked once where the request cannot be replayed', async () => {
    const csrf = await member.csrfToken()
    const response = await member.fetch(PATH, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'x-csrf-token': csrf },
    })
    await assertProblem(response, 'TOKEN_REJECTED')
    assert.equal(calls().length, 1)
  })

  await t.test('of many requests at once costs one new token', async () => {
    const before = gateway.idpLogs.filter(({ message }) => message === 'token issued').length
    const opened = await gateway.openSession(member)
    const old = opened?.tokens.get('analytics_service')?.token
    backend.takes = (token) => token !== `Bearer ${old}`
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => (await member.fetch(PATH)).status),
    )
    assert.deepEqual([...new Set(statuses)], [200])
    const after = gateway.idpLogs.filter(({ message }) => message === 'token issued').length
    assert.equal(after - before, 1)
  })

  await t.test('of a session whose grant has ended is SESSION_EXPIRED', async () => {
    const who = await gateway.signedIn()
    backend.takes = () => true
    assert.equal((await who.fetch(PATH)).status, 200)
    const opened = await gateway.openSession(who)
    await gateway.revoke(opened?.grant.refresh_token ?? '')
    backend.takes = () => false
    time.pass(2)
    await assertProblem(await who.fetch(PATH), 'SESSION_EXPIRED')
  })

  await t.test('with 403 says so itself', async () => {
    echo.respond = (_, res) => {
      res.writeHead(403, { 'content-type': 'application/problem+json' })
      res.end('{"code":"INSUFFICIENT_SCOPE"}')
    }
    const response = await member.fetch(PATH)
    assert.equal(response.status, 403)
    assert.deepEqual(await response.json(), { code: 'INSUFFICIENT_SCOPE' })
  })
})

test("the IdP's token is refused before it is forwarded when it does not fit", async (t) => {
  const echo = await startEcho(t)
  // The IdP issues what the BFF does not expect: the login's own token is for `empowernow`.
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': replace(
        'session:\n',
        'service_mint:\n  analytics_service: login_token\n\nsession:\n',
      ),
    },
  })
  const admin = await gateway.signedIn(USERS.admin)
  const problem = await assertProblem(await admin.fetch(PATH), 'AUDIENCE_MISMATCH')
  assert.match(JSON.stringify(problem.broken_link), /empowernow/)
  assert.deepEqual(echo.arrivals, [])
  assert.equal((await admin.fetch('/api/crud/projects')).status, 200)
})
