import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { inOrder, ROOT, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { edgeSettings } from '@audience-bridge/testkit/edge.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { slowRequests } from './fast-world.ts'

const PATH = '/api/v1/analytics/x'
const PER_SESSION = '{ requests: 3, seconds: 3600 }'
const PER_ADDRESS = '{ requests: 2, seconds: 3600 }'

interface World {
  limit?: string
  settings?: ((text: string) => string) | undefined
}

async function startWorld(t: TestContext, { limit, settings }: World = {}) {
  const echo = await startEcho(t)
  const open = (id: string, auth: string) =>
    `  - id: ${id}\n    path: /${id}/*\n    target_service: analytics_service\n    upstream_path: /{path}\n    auth: ${auth}\n`
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      'BFF/config/routes.yaml': inOrder(
        replace(
          '  analytics_service:\n',
          `  analytics_service:\n    rate_limit:\n${limit ?? `      per_session: ${PER_SESSION}\n      per_address: ${PER_ADDRESS}\n`}`,
        ),
        (text) => `${text}\n${open('open', 'none')}${open('bearer', 'bearer')}`,
      ),
      ...(settings && { 'BFF/config/settings.yaml': settings }),
    },
  })
  const metric = async (name: string) => {
    const text = await (
      await fetch(`${gateway.bff}/metrics`, {
        headers: { authorization: `Bearer ${gateway.adminToken}` },
      })
    ).text()
    return text.split('\n').filter((line) => line.startsWith(`${name}{`))
  }
  return { echo, gateway, metric }
}

const statuses = async (count: number, call: () => Promise<{ status: number }>) => {
  const seen: number[] = []
  for (let i = 0; i < count; i++) seen.push((await call()).status)
  return seen
}

for (const fast of ['true', 'false']) {
  test(`a session may call as often as its service says, fast_path ${fast}`, async (t) => {
    const { echo, gateway, metric } = await startWorld(t, {
      settings: replace('  trusted_proxies: []', `  trusted_proxies: []\n  fast_path: ${fast}`),
    })
    const who = await gateway.signedIn()
    const first = await who.fetch(PATH)
    assert.equal(first.headers.get('ratelimit-policy'), '"session";q=3;w=3600')
    assert.equal(first.headers.get('ratelimit'), '"session";r=2;t=1200')
    assert.deepEqual(await statuses(2, () => who.fetch(PATH)), [200, 200])
    const refused = await who.fetch(PATH)
    assert.equal(refused.status, 429)
    assert.equal(refused.headers.get('retry-after'), '1200')
    assert.match(refused.headers.get('ratelimit') ?? '', /^"session";r=0;t=3600$/)
    const problem = (await refused.json()) as Record<string, unknown>
    assert.equal(problem.code, 'RATE_LIMITED')
    assert.equal(problem.service, 'analytics_service')
    assert.equal(echo.arrivals.length, 3)
    assert.deepEqual(await metric('bff_rate_limit_violations_total'), [
      'bff_rate_limit_violations_total{service="analytics_service",per="session"} 1',
    ])

    assert.equal((await who.fetch('/api/crud/x')).status, 200, 'another service has no limit')
    assert.equal((await who.fetch('/api/crud/x')).headers.get('ratelimit'), null)
    const other = await gateway.signedIn()
    assert.equal((await other.fetch(PATH)).status, 200, 'nor is another session held up')
  })
}

test('what the gateway refuses for other reasons is not counted against the session', async (t) => {
  const { gateway } = await startWorld(t)
  const who = await gateway.signedIn()
  // The attack: a page of another site spends the user's bucket.
  const foreign = () => who.fetch(PATH, { method: 'POST', body: '{}' })
  assert.deepEqual(await statuses(5, foreign), [403, 403, 403, 403, 403])
  // Whoever has stolen the cookie, and is seen to be somebody else, either.
  const thief = () => who.fetch(PATH, { headers: { 'user-agent': 'curl/8' } })
  assert.deepEqual(await statuses(5, thief), [401, 401, 429, 429, 429])
  assert.deepEqual(await statuses(4, () => who.fetch(PATH)), [200, 200, 200, 429])
})

test('callers without a session are told apart by their address', async (t) => {
  const { gateway, echo } = await startWorld(t, {
    settings: replace('trusted_proxies: []', 'trusted_proxies: [127.0.0.1]'),
  })
  const from = (address: string, path = '/open/x') =>
    gateway.raw('GET', path, [['X-Forwarded-For', address]])
  const forged = (address: string) => from(`198.51.100.${Math.random() * 200}, ${address}`)

  assert.deepEqual(await statuses(3, () => from('203.0.113.1')), [200, 200, 429])
  assert.equal((await forged('203.0.113.1')).status, 429, 'what the client writes is not believed')
  assert.equal((await from('203.0.113.2')).status, 200)
  let last = 0
  const inOneNetwork = () => from(`2001:db8:1:1::${++last}`)
  assert.deepEqual(await statuses(3, inOneNetwork), [200, 200, 429], 'a /64 is one caller')
  assert.equal((await from('2001:db8:1:2::1')).status, 200)

  // Before the token is looked at: verifying it is work, too.
  const bearer = () => from('203.0.113.7', '/bearer/x')
  assert.deepEqual(await statuses(3, bearer), [401, 401, 429])
  const cookieless = () => from('203.0.113.8', PATH)
  assert.deepEqual(await statuses(3, cookieless), [401, 401, 429])

  const arrived = echo.arrivals.length
  const who = await gateway.signedIn()
  const signedIn = () => who.fetch(PATH, { headers: { 'x-forwarded-for': '203.0.113.1' } })
  assert.deepEqual(await statuses(3, signedIn), [200, 200, 200], 'a session is not its address')
  assert.equal(echo.arrivals.length, arrived + 3)
})

test('the questions of a proxy in front count, about the caller that it names', async (t) => {
  const { gateway } = await startWorld(t, { settings: edgeSettings()['BFF/config/settings.yaml'] })
  const secret = readSecret(`file:${join(gateway.dataDirectory, 'secrets/edge.secret')}`)
  const ask = (path: string, address: string, cookie = '') =>
    fetch(`${gateway.bff}/auth/verify`, {
      headers: {
        ...(cookie === '' ? {} : { cookie }),
        'x-forwarded-for': address,
        'x-edge-secret': `${secret} GET ${path}`,
      },
    })
  const open = (address: string) => () => ask('/open/x', address)
  assert.deepEqual(await statuses(3, open('203.0.113.1')), [200, 200, 429])
  assert.deepEqual(await statuses(1, open('203.0.113.2')), [200])
  const who = await gateway.signedIn()
  const asked = () => ask(PATH, '203.0.113.1', who.cookie)
  assert.deepEqual(await statuses(4, asked), [200, 200, 200, 429])
  const identity = () => who.fetch('/auth/verify')
  assert.deepEqual(await statuses(2, identity), [200, 200], 'who is signed in can be asked')
})

test('a limit comes, changes and goes with the configuration', async (t) => {
  const { gateway } = await startWorld(t, { limit: `      per_session: ${PER_SESSION}\n` })
  const who = await gateway.signedIn()
  assert.deepEqual(await statuses(4, () => who.fetch(PATH)), [200, 200, 200, 429])
  assert.equal((await gateway.raw('GET', '/open/x')).headers.get('ratelimit'), undefined)
  gateway.reconfigure({
    'BFF/config/routes.yaml': replace(PER_SESSION, '{ requests: 3, seconds: 3600, burst: 5 }'),
  })
  const more = await who.fetch(PATH)
  assert.equal(more.status, 200)
  assert.equal(more.headers.get('ratelimit-policy'), '"session";q=5;w=6000')
  assert.deepEqual(await statuses(2, () => who.fetch(PATH)), [200, 429], 'what was taken counts')
  gateway.reconfigure({
    'BFF/config/routes.yaml': (text) => text.replace(/ {4}rate_limit:\n.*\n/, ''),
  })
  assert.deepEqual(await statuses(2, () => who.fetch(PATH)), [200, 200])
})

test('sign-ins of one address have a limit of their own', async (t) => {
  const { gateway, metric } = await startWorld(t, {
    settings: replace('auth:\n', 'auth:\n  sign_in_rate_limit: { requests: 4, seconds: 3600 }\n'),
  })
  const who = await gateway.signedIn()
  const begin = () => gateway.raw('GET', '/auth/login')
  assert.deepEqual(await statuses(3, begin), [302, 302, 429])
  const page = await gateway.raw('GET', '/auth/login', [['Accept', 'text/html']])
  // A quarter of an hour for each, less what the sign-in took.
  const seconds = Number(page.headers.get('retry-after')?.[0])
  assert.ok(seconds > 800 && seconds <= 900, `${seconds}`)
  const callback = await gateway.raw('GET', '/auth/callback?state=x&code=y')
  assert.equal(callback.status, 429)
  assert.equal((await who.fetch(PATH)).status, 200, 'whoever is signed in goes on')
  const [line] = await metric('bff_rate_limit_violations_total')
  assert.equal(line, 'bff_rate_limit_violations_total{service="",per="sign_in"} 3')
})

test('the limits that the page shows are taken', async (t) => {
  const page = readFileSync(join(ROOT, 'docs/admin/rate-limits.md'), 'utf8')
  const limit = / {4}rate_limit:\n((?: {6}.*\n)+)/.exec(page)?.[1] ?? ''
  const signIn = / {2}sign_in_rate_limit: .*\n/.exec(page)?.[0] ?? ''
  const { gateway } = await startWorld(t, {
    limit,
    settings: replace('auth:\n', `auth:\n${signIn}`),
  })
  const who = await gateway.signedIn()
  const { headers } = await who.fetch(PATH)
  for (const name of ['RateLimit-Policy', 'RateLimit']) {
    assert.ok(page.includes(`${name}: ${headers.get(name)}\n`), `${name}: ${headers.get(name)}`)
  }
})

test('an administrator is told whose limit it was, and where it is written', async (t) => {
  const { gateway } = await startWorld(t)
  const who = await gateway.signedIn(USERS.admin)
  await statuses(3, () => who.fetch(PATH))
  const body = (await (await who.fetch(PATH)).json()) as {
    broken_link: { link: string; at: { file: string; line: number } }
    explanation: string
  }
  assert.equal(body.broken_link.link, 'rate')
  assert.match(body.broken_link.at.file, /routes\.yaml$/)
  assert.match(body.explanation, /BROKEN rate \[rate_exceeded\]: .*"session";q=3;w=3600/)
})

test('what is refused or declined before is not counted, and nothing twice', async (t) => {
  const time = freezeTime(t)
  const { gateway, echo } = await startWorld(t, {
    settings: replace('  trusted_proxies: []', '  trusted_proxies: []\n  fast_path: true'),
    limit: '      per_session: { requests: 10, seconds: 36000 }\n',
  })
  const who = await gateway.signedIn()
  const slow = slowRequests(t, gateway.bff)
  const call = async (head: [string, string][] = []) => {
    const answer = await gateway.raw('GET', PATH, [['Cookie', who.cookie], ...head])
    const left = /r=(\d+)/.exec(answer.headers.get('ratelimit')?.[0] ?? '')?.[1]
    return { status: answer.status, left: left && Number(left) }
  }
  assert.deepEqual(await call(), { status: 200, left: 9 }, 'it is minted for')
  slow.length = 0
  assert.deepEqual(await call(), { status: 200, left: 8 })
  assert.deepEqual(slow, [], 'by the fast path')
  // A route that takes no WebSocket says so before anything is counted.
  const upgrade = await call([
    ...([
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
    ] as [string, string][]),
    ...([
      ['Sec-WebSocket-Version', '13'],
      ['Origin', gateway.bff],
    ] as [string, string][]),
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ])
  assert.deepEqual(upgrade, { status: 403, left: undefined })
  // Begun by the fast path, refused by the backend, ended by the HTTP server.
  time.pass(2)
  let refused = 0
  echo.respond = (_arrival, res) => {
    res.writeHead(refused++ === 0 ? 401 : 200, { 'content-length': '0' }).end()
  }
  slow.length = 0
  assert.deepEqual(await call(), { status: 200, left: 7 })
  assert.equal(refused, 2)
  assert.equal(slow.length, 1)
  for (let left = 6; left >= 0; left--) assert.deepEqual(await call(), { status: 200, left })
  slow.length = 0
  assert.deepEqual(await call(), { status: 429, left: 0 })
  assert.equal(slow.length, 1, 'the fast path never refuses')
})
