import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startNodes } from '@audience-bridge/testkit/nodes.ts'
import { problemOf, type Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { clientOf, giveToken, startSomeIdp } from './some-idp.ts'

const ask = (idp: ReturnType<typeof clientOf>['idp']) => idp.clientCredentials('a', '')

test('an IdP that is back is not trampled down: at most 64 calls at a time', async (t) => {
  const open: ServerResponse[] = []
  let most = 0
  const some = await startSomeIdp(t, (_req, res) => {
    most = Math.max(most, open.push(res))
  })
  const { idp } = clientOf(t, some.origin)
  const calls = Promise.all(Array.from({ length: 300 }, () => ask(idp)))
  let answered = 0
  while (answered < 300) {
    await until('a call', () => open.length === Math.min(64, 300 - answered))
    for (const res of open.splice(0)) {
      giveToken(res)
      answered += 1
    }
  }
  assert.ok((await calls).every(({ kind }) => kind === 'ok'))
  assert.equal(most, 64)
})

test('who waits for a turn waits no longer than a call may take', async (t) => {
  const some = await startSomeIdp(t, () => {})
  const { idp, counts } = clientOf(t, some.origin, { timeoutSeconds: 1 })
  await until('discovery', async () => (await idp.metadata()).kind === 'ok')
  const answers = await Promise.all(Array.from({ length: 80 }, () => ask(idp)))
  assert.ok(answers.every(({ kind }) => kind === 'unavailable'))
  assert.equal(some.paths.filter((path) => path === '/token').length, 64)
  assert.equal(counts.get('token timeout'), 64)
  assert.equal(counts.get('token held_back'), 16)
})

test('an IdP that asks to be left alone is left alone', async (t) => {
  for (const status of [429, 503]) {
    await t.test(String(status), async (t) => {
      const some = await startSomeIdp(t, (_req, res) => {
        res.writeHead(status, { 'retry-after': '7', 'content-type': 'application/json' })
        res.end('{"error":"temporarily_unavailable"}')
      })
      const { idp } = clientOf(t, some.origin)
      for (let i = 0; i < 20; i++) {
        const answer = await ask(idp)
        assert.ok(answer.kind === 'unavailable')
        assert.equal(answer.retryAfterSeconds, 7)
      }
      assert.equal(some.paths.filter((path) => path === '/token').length, 1)
      assert.equal(idp.link.isUp, false)
    })
  }
})

const login = (idp: ReturnType<typeof clientOf>['idp']) =>
  idp.startLogin({
    ...{ redirectUri: 'https://app.example/auth/callback', scope: 'openid' },
    ...{ resources: [], prompt: undefined },
  })

const PAR = (origin: string) => ({ pushed_authorization_request_endpoint: `${origin}/par` })

test('logins that the IdP has enough of keep nobody from their tokens', async (t) => {
  let busy = 'response_type'
  const some = await startSomeIdp(
    t,
    (_req, res, form) => {
      if (!form.has(busy)) return giveToken(res)
      res.writeHead(429, { 'retry-after': '30', 'content-type': 'application/json' })
      res.end('{"error":"slow_down"}')
    },
    { metadata: PAR },
  )
  await t.test('nor do tokens keep anybody from a login', async (t) => {
    busy = 'grant_type'
    const { idp } = clientOf(t, some.origin)
    for (let i = 0; i < 3; i++) assert.equal((await ask(idp)).kind, 'unavailable')
    const before = some.paths.filter((path) => path === '/par').length
    await login(idp)
    assert.equal(some.paths.filter((path) => path === '/par').length, before + 1)
    busy = 'response_type'
  })
  const { idp } = clientOf(t, some.origin)
  some.paths.length = 0
  for (let i = 0; i < 5; i++) {
    const answer = await login(idp)
    assert.ok(answer.kind === 'unavailable')
    assert.equal(answer.retryAfterSeconds, 30)
  }
  assert.equal(some.paths.filter((path) => path === '/par').length, 1, 'it is left alone')
  assert.equal((await ask(idp)).kind, 'ok')
  assert.equal((await idp.link.probe()).kind, 'ok')
  assert.equal(idp.link.isUp, true)
  // The redeeming of a code that somebody made up is no more than a login either.
  const secrets = { state: 's'.repeat(43), nonce: 'n', codeVerifier: 'v'.repeat(43) }
  const callback = new URL(`https://app.example/auth/callback?code=x&state=${secrets.state}`)
  some.paths.length = 0
  assert.equal((await idp.completeLogin(callback, secrets, 0)).kind, 'unavailable')
  assert.deepEqual(some.paths, [])
})

test('of a flood of logins few are under way, few wait, and tokens pass them by', async (t) => {
  const open: ServerResponse[] = []
  const some = await startSomeIdp(
    t,
    (_req, res, form) => {
      if (form.has('response_type')) open.push(res)
      else giveToken(res)
    },
    { metadata: PAR },
  )
  const { idp, counts } = clientOf(t, some.origin)
  await until('discovery', async () => (await idp.metadata()).kind === 'ok')
  const flood = Array.from({ length: 200 }, () => login(idp))
  await until('those sent away', () => counts.get('par held_back') === 160)
  await until('those let in', () => open.length === 8)
  assert.equal((await ask(idp)).kind, 'ok')
  let answered = 0
  while (answered < 40) {
    await until('a login', () => open.length === Math.min(8, 40 - answered))
    for (const res of open.splice(0)) {
      res.writeHead(201, { 'content-type': 'application/json' })
      res.end('{"request_uri":"urn:x","expires_in":60}')
      answered += 1
    }
  }
  const kinds = (await Promise.all(flood)).map(({ kind }) => kind)
  assert.equal(kinds.filter((kind) => kind === 'ok').length, 40)
  assert.equal(kinds.filter((kind) => kind === 'unavailable').length, 160)
})

test('a refusal, or a failure of one request, keeps nobody else away', async (t) => {
  for (const status of [400, 401, 500]) {
    const some = await startSomeIdp(t, (_req, res) => {
      res.writeHead(status, { 'content-type': 'application/json' })
      res.end('{"error":"invalid_client"}')
    })
    const { idp } = clientOf(t, some.origin)
    for (let i = 0; i < 3; i++) assert.equal((await ask(idp)).kind === 'ok', false)
    assert.equal(some.paths.filter((path) => path === '/token').length, 3)
  }
})

test('of many callers after the pause exactly one asks, and opens the way for all', async (t) => {
  let away = true
  const open: ServerResponse[] = []
  const some = await startSomeIdp(t, (_req, res) => {
    if (away) res.writeHead(502).end()
    else open.push(res)
  })
  const { idp, counts } = clientOf(t, some.origin)
  await ask(idp)
  away = false
  const before = some.paths.length
  // Nobody but the clock ends the pause; the probe is answered when all others have their answer.
  await until('the pause', async () => {
    let settled = 0
    const herd = Array.from({ length: 200 }, () =>
      ask(idp).finally(() => {
        settled += 1
      }),
    )
    await until('the others', () => settled === 200 || (settled === 199 && open.length === 1))
    for (const res of open.splice(0)) giveToken(res)
    return (await Promise.all(herd)).filter(({ kind }) => kind === 'ok').length === 1
  })
  assert.ok((counts.get('token held_back') ?? 0) >= 199)
  assert.equal(some.paths.length - before, 1)
  const all = Promise.all(Array.from({ length: 50 }, () => ask(idp)))
  await until('all', () => open.length === 50)
  for (const res of open.splice(0)) giveToken(res)
  assert.ok((await all).every(({ kind }) => kind === 'ok'))
})

test('a real IdP that is paused and stopped under load, and comes back', async (t) => {
  const echo = await startEcho(t)
  const nodes = await startNodes(t, {
    count: 1,
    edits: {
      'BFF/config/settings.yaml': inOrder(
        replace(
          'auth:\n',
          // Short lives make each call want a token of its own soon.
          'auth:\n  idp_timeout_seconds: 1\n  service_token_seconds: 2\n  eager_services: []\n',
        ),
        (text) => `${text}\ntoken_refresh_threshold: 0\n`,
      ),
      'BFF/config/routes.yaml': (text) =>
        text.replace(/(crud_service:\n\s+base_url: ).*/, `$1${echo.origin}`),
    },
  })
  const [node] = nodes.bffs
  assert.ok(node)
  const users: Visitor[] = []
  while (users.length < 6) users.push(await nodes.signedIn())
  const counts = async () => {
    const text = await (
      await fetch(`${node.origin}/metrics`, {
        headers: { authorization: `Bearer ${nodes.adminToken}` },
      })
    ).text()
    const sum = (statuses: RegExp) =>
      [...text.matchAll(/^bff_idp_requests_total\{endpoint="token",status="(\w+)"\} (\d+)$/gm)]
        .filter(([, status = '']) => statuses.test(status))
        .reduce((total, [, , count]) => total + Number(count), 0)
    return {
      sent: sum(/^(?!held_back)/),
      held: sum(/^held_back$/),
      up: /^bff_idp_up (\d)$/m.exec(text)?.[1],
    }
  }
  const seen = new Map<string, number>()
  const retryAfters = new Set<string>()
  let loading = true
  const load = users.map(async (who: Visitor) => {
    while (loading) {
      const response = await nodes.call(node, who, '/api/crud/projects')
      const kind =
        response.status === 200 ? '200' : String((await problemOf(response.clone())).code)
      seen.set(kind, (seen.get(kind) ?? 0) + 1)
      const retryAfter = response.headers.get('retry-after')
      if (retryAfter !== null) retryAfters.add(retryAfter)
      await response.body?.cancel()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
  const ready = async () => {
    const response = await fetch(`${node.origin}/health/ready`)
    return { status: response.status, body: await response.json() }
  }
  await until('load', () => (seen.get('200') ?? 0) > 50)

  for (const [what, leave, back] of [
    ['paused', () => nodes.idp.pause(), () => nodes.idp.resume()],
    ['stopped', () => nodes.idp.stop('SIGKILL'), () => nodes.idp.start()],
  ] as const) {
    await t.test(what, async () => {
      const before = await counts()
      seen.clear()
      await leave()
      await until('503', () => (seen.get('IDP_UNAVAILABLE') ?? 0) > 200, 30_000)
      const during = await counts()
      // One wave of those who asked as it went away, at most one for each user, and then probes alone.
      assert.ok(during.sent - before.sent <= users.length + 8, JSON.stringify({ before, during }))
      assert.ok(during.held - before.held >= 150)
      assert.equal(during.up, '0')
      assert.deepEqual([...seen.keys()].sort(), ['200', 'IDP_UNAVAILABLE'])
      const missing = await ready()
      assert.equal(missing.status, 503)
      assert.deepEqual(missing.body, {
        status: 'degraded',
        checks: { idp: 'unavailable', store: 'ok', config: 'ok' },
      })
      assert.equal((await fetch(`${node.origin}/health`)).status, 200)
      await back()
      await until('it is back', async () => (await counts()).up === '1', 30_000)
      seen.clear()
      await until('service', () => (seen.get('200') ?? 0) > 200, 30_000)
      t.diagnostic(
        `${what}: ${during.sent - before.sent} calls reached it or its port, ${during.held - before.held} were held back`,
      )
      await until('readiness', async () => (await ready()).status === 200)
    })
  }
  loading = false
  await Promise.all(load)
  for (const seconds of retryAfters)
    assert.ok(Number(seconds) >= 1 && Number(seconds) <= 13, seconds)
})
