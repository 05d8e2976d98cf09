import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { startNginx } from '@audience-bridge/testkit/proxies.ts'
import { ANALYTICS, edgeContract, edgeSockets, PATH, startEdgeWorld } from './edge-world.ts'

test('nginx carries the traffic as shipped', (t) => edgeContract(t, startNginx))

test('nginx leaves WebSockets to the BFF', (t) => edgeSockets(t, startNginx))

test('nginx keeps an answer for its seconds', async (t) => {
  const { gateway, analytics, questions } = await startEdgeWorld(t, startNginx)
  const member = await gateway.signedIn()
  const call = (path: string, agent = 'node') =>
    member.fetch(path, { headers: { 'user-agent': agent } })

  await t.test('so that a hundred calls are a few questions', async () => {
    const before = questions().length
    for (let i = 0; i < 100; i++) assert.equal((await call(`${PATH}?i=${i}`)).status, 200)
    const asked = questions().length - before
    assert.ok(asked >= 1 && asked <= 15, `${asked} questions`)
    assert.equal(analytics.arrivals.length, 100)
    assert.ok(analytics.arrivals.every(({ claims }) => claims?.aud === ANALYTICS))
  })

  await t.test('and a hundred at once are one', async () => {
    const before = questions().length
    await Promise.all(Array.from({ length: 100 }, () => call('/api/v1/analytics/burst')))
    assert.ok(questions().length - before <= 2, `${questions().length - before} questions`)
  })

  await t.test('and for nobody else', async () => {
    assert.equal((await call(PATH)).status, 200)
    await assertProblem(await gateway.visitor().fetch(PATH), 'SESSION_REQUIRED')
    const stranger = gateway.visitor()
    const cookie = `${gateway.config().frontends.first.cookies.sessionName}=${'x'.repeat(43)}`
    const answer = await stranger.fetch(PATH, { headers: { cookie } })
    await assertProblem(answer, 'SESSION_EXPIRED')
    const before = questions().length
    assert.equal((await call(PATH, 'node/2')).status, 200)
    assert.equal(questions().length, before + 1, 'another User-Agent is judged anew')
  })
})

test('nginx without the BFF carries nothing', async (t) => {
  const world = await startEdgeWorld(t, startNginx)
  const member = await world.gateway.signedIn()
  assert.equal((await member.fetch(PATH)).status, 200)
  const other = await startEdgeWorld(t, startNginx, {
    'edge.conf': (text) => text.replace(/(upstream bff \{\s+server 127\.0\.0\.1):\d+/, '$1:1'),
  })
  const response = await fetch(`${other.origin}${PATH}`, { headers: { cookie: member.cookie } })
  assert.equal(response.status, 502)
  assert.equal(other.analytics.arrivals.length, 0)
})

/*
 * The finding of 2026 at oauth2-proxy: a client sends `X-Forwarded-Uri` itself, a proxy that does not
 * overwrite it passes it on, and the check is made for another request than the one that is carried.
 * The first line of each of these is what a careless administrator left out.
 */
const CARELESS = {
  "passes its clients' headers with the question": replace(
    'proxy_pass_request_headers off;',
    'proxy_pass_request_headers on;',
  ),
  'passes them and names no request of its own': inOrder(
    replace('proxy_pass_request_headers off;', 'proxy_pass_request_headers on;'),
    replace(' $request_method $request_uri";', '";'),
  ),
  'passes them and has no secret': inOrder(
    replace('proxy_pass_request_headers off;', 'proxy_pass_request_headers on;'),
    (text) => text.replace(/proxy_set_header X-Edge-Secret .*/, ''),
  ),
}

for (const [what, edit] of Object.entries(CARELESS)) {
  test(`an nginx that ${what} gives no token for what a client names`, async (t) => {
    const world = await startEdgeWorld(t, startNginx, { 'verify.conf': edit })
    const { gateway, analytics, crud } = world
    const member = await gateway.signedIn()
    for (const headers of [
      { 'x-forwarded-uri': '/api/crud/projects', 'x-forwarded-method': 'GET' },
      { 'x-original-uri': '/api/crud/projects', 'x-original-method': 'GET' },
      { 'x-original-uri': PATH, 'x-original-method': 'GET' },
      { 'x-edge-secret': `${'x'.repeat(43)} GET /api/crud/projects` },
    ]) {
      for (const method of ['GET', 'POST']) {
        const response = await member.fetch(PATH, {
          method,
          headers: headers as Record<string, string>,
        })
        await response.body?.cancel()
      }
    }
    for (const { method, claims } of analytics.arrivals) {
      assert.ok(claims === undefined || claims.aud === ANALYTICS, 'its own token or none')
      assert.ok(claims === undefined || method === 'GET', 'no token without the CSRF rule')
    }
    assert.deepEqual(crud.arrivals, [])
  })
}

test('an nginx that forgets $edge_by_bff keeps no answer for a path that nobody judged', async (t) => {
  const { gateway, analytics } = await startEdgeWorld(t, startNginx, {
    'carry.conf': replace('if ($edge_by_bff) {\n    return 418;\n}\n', ''),
  })
  const member = await gateway.signedIn()
  // nginx reads each of these as PATH; the backend gets it as it came.
  for (const target of [`${PATH}#/../../../../admin`, '/api/v1/analytics/x/%2e%2e/workflows']) {
    assert.equal((await member.fetch(PATH)).status, 200)
    const before = analytics.arrivals.length
    const answer = await gateway.raw('GET', target, [['Cookie', member.cookie]])
    await assertProblem(answer, 'PATH_AMBIGUOUS')
    assert.equal(analytics.arrivals.length, before, target)
  }
})

test('nginx keeps tokens where its configuration says, in memory', () => {
  const directory = new URL('../../../ServiceConfigs/edge/nginx/', import.meta.url)
  const paths = readdirSync(directory).flatMap((name) => [
    ...readFileSync(new URL(name, directory), 'utf8').matchAll(/^proxy_cache_path (\S+)/gm),
  ])
  assert.deepEqual(
    paths.map(([, path]) => path),
    ['/dev/shm/audience-bridge-edge'],
  )
})
