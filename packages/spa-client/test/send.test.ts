import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../src/client.ts'
import { ALICE, liveSession, openPage, problem, startStandIn } from './stand-in.ts'

const SESSION = '/api/auth/session'

/** What a call failed with; it must. */
const failure = (call: Promise<unknown>): Promise<ApiError> =>
  call.then(
    () => assert.fail('the call did not fail'),
    (error: unknown) => {
      assert.ok(error instanceof ApiError, String(error))
      return error
    },
  )

test('a safe call carries nothing but what the caller gave', async (t) => {
  const bff = await startStandIn(t, () => ({ body: { ok: 1 } }))
  const { client } = openPage(t, bff)
  const answer = await client.fetch('/api/v1/x?a=1', { headers: { accept: 'application/json' } })
  assert.deepEqual(await answer.json(), { ok: 1 })
  const [seen] = bff.seen
  assert.equal(bff.seen.length, 1)
  assert.equal(seen?.url, '/api/v1/x?a=1')
  assert.equal(seen?.headers.accept, 'application/json')
  assert.equal(seen?.headers['x-csrf-token'], undefined)
  assert.equal(seen?.headers.authorization, undefined)
})

test('an Authorization header is a mistake that is told, not sent', async (t) => {
  const bff = await startStandIn(t, () => ({}))
  const { client } = openPage(t, bff)
  const call = client.fetch('/api/v1/x', { headers: { Authorization: 'Bearer x' } })
  await assert.rejects(call, TypeError)
  assert.equal(bff.seen.length, 0)
})

test('unsafe calls carry the CSRF token, asked for once', async (t) => {
  const bff = await startStandIn(t, ({ url }) => (url === SESSION ? liveSession('t1') : {}))
  const { client } = openPage(t, bff)
  const methods = ['POST', 'put', 'PATCH', 'DELETE']
  await Promise.all(methods.map((method) => client.fetch('/api/v1/x', { method })))
  assert.deepEqual(
    bff.asked('/api/v1/x').map(({ headers }) => headers['x-csrf-token']),
    ['t1', 't1', 't1', 't1'],
  )
  assert.equal(bff.asked(SESSION).length, 1)
})

test('a refused CSRF token is asked for anew once, for all calls that met it', async (t) => {
  let token = 'old'
  const bff = await startStandIn(t, ({ url, headers }) => {
    if (url === SESSION) return liveSession(token)
    return headers['x-csrf-token'] === token ? {} : problem('CSRF_REJECTED', 403)
  })
  const { client } = openPage(t, bff)
  await client.session()
  token = 'new'
  const bodies = ['a', new URLSearchParams({ b: '1' }), new Blob(['c']), new Uint8Array([100])]
  await Promise.all(bodies.map((body) => client.fetch('/api/v1/x', { method: 'POST', body })))
  assert.equal(bff.asked(SESSION).length, 2)
  const sent = bff.asked('/api/v1/x').map(({ headers, body }) => [headers['x-csrf-token'], body])
  assert.deepEqual(
    sent
      .filter(([with_]) => with_ === 'new')
      .map(([, body]) => body)
      .sort(),
    ['a', 'b=1', 'c', 'd'],
  )
})

test('a token that is refused again is not asked for a third time', async (t) => {
  const bff = await startStandIn(t, ({ url }) =>
    url === SESSION ? liveSession('t') : problem('CSRF_REJECTED', 403),
  )
  const { client } = openPage(t, bff)
  const error = await failure(client.fetch('/api/v1/x', { method: 'POST' }))
  assert.equal(error.code, 'CSRF_REJECTED')
  assert.equal(bff.asked('/api/v1/x').length, 2)
})

test('a stream is spent, so its call is not sent again but the next one is right', async (t) => {
  let token = 'old'
  const bff = await startStandIn(t, ({ url, headers }) => {
    if (url === SESSION) return liveSession(token)
    return headers['x-csrf-token'] === token ? {} : problem('CSRF_REJECTED', 403)
  })
  const { client } = openPage(t, bff)
  await client.session()
  token = 'new'
  const stream = () => ({
    method: 'POST',
    body: new Blob(['once']).stream(),
    duplex: 'half' as const,
  })
  assert.equal((await failure(client.fetch('/api/v1/x', stream()))).code, 'CSRF_REJECTED')
  assert.equal(bff.asked('/api/v1/x').length, 1)
  assert.equal((await client.fetch('/api/v1/x', stream())).status, 200)
})

test('what one user sent is never sent in the name of another', async (t) => {
  let [token, user] = ['a', ALICE]
  const bff = await startStandIn(t, ({ url, headers }) => {
    if (url === SESSION) return liveSession(token, user)
    return headers['x-csrf-token'] === token ? {} : problem('CSRF_REJECTED', 403)
  })
  const { client } = openPage(t, bff)
  await client.session()
  token = 'b'
  user = { ...ALICE, sub: 'bob' }
  const post = () => client.fetch('/api/v1/x', { method: 'POST', body: "alice's" })
  assert.equal((await failure(post())).code, 'USER_CHANGED')
  assert.equal(bff.asked('/api/v1/x').length, 1)
  // The page has been told; from here on it is its choice.
  assert.equal((await post()).status, 200)
})

test('an error is typed, whoever sent it', async (t) => {
  const bff = await startStandIn(t, () => ({}))
  const { client } = openPage(t, bff)

  await t.test('a problem document', async () => {
    bff.answer = () => ({
      ...problem('NO_TOKEN_AVAILABLE', 401, {
        title: 'No token',
        detail: 'ask an administrator',
        service: 'crud_service',
        correlation_id: 'from-body',
        broken_link: { code: 'x' },
      }),
    })
    const error = await failure(client.fetch('/api/v1/x'))
    assert.deepEqual(
      { ...error, message: error.message, name: error.name },
      {
        name: 'ApiError',
        message: 'ask an administrator',
        code: 'NO_TOKEN_AVAILABLE',
        status: 401,
        title: 'No token',
        detail: 'ask an administrator',
        service: 'crud_service',
        correlationId: 'from-body',
        reason: undefined,
        retryAfterSeconds: undefined,
        problem: error.problem,
      },
    )
    assert.deepEqual(error.problem.broken_link, { code: 'x' })
  })

  await t.test('a page of a proxy in between', async () => {
    bff.answer = () => ({ status: 502, body: '<h1>Bad gateway</h1>' })
    const error = await failure(client.fetch('/api/v1/x'))
    assert.equal(error.code, 'UNKNOWN')
    assert.equal(error.status, 502)
    assert.equal(error.title, 'The answer was 502')
    assert.equal(error.correlationId, 'from-header')
  })

  await t.test('a redirect, which would turn a lost session into a page', async () => {
    bff.answer = () => ({ status: 302, headers: { location: '/login' } })
    const error = await failure(client.fetch('/api/v1/x'))
    assert.equal(error.code, 'NETWORK')
    assert.equal(error.status, 0)
    assert.equal(bff.asked('/login').length, 0)
  })

  await t.test('nobody', async () => {
    const nowhere = openPage(t, { origin: 'http://127.0.0.1:1' })
    const error = await failure(nowhere.client.fetch('/api/v1/x'))
    assert.equal(error.code, 'NETWORK')
    assert.ok(error.cause instanceof Error)
  })
})

test('an abort stays an abort', async (t) => {
  const bff = await startStandIn(t, () => new Promise(() => {}))
  const { client } = openPage(t, bff)
  const abort = new AbortController()
  const call = client.fetch('/api/v1/x', { signal: abort.signal })
  abort.abort()
  await assert.rejects(call, { name: 'AbortError' })
  await assert.rejects(client.fetch('/api/v1/x', { signal: AbortSignal.timeout(1) }), {
    name: 'TimeoutError',
  })
})

test('an outage says when to come back, and once is enough', async (t) => {
  const bff = await startStandIn(t, () => ({}))
  const { client } = openPage(t, bff)
  const outage = (retryAfter: string, code = 'IDP_UNAVAILABLE', status = 503) => ({
    ...problem(code, status),
    headers: { 'retry-after': retryAfter },
  })

  await t.test('in seconds', async () => {
    bff.answer = () => outage('7')
    assert.equal((await failure(client.fetch('/api/v1/x'))).retryAfterSeconds, 7)
  })
  await t.test('by a date', async () => {
    bff.answer = () => outage(new Date(Date.now() + 60_000).toUTCString())
    const { retryAfterSeconds = 0 } = await failure(client.fetch('/api/v1/x'))
    assert.ok(retryAfterSeconds > 50 && retryAfterSeconds <= 60, String(retryAfterSeconds))
  })
  await t.test('in words that are neither', async () => {
    bff.answer = () => outage('soon')
    assert.equal((await failure(client.fetch('/api/v1/x'))).retryAfterSeconds, undefined)
  })

  const attempts = async (method: string, retryAfter: string, options: object = {}) => {
    bff.seen.length = 0
    bff.answer = ({ url }) => {
      if (url === SESSION) return liveSession('t')
      return bff.asked('/api/v1/x').length < 2 ? outage(retryAfter) : {}
    }
    const call = client.fetch('/api/v1/x', { method, ...options })
    const outcome = await call.then(
      () => 'answered',
      (error) => error.code ?? error.name,
    )
    return [outcome, bff.asked('/api/v1/x').length]
  }
  await t.test('a safe call is repeated where the caller wants it', async () => {
    assert.deepEqual(await attempts('GET', '0', { retry: 'once' }), ['answered', 2])
  })
  await t.test('also where it came too often', async () => {
    bff.seen.length = 0
    bff.answer = () => (bff.seen.length < 2 ? outage('0', 'RATE_LIMITED', 429) : {})
    await client.fetch('/api/v1/x', { retry: 'once' })
    assert.equal(bff.seen.length, 2)
  })
  await t.test('no call is otherwise', async () => {
    assert.deepEqual(await attempts('GET', '0'), ['IDP_UNAVAILABLE', 1])
    assert.deepEqual(await attempts('POST', '0', { retry: 'once' }), ['IDP_UNAVAILABLE', 1])
    assert.deepEqual(await attempts('GET', '31', { retry: 'once' }), ['IDP_UNAVAILABLE', 1])
  })
  await t.test('and who waits can give up', async () => {
    const options = { retry: 'once', signal: AbortSignal.timeout(20) }
    assert.deepEqual(await attempts('GET', '20', options), [23, 1])
  })
})
